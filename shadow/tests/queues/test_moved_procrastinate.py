"""Jobs of a real procrastinate, with its own workers: they move to Airflow and back, and each runs once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import procrastinate
import pytest
from moving import OVERRIDE, Crew, Moving, database, move_over_and_back, wait_until
from procrastinate import exceptions
from real_workers import procrastinate_app

ENDED = "('succeeded', 'failed', 'cancelled', 'aborted')"


class Shop(Moving):
    """An application with procrastinate's own schema, made by its own command."""

    def __init__(self, folder: Path, url: str) -> None:
        with procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=url)).open() as app:
            app.schema_manager.apply_schema()
        super().__init__(folder, url, "procrastinate", "public.procrastinate_jobs", "shop.send_mail")
        self.app = procrastinate_app(url, synchronous=True)
        self.app.open()

    def add(self, first: int, count: int = 1, task: str = "shop.send_mail", **how: Any) -> list[int]:
        """Defers jobs as the application does; their ids."""
        options = {key: how.pop(key) for key in ("lock", "queueing_lock", "schedule_in", "priority") if key in how}
        deferrer = self.app.configure_task(task, **options)
        return deferrer.batch_defer(*[{"n": n, **how} for n in range(first, first + count)])

    def status(self, job: int) -> str:
        """A job's status, by procrastinate's own manager."""
        return str(next(iter(self.app.job_manager.list_jobs(id=job))).status)

    def unfinished(self) -> int:
        """How many jobs have not ended."""
        return int(self.one(f"SELECT count(*) FROM procrastinate_jobs WHERE status NOT IN {ENDED}"))

    def events(self, job: int) -> list[str]:
        """What procrastinate's triggers have told of a job."""
        return [
            kind
            for (kind,) in self.rows("SELECT type::text FROM procrastinate_events WHERE job_id = %s ORDER BY id", job)
        ]


@pytest.fixture
def shop(cluster_url: str, tmp_path: Path) -> Iterator[Shop]:
    with database(cluster_url) as url:
        shop = Shop(tmp_path, url)
        yield shop
        shop.app.close()
        shop.connection.close()


def test_no_job_is_lost_or_doubled_under_three_workers(
    shop: Shop, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    jobs = 3000 if request.config.getoption("--full") else 200
    shop.add(10_000, task="shop.stock")
    shop.add(0, 40)
    shop.begin()
    with Crew(shop, tmp_path) as crew:
        for n in range(3):
            crew.start(f"worker-{n}", "procrastinate", "--queues", "mails,stock")
        for n in range(2):
            crew.start(f"dag-{n}", "dag")
        done = move_over_and_back(shop, crew, lambda at, count: shop.add(40 + at, count), shop.unfinished, jobs)
    ran = shop.each_once(40 + jobs + 1)
    print(f"\n{done}, {ran}")
    assert min(ran.values()) > 0 and len(ran) == 2
    assert shop.rows("SELECT status::text, attempts, count(*) FROM procrastinate_jobs GROUP BY 1, 2") == [
        ("succeeded", 1, 41 + jobs)
    ]
    # Each job's events are those of a job that legacy ran.
    told = "SELECT job_id FROM procrastinate_events WHERE type = 'succeeded' GROUP BY 1 HAVING count(*) <> 1"
    assert shop.rows(told) == []
    assert shop.rows("SELECT what FROM bailey.sighting") == []


def test_what_it_reads_is_what_procrastinate_counts(shop: Shop, tmp_path: Path) -> None:
    shop.add(0, 7)
    shop.add(100, 2, task="shop.stock")
    with Crew(shop, tmp_path) as crew:
        crew.start("worker", "procrastinate", "--queues", "mails,stock")
        wait_until("all have ended", lambda: shop.unfinished() == 0)
    shop.add(200, 3, schedule_in={"hours": 1})
    counts = {task["name"]: (task["succeeded"], task["todo"]) for task in shop.app.job_manager.list_tasks()}
    inventory = shop.json("import")
    read = {
        entry["name"]: tuple(entry["history"]["states"].get(word, 0) for word in ("succeeded", "todo"))
        for entry in inventory["entries"]
    }
    assert read == counts == {"shop.send_mail": (7, 3), "shop.stock": (2, 0)}
    assert "BLY093" not in [note["code"] for note in inventory["sources"][0]["notes"]]


def test_held_jobs_go_back_byte_for_byte(shop: Shop, tmp_path: Path) -> None:
    shop.add(0, 20)
    shop.add(20, schedule_in={"hours": 1})
    shop.add(21, queueing_lock="one", lock="a", priority=5)
    shop.begin()
    before = shop.table_now()
    shop.cut_over()
    assert shop.rows("SELECT DISTINCT queue_name, status::text FROM procrastinate_jobs") == [("bailey:=mails", "todo")]
    with Crew(shop, tmp_path) as crew:
        # Neither a worker that runs on nor one that starts while they are held sees any.
        crew.start("worker", "procrastinate")
        shop.add(30, task="shop.stock")
        crew.start("other", "procrastinate", "--queues", "stock")
        wait_until("a job of another type runs", lambda: shop.one("SELECT count(*) FROM effects") == 1)
        crew.stop("worker")
        crew.start("worker", "procrastinate")
        wait_until("it is there", lambda: shop.one("SELECT count(*) FROM procrastinate_workers") == 2)
        # An arrival is held too, and queueing_lock refuses a second one as ever.
        held = shop.add(40)
        with pytest.raises(exceptions.AlreadyEnqueued):
            shop.add(41, queueing_lock="one")
        assert shop.rows("SELECT n FROM effects") == [(30,)]
    shop.connection.execute("DELETE FROM procrastinate_jobs WHERE id = %s OR task_name = 'shop.stock'", (held[0],))
    shop.roll_back()
    assert shop.table_now() == before


def test_a_run_of_airflow_writes_what_a_worker_writes(shop: Shop, tmp_path: Path) -> None:
    [legacy] = shop.add(0)
    with Crew(shop, tmp_path) as crew:
        crew.start("worker", "procrastinate")
        wait_until("it has ended", lambda: shop.unfinished() == 0)
    [ours] = shop.add(0)
    [bad] = shop.add(1)
    shop.begin()
    shop.cut_over()
    [first, second] = shop.take("dag/1")
    assert (first["job"], first["payload"], first["attempt"]) == (str(ours), '{"n":0}', 1)
    assert shop.status(ours) == "doing"
    assert shop.finish(str(ours), "dag/1", "success") == "success"
    assert shop.finish(second["job"], "dag/1", "failed", "ValueError: no") == "failed"
    columns = (
        "queue_name, task_name, priority, lock, queueing_lock, args, status, scheduled_at, attempts, abort_requested"
    )
    rows = shop.rows(f"SELECT {columns} FROM procrastinate_jobs WHERE id IN (%s, %s)", legacy, ours)
    assert rows[0] == rows[1]
    assert shop.events(ours) == shop.events(legacy) == ["deferred", "started", "succeeded"]
    assert shop.events(bad) == ["deferred", "started", "failed"]
    # procrastinate's own words for it: the job can be retried by hand, as one that a worker ran.
    shop.app.job_manager.retry_job_by_id(bad, retry_at=datetime.now(UTC))
    assert shop.status(bad) == "todo"


def test_a_failed_job_is_repeated_by_airflow_and_by_legacy_after_a_rollback(shop: Shop, tmp_path: Path) -> None:
    shop.repeat(limit=3)
    [job] = shop.add(0)
    shop.begin()
    shop.cut_over()
    shop.take("dag/1")
    assert shop.finish(str(job), "dag/1", "failed", "no") == "retry"
    assert shop.rows("SELECT status::text, attempts, queue_name FROM procrastinate_jobs") == [
        ("todo", 1, "bailey:=mails")
    ]
    wait_until("it is due again", lambda: [again["attempt"] for again in shop.take("dag/2")] == [2])
    shop.roll_back()
    # It is the run's to finish, and legacy's to repeat.
    assert shop.status(job) == "doing"
    assert shop.finish(str(job), "dag/2", "failed", "no") == "released"
    assert shop.rows("SELECT status::text, attempts, queue_name FROM procrastinate_jobs") == [("todo", 2, "mails")]
    with Crew(shop, tmp_path) as crew:
        crew.start("worker", "procrastinate")
        wait_until("legacy runs it", lambda: shop.status(job) == "succeeded")
    assert shop.rows("SELECT by FROM effects") == [("legacy",)]
    assert shop.one("SELECT attempts FROM procrastinate_jobs") == 3


def test_jobs_with_one_lock_run_one_after_the_other(shop: Shop, tmp_path: Path) -> None:
    [one] = shop.add(0, lock="till")
    [two] = shop.add(1, lock="till")
    [stock] = shop.add(2, task="shop.stock", lock="till")
    [free] = shop.add(3)
    shop.begin()
    shop.cut_over()
    # Of those with the lock the first alone; and legacy's own waits for it.
    assert [job["job"] for job in shop.take("dag/1")] == [str(one), str(free)]
    assert shop.take("dag/2") == []
    with Crew(shop, tmp_path) as crew:
        crew.start("worker", "procrastinate", "--queues", "mails,stock")
        shop.add(4, task="shop.stock")
        wait_until("legacy runs another", lambda: shop.one("SELECT count(*) FROM effects") == 1)
        assert shop.status(stock) == "todo"
        shop.finish(str(one), "dag/1", "success")
        assert [job["job"] for job in shop.take("dag/3")] == [str(two)]
        shop.finish(str(two), "dag/3", "success")
        wait_until("legacy's turn", lambda: shop.status(stock) == "succeeded")
        # While legacy runs one with the lock, Airflow takes none.
        shop.add(5, task="shop.stock", lock="till", seconds=2)
        wait_until(
            "it runs",
            lambda: shop.one("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND lock = 'till'") == 1,
        )
        [late] = shop.add(6, lock="till")
        assert shop.take("dag/4") == []
        wait_until("it has ended", lambda: [job["job"] for job in shop.take("dag/5")] == [str(late)])


def test_jobs_with_a_lock_keep_their_order_over_both_sides(shop: Shop, tmp_path: Path) -> None:
    shop.add(1000)
    shop.begin()
    shop.cut_over()
    for n in range(60):
        shop.add(n, task="shop.send_mail" if n % 2 else "shop.stock", lock=f"till {n % 3}")
    with Crew(shop, tmp_path) as crew:
        for n in range(2):
            crew.start(f"worker-{n}", "procrastinate", "--queues", "mails,stock")
            crew.start(f"dag-{n}", "dag")
        wait_until("all have ended", lambda: shop.unfinished() == 0)
        assert crew.said() == ""
    assert min(shop.each_once(61).values()) == 30
    for till in range(3):
        ran = [n for (n,) in shop.rows("SELECT n FROM effects WHERE n < 1000 AND n %% 3 = %s ORDER BY place", till)]
        assert ran == sorted(ran)


def test_while_a_run_has_a_job_another_may_be_queued_behind_it(shop: Shop) -> None:
    [job] = shop.add(0, queueing_lock="refresh")
    shop.begin()
    shop.cut_over()
    with pytest.raises(exceptions.AlreadyEnqueued):
        shop.add(1, queueing_lock="refresh")
    shop.take("dag/1")
    [behind] = shop.add(2, queueing_lock="refresh")
    shop.finish(str(job), "dag/1", "success")
    assert [one["job"] for one in shop.take("dag/2")] == [str(behind)]


def test_deferred_jobs_are_taken_when_they_are_due(shop: Shop) -> None:
    [job] = shop.add(0, schedule_in={"hours": 1})
    shop.begin()
    shop.cut_over()
    assert shop.take("dag/1") == []
    shop.connection.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE id = %s", (job,))
    assert [one["job"] for one in shop.take("dag/2")] == [str(job)]


def test_a_worker_that_is_killed_in_the_middle_keeps_its_job(shop: Shop, tmp_path: Path) -> None:
    [job] = shop.add(0, seconds=30)
    shop.begin()
    with Crew(shop, tmp_path) as crew:
        crew.start("worker", "procrastinate")
        wait_until("it runs", lambda: shop.status(job) == "doing")
        crew.kill("worker")
    shop.cut_over()
    assert shop.take("dag/1") == [] and shop.status(job) == "doing"
    # procrastinate's own way with such a job: it is a retry of legacy's, and stays legacy's.
    shop.app.job_manager.retry_job_by_id(job, retry_at=datetime.now(UTC))
    assert shop.rows("SELECT status::text, queue_name FROM procrastinate_jobs") == [("todo", "mails")]
    assert shop.take("dag/2") == []


def test_a_job_that_a_run_has_is_not_taken_for_a_stalled_one(shop: Shop) -> None:
    [job] = shop.add(0)
    shop.begin()
    shop.cut_over()
    shop.take("dag/1")
    # As an application does that looks for jobs whose worker has died: it finds that one, which has no worker.
    query = "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id IS NULL"
    assert shop.rows(query) == [(job,)]
    before = shop.table_now()
    events = shop.events(job)
    shop.app.job_manager.retry_job_by_id(job, retry_at=datetime.now(UTC))
    assert shop.table_now() == before and shop.events(job) == events
    assert shop.rows("SELECT what FROM bailey.sighting") == [("taken: doing to todo",)]
    # It may be cancelled as a running job may; nothing hears of it, and its end is written all the same.
    shop.app.job_manager.cancel_job_by_id(job, abort=True)
    assert shop.one("SELECT abort_requested FROM procrastinate_jobs")
    assert shop.finish(str(job), "dag/1", "success") == "success"
    assert shop.rows("SELECT status::text, abort_requested, queue_name FROM procrastinate_jobs") == [
        ("succeeded", False, "mails")
    ]


def test_what_a_run_that_was_called_dead_had_goes_back(shop: Shop) -> None:
    shop.add(0, 3)
    shop.begin()
    before = shop.table_now()
    shop.cut_over()
    assert len(shop.take("dag/1")) == 3
    shop.json("rollback", shop.pipeline, "--execute", "--return-claims", "dag/1")
    assert shop.table_now() == before
    assert shop.finish(shop.one("SELECT min(id)::text FROM procrastinate_jobs"), "dag/1", "success") == "returned"
    assert shop.table_now() == before


def test_its_dag_keeps_its_gate(shop: Shop) -> None:
    shop.add(0)
    mapping = {"pipeline": "mails", "manual": True, "tasks": {"run": {"entry": "q/shop.send_mail", "command": ["cat"]}}}
    shop.folder.joinpath("mappings/mails.yaml").write_text(json.dumps(mapping), encoding="utf-8")
    shop.begin()
    shop.cut_over()
    [status] = shop.json("status", "mails")["pipelines"]
    assert status["waits_for"] == "nothing: its jobs need the gate, which may stay"
    policy = shop.json("retire", "mails", status=1)["policy"]
    lines = {line["rule"]: line for line in policy["lines"]}
    assert lines["ungated"]["verdict"] == "fail" and "its gate may stay" in str(lines["ungated"])


def test_a_worker_of_every_queue_is_refused(shop: Shop, tmp_path: Path) -> None:
    shop.add(0, 3, schedule_in={"hours": 1})
    shop.begin()
    before = shop.table_now()
    with Crew(shop, tmp_path) as crew:
        crew.start("worker", "procrastinate", "--queues", "*")
        wait_until(
            "it listens",
            lambda: shop.one("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN %%any_queue%%'") == 1,
        )
        preview = shop.run("cutover", shop.pipeline)
        assert preview.returncode == 1 and "takes the jobs of every queue" in preview.stdout + preview.stderr
        refused = shop.json(
            "cutover", shop.pipeline, "--execute", "--override", "a test", "--reason", "it must refuse", status=1
        )
        assert "unfit-use" in str(refused)
        assert shop.table_now() == before and shop.one("SELECT to_regnamespace('bailey') IS NULL")
        crew.stop("worker")
        shop.cut_over()
        # One that comes later runs what is held: once, and it is told.
        shop.connection.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL")
        crew.start("worker", "procrastinate", "--queues", "*")
        wait_until("it has run them", lambda: shop.unfinished() == 0)
        events = shop.json("watch", "--once")["events"]
        assert {"unfit-use", "sighting"} <= {event["event"] for event in events}, events
    assert shop.each_once(3) == {"legacy": 3}
    assert shop.take("dag/1") == []


def test_least_rights_suffice_and_statements_out_of_sight_are_no_proof(shop: Shop) -> None:
    [job] = shop.add(0)
    shop.begin()
    before = shop.table_now()
    user = shop.one("SELECT 'few_' || left(md5(current_database()), 8)")
    shop.connection.execute(f"CREATE ROLE {user} LOGIN")
    shop.connection.execute(f"GRANT CREATE ON DATABASE {shop.url.rsplit('/', 1)[1]} TO {user}")
    shop.connection.execute(f"GRANT SELECT, UPDATE, TRIGGER ON procrastinate_jobs TO {user}")
    shop.connection.execute(f"GRANT SELECT ON procrastinate_events TO {user}")
    shop.settle(url=shop.url.replace("postgres@", f"{user}@"))
    said = shop.run("cutover", shop.pipeline)
    assert said.returncode == 1 and "out of sight" in said.stdout + said.stderr, said.stdout + said.stderr
    shop.connection.execute(f"GRANT pg_read_all_stats TO {user}")
    # Its triggers write events with the rights of who installs the switch: found before anything is held.
    said = shop.run("cutover", shop.pipeline, "--execute", *OVERRIDE)
    assert said.returncode == 3 and "permission denied for table procrastinate_events" in said.stderr, said.stderr
    assert shop.table_now() == before and shop.one("SELECT to_regnamespace('bailey') IS NULL")
    shop.connection.execute(f"GRANT INSERT ON procrastinate_events TO {user}")
    shop.connection.execute(f"GRANT USAGE ON SEQUENCE procrastinate_events_id_seq TO {user}")
    shop.cut_over()
    shop.roll_back()
    assert shop.table_now() == before
    shop.cut_over()
    shop.take("dag/1")
    assert shop.finish(str(job), "dag/1", "success") == "success"
    assert shop.events(job) == ["deferred", "started", "succeeded"]
    shop.roll_back()
    shop.connection.execute(f"DROP OWNED BY {user} CASCADE")
    shop.connection.execute(f"DROP ROLE {user}")


def test_held_jobs_may_be_cancelled_and_deleted_by_the_application(shop: Shop) -> None:
    one, two, three = shop.add(0, 3)
    shop.begin()
    shop.cut_over()
    manager = shop.app.job_manager
    assert manager.cancel_job_by_id(one)
    assert shop.rows("SELECT status::text, queue_name FROM procrastinate_jobs WHERE id = %s", one) == [
        ("cancelled", "mails")
    ]
    assert manager.cancel_job_by_id(two, delete_job=True)
    assert [job["job"] for job in shop.take("dag/1")] == [str(three)]
    assert shop.rows("SELECT what FROM bailey.sighting") == [("deleted while held",)]
    assert not manager.cancel_job_by_id(three)
    # One that Airflow has ended badly and that a person tries again is Airflow's.
    shop.finish(str(three), "dag/1", "failed", "no")
    manager.retry_job_by_id(three, retry_at=datetime.now(UTC))
    wait_until("it is taken again", lambda: [job["job"] for job in shop.take("dag/2")] == [str(three)])
    shop.roll_back()
    assert shop.finish(str(three), "dag/2", "success") == "success"

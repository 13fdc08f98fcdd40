"""Jobs of a real PgQueuer, with its own workers: they move to Airflow and back, and each runs once."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from moving import Crew, Moving, database, move_over_and_back, wait_until
from pgqueuer.db import PsycopgDriver
from pgqueuer.domain.errors import DuplicateJobError
from pgqueuer.models import TracebackRecord
from pgqueuer.queries import Queries

from bailey_runtime import json_value

LOG = "SELECT status::text, entrypoint, priority FROM pgqueuer_log WHERE job_id = %s ORDER BY id"


class Shop(Moving):
    """An application with PgQueuer's own schema, made by its own code."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.asked(lambda queries: queries.install())
        super().__init__(folder, url, "pgqueuer", "public.pgqueuer", "send_mail")

    def asked(self, what: Callable[[Queries], Coroutine[Any, Any, Any]]) -> Any:
        """What PgQueuer's own queries answer."""

        async def ask() -> Any:
            async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
                return await what(Queries(PsycopgDriver(connection)))

        return asyncio.run(ask())

    def add(self, first: int, count: int = 1, entrypoint: str = "send_mail", **how: Any) -> list[int]:
        """Queues jobs as the application does; their ids."""
        after, key, priority = how.pop("after", None), how.pop("dedupe_key", None), how.pop("priority", 0)
        payloads = [json.dumps({"n": n, **how}).encode() for n in range(first, first + count)]
        return self.asked(
            lambda queries: queries.enqueue(
                [entrypoint] * count, payloads, [priority] * count, [after] * count, [key] * count
            )
        )

    def unfinished(self) -> int:
        """How many jobs have not ended: those that have are deleted."""
        return int(self.one("SELECT count(*) FROM pgqueuer"))


@pytest.fixture
def shop(cluster_url: str, tmp_path: Path) -> Iterator[Shop]:
    with database(cluster_url) as url:
        shop = Shop(tmp_path, url)
        yield shop
        shop.connection.close()


def test_no_job_is_lost_or_doubled_under_three_workers(
    shop: Shop, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    jobs = 3000 if request.config.getoption("--full") else 200
    shop.add(0, 40)
    shop.begin()
    with Crew(shop, tmp_path) as crew:
        for n in range(3):
            crew.start(f"worker-{n}", "pgqueuer")
        for n in range(2):
            crew.start(f"dag-{n}", "dag")
        done = move_over_and_back(shop, crew, lambda at, count: shop.add(40 + at, count), shop.unfinished, jobs)
    ran = shop.each_once(40 + jobs)
    print(f"\n{done}, {ran}")
    assert min(ran.values()) > 0 and len(ran) == 2
    # Its log tells of each what it tells of one that a worker ran.
    told = "SELECT told, count(*) FROM (SELECT string_agg(status::text, ' ' ORDER BY id) AS told FROM pgqueuer_log GROUP BY job_id) t GROUP BY 1"
    assert shop.rows(told) == [("queued picked successful", 40 + jobs)]
    assert shop.rows("SELECT what FROM bailey.sighting") == []


def test_what_it_reads_is_what_pgqueuer_counts(shop: Shop, tmp_path: Path) -> None:
    shop.add(0, 7)
    with Crew(shop, tmp_path) as crew:
        crew.start("worker", "pgqueuer")
        wait_until("all have ended", lambda: shop.unfinished() == 0)
    shop.add(200, 3, after=timedelta(hours=1))
    shop.add(300, 2, entrypoint="stock")
    waiting = {(row.entrypoint, row.status): row.count for row in shop.asked(lambda queries: queries.queue_size())}
    ended = [row.status for row in shop.asked(lambda queries: queries.queue_log()) if row.status == "successful"]
    shop.json("import")
    inventory = shop.json("import")
    states = {entry["name"]: entry["history"]["states"] for entry in inventory["entries"]}
    assert waiting == {("send_mail", "queued"): 3, ("stock", "queued"): 2} and len(ended) == 7
    assert states == {"send_mail": {"queued": 3, "successful": 7}, "stock": {"queued": 2}}
    shop.begin()
    shop.cut_over()
    # Held jobs are the type's as before.
    after = {entry["name"]: entry["history"]["states"] for entry in shop.json("import")["entries"]}
    assert after == states


def test_held_jobs_go_back_byte_for_byte(shop: Shop, tmp_path: Path) -> None:
    shop.add(0, 20)
    shop.add(20, after=timedelta(hours=1))
    shop.add(21, dedupe_key="one", priority=5)
    shop.connection.execute("UPDATE pgqueuer SET payload = '\\xfffe00'::bytea WHERE priority = 5")
    shop.begin()
    before, told = shop.table_now(), shop.rows("SELECT l::text FROM pgqueuer_log l ORDER BY id")
    shop.cut_over()
    with Crew(shop, tmp_path) as crew:
        crew.start("worker", "pgqueuer")
        shop.add(30, entrypoint="stock")
        wait_until("a job of another type runs", lambda: shop.one("SELECT count(*) FROM effects") == 1)
        crew.stop("worker")
        crew.start("worker", "pgqueuer")
        shop.add(31, entrypoint="stock")
        wait_until("it runs again", lambda: shop.one("SELECT count(*) FROM effects") == 2)
        held = shop.add(40)
        with pytest.raises(DuplicateJobError):
            shop.add(41, dedupe_key="one")
        assert shop.rows("SELECT n FROM effects ORDER BY n") == [(30,), (31,)]
    shop.connection.execute("DELETE FROM pgqueuer WHERE id = %s OR entrypoint = 'stock'", (held[0],))
    shop.roll_back()
    assert shop.table_now() == before
    assert shop.rows("SELECT l::text FROM pgqueuer_log l ORDER BY id")[: len(told)] == told


def test_a_run_of_airflow_writes_what_a_worker_writes(shop: Shop, tmp_path: Path) -> None:
    [legacy] = shop.add(0)
    [legacy_bad] = shop.add(1, bad=True)
    with Crew(shop, tmp_path) as crew:
        crew.start("worker", "pgqueuer")
        wait_until("they have ended", lambda: shop.unfinished() == 0)
    [ours] = shop.add(0, word="Grüße")
    [bad] = shop.add(1)
    shop.connection.execute("UPDATE pgqueuer SET payload = '\\xfffe00'::bytea WHERE id = %s", (bad,))
    shop.begin()
    shop.cut_over()
    first, second = shop.take("dag/1")
    assert (first["job"], json.loads(first["payload"])) == (str(ours), {"n": 0, "word": "Grüße"})
    # Bytes that are no text.
    assert json.loads(second["payload"]) == "\\xfffe00"
    assert shop.rows("SELECT DISTINCT status::text, entrypoint FROM pgqueuer") == [("picked", "bailey:=send_mail")]
    assert shop.finish(str(ours), "dag/1", "success") == "success"
    assert shop.finish(str(bad), "dag/1", "failed", "ValueError: no such mail") == "failed"
    assert shop.rows("SELECT * FROM pgqueuer") == []
    assert shop.rows(LOG, ours) == shop.rows(LOG, legacy)
    assert shop.rows(LOG, bad) == shop.rows(LOG, legacy_bad)
    # Its own model takes what was written for an error.
    stored = "SELECT traceback FROM pgqueuer_log WHERE status = 'exception' AND job_id = %s"
    ours_said, legacys = (TracebackRecord.model_validate(shop.one(stored, one)) for one in (bad, legacy_bad))
    assert (ours_said.exception_type, ours_said.exception_message) == ("ValueError", "ValueError: no such mail")
    assert (legacys.exception_type, legacys.exception_message) == ("ValueError", "no such mail")
    history = {entry["name"]: entry["history"] for entry in shop.json("import")["entries"]}["send_mail"]
    assert (history["succeeded"], history["failed"]) == (2, 2)


def test_every_payload_is_read_as_its_bytes_are(shop: Shop) -> None:
    chance = random.Random(7)
    pieces = [
        b"a",
        b"{}",
        "é".encode(),
        "€".encode(),
        "😀".encode(),
        b"\\",
        b"\n",
        b"\x00",
        b"\x80",
        b"\xc0\xaf",
        b"\xc3",
        b"\xe0\x80\xaf",
    ]
    pieces += [
        b"\xed\x9f\xbf",
        b"\xed\xa0\x80",
        b"\xee\x80\x80",
        b"\xf0\x8f\xbf\xbf",
        b"\xf4\x8f\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
    ]
    payloads = [b"", b'{"n": 1.10}', b"[1,", *pieces]
    payloads += [bytes(chance.randrange(256) for _ in range(chance.randrange(1, 5))) for _ in range(200)]
    payloads += [b"".join(chance.choices(pieces, k=3)) for _ in range(200)]
    jobs = self_made(shop, payloads)
    shop.begin()
    shop.cut_over()
    taken = {job["job"]: job["payload"] for job in shop.take("dag/1", len(payloads))}
    assert len(taken) == len(payloads)
    for job, payload in zip(jobs, payloads, strict=True):
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            text = ""
        meant = text if text and "\0" not in text or not payload else f"\\x{payload.hex()}"
        assert taken[str(job)] == json_value.payload(meant), payload


def self_made(shop: Shop, payloads: list[bytes]) -> list[int]:
    """Jobs with these payloads; their ids."""
    count = len(payloads)
    return list(shop.asked(lambda queries: queries.enqueue(["send_mail"] * count, payloads, [0] * count)))


def test_a_failed_job_is_repeated_by_airflow_and_by_legacy_after_a_rollback(shop: Shop, tmp_path: Path) -> None:
    shop.repeat(limit=3)
    [job] = shop.add(0, dedupe_key="one")
    shop.begin()
    shop.cut_over()
    shop.take("dag/1")
    assert shop.finish(str(job), "dag/1", "failed", "E: no") == "retry"
    assert shop.rows("SELECT status::text, attempts, entrypoint FROM pgqueuer") == [("queued", 1, "bailey:=send_mail")]
    wait_until("it is due again", lambda: [again["attempt"] for again in shop.take("dag/2")] == [2])
    with pytest.raises(DuplicateJobError):
        shop.add(1, dedupe_key="one")
    shop.roll_back()
    assert shop.finish(str(job), "dag/2", "failed", "E: no") == "released"
    assert shop.rows("SELECT status::text, attempts, entrypoint FROM pgqueuer") == [("queued", 2, "send_mail")]
    with Crew(shop, tmp_path) as crew:
        crew.start("worker", "pgqueuer")
        wait_until("legacy runs it", lambda: shop.unfinished() == 0)
    assert shop.rows("SELECT by FROM effects") == [("legacy",)]
    assert [status for status, *_ in shop.rows(LOG, job)] == [
        "queued", "picked", "queued", "picked", "queued", "picked", "successful"
    ]  # fmt: skip


def test_a_worker_that_is_killed_in_the_middle_keeps_its_job(shop: Shop, tmp_path: Path) -> None:
    [job] = shop.add(0, seconds=30)
    shop.begin()
    with Crew(shop, tmp_path) as crew:
        crew.start("worker", "pgqueuer")
        wait_until("it runs", lambda: shop.one("SELECT status::text FROM pgqueuer") == "picked")
        crew.kill("worker")
        shop.cut_over()
        assert shop.take("dag/1") == []
        # PgQueuer's own way with such a job: another worker picks it when its heartbeat is old.
        shop.connection.execute(
            "UPDATE pgqueuer SET heartbeat = now() - interval '1 hour', payload = %s", (b'{"n": 0}',)
        )
        crew.start("worker", "pgqueuer")
        wait_until("it has ended", lambda: shop.unfinished() == 0)
    assert shop.each_once(1) == {"legacy": 1}
    assert shop.one("SELECT count(*) FROM pgqueuer_log WHERE job_id = %s AND status = 'successful'", job) == 1


def test_no_worker_picks_what_a_run_has_however_old_its_heartbeat(shop: Shop, tmp_path: Path) -> None:
    [job] = shop.add(0)
    shop.begin()
    # All but the moments at which it was last touched.
    columns = "id, priority, queue_manager_id, created, execute_after, status, entrypoint, dedupe_key, payload, attempts, slot"
    before = shop.rows(f"SELECT {columns} FROM pgqueuer WHERE entrypoint = 'send_mail'")
    shop.cut_over()
    shop.take("dag/1")
    shop.connection.execute("UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'")
    with Crew(shop, tmp_path) as crew:
        crew.start("worker", "pgqueuer")
        shop.add(1, entrypoint="stock")
        wait_until("it runs another", lambda: shop.one("SELECT count(*) FROM effects") == 1)
        assert shop.rows("SELECT n FROM effects") == [(1,)]
    shop.json("rollback", shop.pipeline, "--execute", "--return-claims", "dag/1")
    now = f"SELECT {columns} FROM pgqueuer WHERE entrypoint = 'send_mail'"
    assert len(before) == 1 and shop.rows(now) == before
    assert shop.finish(str(job), "dag/1", "success") == "returned"
    assert shop.rows(now) == before


def test_rights_that_are_missing_for_its_log_are_named(shop: Shop) -> None:
    shop.add(0)
    shop.begin()
    user = shop.one("SELECT 'few_' || left(md5(current_database()), 8)")
    shop.connection.execute(f"CREATE ROLE {user} LOGIN")
    shop.connection.execute(f"GRANT CREATE ON DATABASE {shop.url.rsplit('/', 1)[1]} TO {user}")
    shop.connection.execute(f"GRANT SELECT, UPDATE, TRIGGER ON pgqueuer TO {user}")
    shop.connection.execute(f"GRANT SELECT ON pgqueuer_log TO {user}")
    shop.settle(url=shop.url.replace("postgres@", f"{user}@"))
    refused = shop.json(
        "cutover", shop.pipeline, "--execute", "--override", "a", "--reason", "it must refuse", status=1
    )
    assert "DELETE on public.pgqueuer" in str(refused) and "pgqueuer_log" in str(refused)
    shop.connection.execute(f"GRANT DELETE ON pgqueuer TO {user}")
    shop.connection.execute(f"GRANT INSERT ON pgqueuer_log TO {user}")
    shop.cut_over()
    shop.take("dag/1")
    # One that is revoked later is named before anything depends on it.
    shop.connection.execute(f"REVOKE DELETE ON pgqueuer FROM {user}")
    [event] = [event for event in shop.json("watch", "--once")["events"] if event["event"] == "no-rights"]
    assert f'GRANT DELETE ON "public"."pgqueuer" TO {user}' in event["text"], event
    shop.connection.execute(f"GRANT DELETE ON pgqueuer TO {user}")
    assert shop.finish(shop.one("SELECT min(id)::text FROM pgqueuer"), "dag/1", "success") == "success"
    shop.roll_back()
    shop.connection.execute(f"DROP OWNED BY {user} CASCADE")
    shop.connection.execute(f"DROP ROLE {user}")

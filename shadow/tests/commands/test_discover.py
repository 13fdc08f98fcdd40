"""`discover`: what is found on real servers is what `import` then reads, and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
from finding import bailey, database, discovered, entry, imported

from lab.record import Record
from testing.server import Server


def test_the_companys_stack_is_found_and_imported_as_it_was_found(company: Record, tmp_path: Path) -> None:
    found = discovered(tmp_path, company.redis_url, company.postgres_url)
    by_kind = {one["kind"]: one for one in found["systems"] if one["kind"]}
    assert set(by_kind) == {"redbeat", "celery", "queue"}, json.dumps(found, indent=1)
    assert by_kind["redbeat"]["certainty"] == "certain" and by_kind["redbeat"]["outlook"] == "moves"
    assert "holds “redbeat::lock”" in by_kind["redbeat"]["writers"][0]
    # The same schedule is told by the workers, and is read once.
    assert (
        "RedBeat holds the same entries" in by_kind["celery"]["blocked"] and by_kind["celery"]["outlook"] == "read-only"
    )
    assert by_kind["queue"]["outlook"] == "moves" and by_kind["queue"]["place"] == "tasks.background_jobs"
    inventory = imported(tmp_path, found)
    kinds = {source["kind"]: source["found"] for source in inventory["sources"]}
    assert set(kinds) == {"redbeat", "queue"}
    assert kinds["redbeat"] == by_kind["redbeat"]["amount"] > 0
    with psycopg.connect(company.postgres_url) as connection:
        jobs = connection.execute("SELECT count(*) FROM tasks.background_jobs").fetchone()
    assert jobs is not None and 0 < by_kind["queue"]["amount"] <= jobs[0]
    assert found["whole"] and found["holds"]


def test_every_prefix_in_every_database_is_found_and_what_is_alike_is_not(server: Server, tmp_path: Path) -> None:
    redis = server.client()
    redis.flushall()
    for number, prefix, names in (
        (0, "redbeat:", ["a"]),
        (3, "acme:rb:", ["b", "c"]),
        (5, "", ["bare"]),
        (6, 'o\'dd "p"\\:', ["d"]),
    ):
        there = server.client(db=number)
        for name in names:
            there.hset(prefix + name, "definition", entry(name, 5 if name == "b" else None))
            there.zadd(f"{prefix}:schedule", {prefix + name: 1})
    # Somebody else's: of another type, of other members, of members that hold nothing.
    redis.set("x:schedule", "text")
    redis.zadd("jobs:schedule", {"other": 1})
    redis.zadd("mine:schedule", {"mine:1": 1})
    before = [server.client(db=n).dbsize() for n in (0, 3, 5, 6)]
    found = discovered(tmp_path, server.url)
    assert {one["place"]: one["amount"] for one in found["systems"]} == {
        "prefix “redbeat:”": 1,
        "prefix “acme:rb:”": 2,
        "prefix “”": 1,
        'prefix “o\'dd "p"\\:”': 1,
    }
    assert [server.client(db=n).dbsize() for n in (0, 3, 5, 6)] == before
    kept = [kept for one in found["systems"] for kept in one["keep"]]
    assert [(one["name"], one["per_day"]) for one in kept] == [("b", 17280)]
    # Nobody drives them, and that is said.
    assert all("Nobody holds its lock" in one["advice"] for one in found["systems"])
    inventory = imported(tmp_path, found)
    assert sorted(one["name"] for one in inventory["entries"]) == ["a", "b", "bare", "c", "d"]


def test_a_user_who_may_only_read_finds_the_same(server: Server, tmp_path: Path) -> None:
    redis = server.client()
    redis.flushall()
    redis.hset("redbeat:a", "definition", entry("a"))
    redis.zadd("redbeat::schedule", {"redbeat:a": 1})
    redis.sadd("_kombu.binding.celery", "celery\x06\x16\x06\x16celery")
    reading = (
        "ping",
        "auth",
        "select",
        "info",
        "scan",
        "dbsize",
        "type",
        "zcard",
        "zrange",
        "hexists",
        "exists",
        "hmget",
        "smembers",
    )
    redis.execute_command("ACL", "SETUSER", "reader", "reset", "on", ">word", "~*", *(f"+{word}" for word in reading))
    url = server.url.replace("redis://", "redis://reader:word@")
    found = discovered(tmp_path, url, "--no-ask-workers")
    assert {one["what"]: one["outlook"] for one in found["systems"]} == {
        "RedBeat": "moves",
        "Celery's broker": "not-read",
    }
    assert found["servers"][0]["unseen"] == []
    # With less than that it is told what was not seen, and nothing is called empty.
    redis.execute_command("ACL", "SETUSER", "reader", "-info", "-hmget")
    less = discovered(tmp_path, url, "--no-ask-workers")
    assert "its other databases" in less["servers"][0]["unseen"][0]
    (redbeat,) = [one for one in less["systems"] if one["kind"] == "redbeat"]
    assert "1 of 1 keys are no entries that can be read" in redbeat["evidence"]
    for command in ("zcard", "hexists"):
        redis.execute_command("ACL", "SETUSER", "reader", f"-{command}")
        blind = discovered(tmp_path, url, "--no-ask-workers")
        (perhaps,) = [one for one in blind["systems"] if one["what"] == "perhaps RedBeat"]
        assert command in perhaps["evidence"][0] and perhaps["outlook"] == "not-read"
        redis.execute_command("ACL", "SETUSER", "reader", f"+{command}")
    redis.execute_command("ACL", "SETUSER", "reader", "-dbsize")
    assert any("DBSIZE" in text for text in discovered(tmp_path, url, "--no-ask-workers")["servers"][0]["unseen"])


def test_a_server_that_does_not_answer_is_said_and_the_others_are_found(
    server: Server, postgres: str, tmp_path: Path
) -> None:
    server.client().flushall()
    server.client().hset("redbeat:a", "definition", entry("a"))
    server.client().zadd("redbeat::schedule", {"redbeat:a": 1})
    found = discovered(
        tmp_path,
        "redis://u:hidden-word@127.0.0.1:1/0",
        server.url,
        "postgresql://u:hidden-word@127.0.0.1:1/d",
        "amqp://u:hidden-word@h//",
        f"redis://127.0.0.1:{postgres.rsplit(':', 1)[1].split('/')[0]}/0",
        status=3,
    )
    assert not found["whole"] and "hidden-word" not in json.dumps(found)
    assert [one["trouble"] is None for one in found["servers"]] == [False, True, False, False, False]
    assert [one["kind"] for one in found["systems"]] == ["redbeat"]
    assert bailey(tmp_path, "discover").returncode == 2
    assert "no URL" in bailey(tmp_path, "discover", "NOT_SET_AT_ALL").stderr


def test_a_password_stands_in_no_settings(postgres: str, tmp_path: Path) -> None:
    url = database(postgres, "secret", schemas=("river",)).replace("postgres@", "postgres:hidden-word@")
    done = bailey(tmp_path, "discover", url)
    assert done.returncode == 0 and "hidden-word" not in done.stdout + done.stderr
    assert "${BAILEY_URL_1}" in done.stdout and "Set BAILEY_URL_1" in done.stderr


def test_init_writes_what_is_there(server: Server, tmp_path: Path) -> None:
    server.client().flushall()
    there = server.client(db=2)
    there.hset("acme:a", "definition", entry("a"))
    there.zadd("acme::schedule", {"acme:a": 1})
    done = bailey(tmp_path, "init", "--discover", CELERY_BROKER_URL=server.url)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "bailey.yaml").read_text(encoding="utf-8")
    assert "${CELERY_BROKER_URL}?db=2" in text and '"acme:"' in text
    inventory = bailey(tmp_path, "import", "--json", CELERY_BROKER_URL=server.url)
    assert [one["id"] for one in json.loads(inventory.stdout)["entries"]] == ["scheduler/a"]


def test_where_nothing_is_found_it_is_said_what_is_there_instead(server: Server, postgres: str, tmp_path: Path) -> None:
    server.client().flushall()
    server.client(db=3).set("cache", "1")
    url = database(postgres, "plain")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE users (id int, name text)")
    done = bailey(tmp_path, "discover", server.url, url)
    assert done.returncode == 1, done.stdout
    assert "database 3: 1 key" in done.stdout and "public.users" in done.stdout, done.stdout
    (tmp_path / "tab").write_text("# nothing runs\n\nMAILTO=x\n", encoding="utf-8")
    alone = bailey(tmp_path, "discover", "--crontab", "tab")
    assert alone.returncode == 1 and "tab: no line of it runs anything" in alone.stdout, alone.stdout


def test_what_a_key_is_called_has_no_secret_filled_in(server: Server, tmp_path: Path) -> None:
    client = server.client()
    client.flushall()
    client.hset("${PLANTED}a", "definition", entry("a"))
    client.zadd("${PLANTED}:schedule", {"${PLANTED}a": 1})
    found = bailey(tmp_path, "discover", server.url, "--yaml", PLANTED="hidden-word")
    (tmp_path / "mappings").mkdir()
    (tmp_path / "bailey.yaml").write_text(found.stdout, encoding="utf-8")
    inventory = bailey(tmp_path, "import", "--json", PLANTED="hidden-word")
    assert "hidden-word" not in found.stdout + inventory.stdout + inventory.stderr
    assert [one["id"] for one in json.loads(inventory.stdout)["entries"]] == ["scheduler/a"]

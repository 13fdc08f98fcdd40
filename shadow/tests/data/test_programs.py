"""SQL, copies and requests as their programs do them: what is bound, what one transaction holds, what is said where something fails."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

PROGRAMS = Path(__file__).resolve().parents[2] / "bailey_runtime"
HOSTILE = "it's \"q\" %s %(x)s $1 {{ ds }} '); DROP TABLE rows; -- \\ 🌉"


def ran(program: str, request: dict[str, Any]) -> dict[str, Any]:
    """What a program reports; it is started as bodies start it, from its text."""
    command = [sys.executable, "-c", (PROGRAMS / program).read_text(encoding="utf-8")]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip(), done.stderr
    report: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    assert done.returncode == ("error" in report), done.stderr
    return report


class Database:
    """A database of a test's own."""

    def __init__(self, cluster_url: str) -> None:
        name = f"data_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(cluster_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        parts = urlsplit(cluster_url)
        self.place = {"name": "the connection “here”", "host": parts.hostname, "port": parts.port}
        self.place |= {"login": parts.username, "password": None, "schema": name, "extra": {}}
        self.connection = psycopg.connect(cluster_url.rsplit("/", 1)[0] + f"/{name}", autocommit=True)
        self.run("CREATE TABLE rows (id int PRIMARY KEY, name text, at timestamptz)")

    def run(self, sql: str) -> list[Any]:
        """Runs SQL; its rows."""
        cursor = self.connection.execute(sql)
        return cursor.fetchall() if cursor.description else []

    def sql(self, *statements: list[str], **request: Any) -> dict[str, Any]:
        """What the program reports of statements."""
        known: dict[str, Any] = {"params": {}, "transaction": True, "read_only": False, "seconds": 30}
        return ran("sql_program.py", {**known, "connection": self.place, "statements": statements, **request})


@pytest.fixture
def database(cluster_url: str) -> Iterator[Database]:
    """A database with a table."""
    made = Database(cluster_url)
    yield made
    made.connection.close()


def test_parameters_are_bound_and_rows_counted(database: Database) -> None:
    insert = ["INSERT INTO rows (id, name) VALUES (", "id", "::int, ", "name", "), (2, '50 % of x')"]
    report = database.sql(
        insert,
        ["UPDATE rows SET name = upper(name) WHERE name LIKE '50 %'"],
        ["SELECT * FROM rows"],
        params={"id": "1", "name": HOSTILE},
    )
    assert report["result"] == {"rows": 2, "statements": [2, 1, 2]}
    assert database.run("SELECT name FROM rows ORDER BY id") == [(HOSTILE,), ("50 % OF X",)]


def test_what_fails_is_named_and_nothing_is_changed(database: Database) -> None:
    report = database.sql(["INSERT INTO rows VALUES (1)"], ["INSERT INTO nowhere VALUES (1)"], ["SELECT 1"])
    assert report["error"]["type"] == "sql" and report["error"]["final"] is True
    assert report["error"]["message"].startswith(
        "statement 2 of 3 failed: relation “nowhere” does not exist".replace("“", '"').replace("”", '"')
    )
    assert "42P01" in report["error"]["message"]
    assert database.run("SELECT count(*) FROM rows") == [(0,)]


@pytest.mark.parametrize("reads", [False, True])
def test_what_fails_in_its_second_statement_is_so_in_shadow_too(database: Database, reads: bool) -> None:
    first = ["SELECT * FROM rows"] if reads else ["INSERT INTO rows VALUES (1)"]
    report = database.sql(first, ["SELECT 1/0"], read_only=reads)
    assert report["error"]["message"].startswith("statement 2 of 2 failed: division by zero")
    # What a trigger says at the very end is no statement's.
    database.run("CREATE TABLE later (id int REFERENCES rows DEFERRABLE INITIALLY DEFERRED)")
    if not reads:
        report = database.sql(["INSERT INTO rows VALUES (2)"], ["INSERT INTO later VALUES (9)"])
        assert "the commit failed" in report["error"]["message"] and report["error"]["final"]
    assert database.run("SELECT count(*) FROM rows") == [(0,)]


def test_without_a_transaction_each_statement_is_one(database: Database) -> None:
    report = database.sql(["INSERT INTO rows VALUES (1)"], ["VACUUM rows"], ["SELECT 1/0"], transaction=False)
    assert "statement 3 of 3" in report["error"]["message"]
    assert database.run("SELECT count(*) FROM rows") == [(1,)]
    assert "transaction block" in database.sql(["VACUUM rows"])["error"]["message"]


@pytest.mark.parametrize(
    "statements",
    [
        [["DELETE FROM rows"]],
        [["COMMIT"], ["DELETE FROM rows"]],
        [["SELECT 1; COMMIT; DELETE FROM rows"]],
        [["CREATE TABLE x ()"]],
    ],
)
def test_in_shadow_nothing_is_written(database: Database, statements: list[list[str]]) -> None:
    database.run("INSERT INTO rows VALUES (1)")
    assert database.sql(["SELECT * FROM rows"], read_only=True)["result"]["rows"] == 1
    report = database.sql(*statements, read_only=True)
    assert "25006" in report["error"]["message"]
    assert database.run("SELECT count(*) FROM rows") == [(1,)]


def test_a_repetition_is_worth_it_only_where_it_may_help(database: Database) -> None:
    late = database.sql(["SELECT pg_sleep(20)"], seconds=0.3)
    assert late["error"]["final"] is False and "57014" in late["error"]["message"]
    away = ran(
        "sql_program.py",
        {"connection": {**database.place, "port": 1}, "statements": [["SELECT 1"]], "params": {}, "seconds": 5}
        | {"transaction": True, "read_only": False},
    )
    assert away["error"]["final"] is False and "the connection “here” cannot be reached" in away["error"]["message"]


# Copies


def copied(source: Database, target: Database, query: list[str], **what: Any) -> dict[str, Any]:
    """What the program reports of a copy of the window of 28 November."""
    window = {"from": "2026-11-28T00:00:00Z", "until": "2026-11-29T00:00:00Z"}
    copy = {"from": source.place, "to": target.place, "query": query, "table": ["mart", "co%py"], "columns": []}
    copy |= {"column": "at", **what}
    params = {"since": window["from"], "until": window["until"], "name": HOSTILE}
    asked = {"copy": copy, "params": params, "window": window if copy["column"] else None, "seconds": 30}
    return ran("sql_program.py", asked)


QUERY = ["SELECT id, ", "name", " || ' 5 %' AS name, at FROM rows WHERE at >= ", "since", " AND at < ", "until", ""]


@pytest.fixture
def shop(cluster_url: str) -> Iterator[Database]:
    """A source with rows of three days."""
    made = Database(cluster_url)
    made.run(
        "INSERT INTO rows SELECT n, 'n', '2026-11-27T12:00Z'::timestamptz + n * interval '1 hour' FROM generate_series(0, 47) n"
    )
    yield made
    made.connection.close()


@pytest.fixture
def mart(database: Database) -> Database:
    """A target with a table whose name is odd, and rows beside the window and in it."""
    database.run(
        'CREATE SCHEMA mart; CREATE TABLE mart."co%py" (id int, name text, at timestamptz, loaded timestamptz DEFAULT now())'
    )
    database.run(
        """INSERT INTO mart."co%py" VALUES (-1, 'old', '2026-11-20T00:00Z'), (-2, 'stale', '2026-11-28T03:00Z')"""
    )
    return database


def test_a_copy_takes_the_place_of_its_window_and_a_repeated_one_changes_nothing(
    shop: Database, mart: Database
) -> None:
    report = copied(shop, mart, QUERY)
    assert report == {"bailey_body": 1, "result": {"rows": 24, "deleted": 1}}
    after = mart.run('SELECT id, name, at FROM mart."co%py" ORDER BY id')
    assert after[0][0] == -1 and [row[0] for row in after[1:]] == list(range(12, 36))
    assert {row[1] for row in after[1:]} == {HOSTILE + " 5 %"}
    assert mart.run('SELECT count(*) FROM mart."co%py" WHERE loaded IS NULL') == [(0,)]
    assert copied(shop, mart, QUERY)["result"] == {"rows": 24, "deleted": 24}
    assert mart.run('SELECT id, name, at FROM mart."co%py" ORDER BY id') == after


def test_a_copy_that_fails_changes_nothing(shop: Database, mart: Database) -> None:
    before = mart.run('SELECT * FROM mart."co%py" ORDER BY id')
    strays = copied(shop, mart, ["SELECT id, name, at FROM rows"])["error"]
    assert (
        strays["final"]
        and "24 rows of the query lie outside the window (at from 2026-11-28T00:00:00Z" in strays["message"]
    )
    missing = copied(shop, mart, ["SELECT id, nme FROM rows"])["error"]
    assert "the query failed" in missing["message"] and "42703" in missing["message"]
    other = copied(shop, mart, ["SELECT id, at AS when_at FROM rows"])["error"]
    assert "staging failed" in other["message"] and "when_at" in other["message"]
    mart.run('ALTER TABLE mart."co%py" ADD CHECK (id < 30)')
    assert "the insert failed" in copied(shop, mart, QUERY)["error"]["message"]
    assert mart.run('SELECT * FROM mart."co%py" ORDER BY id') == before


def test_a_copy_of_all_replaces_the_table(shop: Database, mart: Database) -> None:
    report = copied(shop, mart, ["SELECT id, name FROM rows"], column=None, columns=["name", "id"])
    assert report["result"] == {"rows": 48, "deleted": 2}


def test_a_copys_query_writes_nothing_at_its_source(shop: Database, mart: Database) -> None:
    query = ["WITH gone AS (DELETE FROM rows RETURNING *) SELECT id, name, at FROM gone"]
    assert "error" in copied(shop, mart, query)
    assert shop.run("SELECT count(*) FROM rows") == [(48,)]


# Requests


def asked(url: str, **request: Any) -> dict[str, Any]:
    """What the program reports of a request."""
    known: dict[str, Any] = {"method": "GET", "headers": {}, "query": {}, "json": None, "expect": [], "seconds": 5}
    return ran("http_program.py", {**known, "retry_on": [503], "login": None, "password": None, "url": url, **request})


def test_what_is_sent_arrives_and_the_answer_comes_back_as_it_is(agent: Any) -> None:
    body = '{"n":12345678901234567890.50,"text":"it\'s {{ ds }}"}'
    report = asked(
        agent.url + "/a%20b?x=1",
        method="POST",
        json=body,
        query={"q": "ü & =", "n": "2.50"},
        headers={"X-Of": "company"},
        login="me",
        password="se:cret",
    )
    sent = agent.asked[0]
    assert (sent["method"], sent["body"]) == ("POST", body)
    assert sent["path"] == "/a%20b?x=1&q=%C3%BC+%26+%3D&n=2.50"
    assert sent["headers"]["X-Of"] == "company" and sent["headers"]["Content-Type"] == "application/json"
    assert sent["headers"]["Authorization"] == "Basic bWU6c2U6Y3JldA=="
    assert report["result"] == {"status": 200, "json": {"you": body, "at": sent["path"]}}
    assert asked(agent.url + "/text")["result"] == {"status": 200, "text": "no JSON {\n"}
    assert asked(agent.url + "/status/204", method="DELETE")["result"]["status"] == 204


@pytest.mark.parametrize(
    ("path", "given", "final"),
    [
        ("/status/503", {}, False),
        ("/status/500", {}, True),
        ("/status/404", {}, True),
        ("/status/302", {}, True),
        ("/status/201", {"expect": [200]}, True),
    ],
)
def test_a_status_that_was_not_expected_is_an_error(agent: Any, path: str, given: dict[str, Any], final: bool) -> None:
    error = asked(agent.url + path + "?key=secret", **given)["error"]
    assert (error["type"], error["final"]) == ("http", final)
    assert f"answered {path[-3:]}: as you wished" in error["message"] and "secret" not in error["message"]
    assert len(agent.asked) == 1, "nothing follows a redirection"


def test_a_status_that_was_expected_is_a_success(agent: Any) -> None:
    assert asked(agent.url + "/status/404", expect=[200, 404])["result"]["status"] == 404


def test_a_server_that_is_away_may_come_back() -> None:
    error = asked("http://127.0.0.1:1/x")["error"]
    assert error["final"] is False and "gave no answer" in error["message"]


@contextmanager
def liar(answers: Callable[[socket.socket], object]) -> Iterator[str]:
    """A server that answers each request with bytes of its own."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    answers(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x?key=secret"


HEAD = b"HTTP/1.1 200 OK\r\n"


def drip(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"SSH-2.0-x\r\n", "BadStatusLine"),
        (b"HTTP/1.1 abc\r\n\r\n", "BadStatusLine"),
        (HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n", "LineTooLong"),
        (HEAD + b"".join(b"X%d: a\r\n" % number for number in range(500)) + b"\r\n", "100 headers"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZZ\r\n", "IncompleteRead"),
        (HEAD + b"Content-Length: 100\r\n\r\n{}", "IncompleteRead"),
        (HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n{}", "IncompleteRead"),
        (b"", "RemoteDisconnected"),
        (drip, "did not end in time"),
    ],
)
def test_what_is_no_whole_answer_is_told_and_worth_a_repetition(
    sent: bytes | Callable[[socket.socket], object], words: str
) -> None:
    answers = sent if callable(sent) else lambda connection: connection.sendall(sent)
    with liar(answers) as url:
        error = asked(url, seconds=2)["error"]
    assert error["final"] is False and words in error["message"] and "secret" not in error["message"], error


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a": NaN}', '{"a": Infinity}', "9" * 5000, '{"a": 1,\x0b"b": 2}'])
def test_what_is_no_json_that_everybody_reads_is_a_text(text: str) -> None:
    body = text.encode()
    with liar(lambda connection: connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)) as url:
        assert asked(url)["result"] == {"status": 200, "text": text}


def test_what_is_to_be_rolled_back_is_not_taken_for_it_once_it_is_committed(database: Database, tmp_path: Path) -> None:
    rows = [{"query": "COPY (SELECT id FROM rows) TO STDOUT", "file": str(tmp_path / "rows")}]
    assert "result" in database.sql(["INSERT INTO rows VALUES (1)"], rows=rows)
    assert (tmp_path / "rows").read_text(encoding="utf-8") == "1\n" and database.run("SELECT * FROM rows") == []
    # As where a statement is taken for a part of another.
    report = database.sql(["INSERT INTO rows VALUES (2); COMMIT; SELECT 1"], ["INSERT INTO rows VALUES (3)"], rows=rows)
    assert "ended the transaction" in report["error"]["message"] and report["error"]["final"], report
    assert database.run("SELECT id FROM rows") == [(2,)]

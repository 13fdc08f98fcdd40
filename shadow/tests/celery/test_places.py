"""Brokers and results in every sort of place that public reports tell of: TLS, sockets, passwords, Sentinels, silence."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from exchange import KNOWN, PASSWORD, exchanged, learnt, place
from stack import Legacy, certificates, free_port, legacy, rabbitmq_server, redis_server, sentinel, until
from test_once import wanted
from test_parity import child, given
from test_reports import definition

from bailey_runtime import celery_places, celery_sending, celery_wire


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates."""
    found = tmp_path_factory.mktemp("certificates")
    certificates(found)
    return found


@pytest.fixture(scope="module")
def secure(folder: Path) -> Iterator[int]:
    """The port of a Redis that speaks TLS there and nothing else, with a password, and a socket in the folder."""
    port = free_port()
    files = (("--tls-cert-file", "server.pem"), ("--tls-key-file", "server.key"), ("--tls-ca-cert-file", "ca.pem"))
    options = ["--tls-port", str(port), "--tls-auth-clients", "no", "--unixsocket", str(folder / "redis.sock")]
    for name, file in files:
        options += [name, str(folder / file)]
    with redis_server(*options, password=PASSWORD):
        yield port


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be reached is not waited for."""
    monkeypatch.setattr(celery_sending, "_PATIENCE", 1)


CHECKED = [
    ("by its authority", {"ssl_ca_certs": "ca.pem"}, True),
    ("by its authority, as Celery spells it", {"ssl_ca_certs": "ca.pem", "ssl_cert_reqs": "CERT_REQUIRED"}, True),
    ("not at all", {"ssl_cert_reqs": "none"}, True),
    ("not at all, as Celery spells it", {"ssl_cert_reqs": "CERT_NONE", "ssl_check_hostname": False}, True),
    ("by authorities that do not know it", {}, False),
]


@pytest.mark.parametrize(("how", "extra", "holds"), CHECKED, ids=[how for how, _, _ in CHECKED])
def test_redis_behind_tls_is_checked_as_its_connection_says(how, extra, holds, secure, folder):
    """celery 5371, 5988, weblate 3146: `rediss://` and the spellings of `ssl_cert_reqs`."""
    extra = {"ssl": True} | {
        name: str(folder / "ca.pem") if value == "ca.pem" else value for name, value in extra.items()
    }
    broker, results = place(secure, 0, **extra), place(secure, 1, **extra)
    request = {
        "options": "{}",
        "ids": [how],
        "broker": broker,
        "results": results,
        "configuration": KNOWN,
        "marks": broker,
    }
    found = celery_wire.answer({"do": "send", "task": "legacy.echo", "args": "[]", "kwargs": "{}"} | request)
    if holds:
        assert found.get("sent"), found
    else:
        assert found["failed"] == "broker" and "not trusted" in found["words"] and "ssl_ca_certs" in found["words"], (
            found
        )
    assert PASSWORD not in json.dumps(found) and quote(PASSWORD, safe="") not in json.dumps(found)


def test_a_certificate_for_another_host(secure, folder):
    extra = {"ssl": True, "ssl_ca_certs": str(folder / "ca.pem")}
    for checks, words in (({}, "made for"), ({"ssl_check_hostname": False}, None)):
        broker = place(secure, 0, **extra, **checks) | {"host": "localhost"}
        request = {"options": "{}", "ids": ["h"], "broker": broker, "configuration": KNOWN, "wait": "sent"}
        found = celery_wire.answer({"do": "send", "task": "legacy.echo", "args": "[]", "kwargs": "{}"} | request)
        assert words in found["words"] if words else found.get("sent"), found


@pytest.mark.full
def test_beats_messages_over_tls_are_the_dags(secure, folder, clean):
    """celery 5371, 10312: `broker_use_ssl` and `redis_backend_use_ssl` beside a URL whose password must be quoted."""
    word, ca = quote(PASSWORD, safe=""), str(folder / "ca.pem")
    redis.Redis("127.0.0.1", secure, password=PASSWORD, ssl=True, ssl_ca_certs=ca).flushall()
    app_given = given(f"rediss://:{word}@127.0.0.1:{secure}/0", clean, "default", "json")
    checks = {"ssl_cert_reqs": 2, "ssl_ca_certs": ca}
    app_given["settings"] |= {
        "result_backend": f"rediss://:{word}@127.0.0.1:{secure}/1",
        "broker_use_ssl": checks,
        "redis_backend_use_ssl": checks,
    }
    extra = {"ssl": True, "ssl_ca_certs": ca}
    with legacy(app_given, "-Q", "work") as app:
        broker, results = place(secure, 0, **extra), place(secure, 1, **extra)
        exchanged(app, clean, broker, results, learnt(broker), [definition(1), definition(2, args=[1])])


@pytest.mark.full
def test_rabbitmq_behind_tls(folder, clean):
    """kombu 1149, celery 2149, 2490: `amqps://` with an authority of one's own and a client's certificate; a URL tells kombu of neither."""
    own = {"ssl_certfile": str(folder / "server.pem"), "ssl_keyfile": str(folder / "server.key")}
    ca = {"ssl_ca_certs": str(folder / "ca.pem")}
    with rabbitmq_server(folder) as url:
        app_given = given(url, clean, "default", "json")
        checks = {"ca_certs": ca["ssl_ca_certs"], "certfile": own["ssl_certfile"], "keyfile": own["ssl_keyfile"]}
        app_given["settings"]["broker_use_ssl"] = checks | {"cert_reqs": 2}
        broker = {"conn_type": "amqps", "host": "127.0.0.1", "port": int(url.split(":")[-1].rstrip("/"))}
        broker |= {"login": "guest", "password": "guest", "schema": "/"}
        trusted = broker | {"extra": own | ca}
        results = app_given["settings"]["result_backend"]
        one = wanted(app_given, KNOWN, wait="sent") | {"options": json.dumps({"queue": "nobody"})}
        for number, (extra, words) in enumerate(
            [
                (own, "not trusted"),
                (own | {"ssl_cert_reqs": "none"}, None),
                (own | ca | {"ssl_check_hostname": False}, None),
                (ca, "cannot be reached"),
            ]
        ):
            found = celery_wire.answer(one | {"broker": broker | {"extra": extra}, "ids": [str(number)]})
            assert words in found["words"] if words else found.get("sent"), (found, extra)
        # Made for an address, and asked for by a name. A name of the type RabbitMQ with `ssl` is the same.
        for kind, host, words in (("amqps", "localhost.localdomain", "broker"), ("rabbitmq", "127.0.0.1", None)):
            place_of_it = broker | {"conn_type": kind, "host": host, "extra": own | ca | {"ssl": True}}
            assert celery_wire.answer(one | {"broker": place_of_it, "ids": [kind]}).get("failed") == words
        with legacy(app_given, "-Q", "work") as app:
            exchanged(app, clean, trusted, results, learnt(trusted), [definition(1), definition(2, args=[1])])


@pytest.mark.full
def test_a_redis_at_a_socket(secure, folder, clean):
    """celery 1283, 1722, 2995: `redis+socket://`, for the broker and for results."""
    word, path = quote(PASSWORD, safe=""), folder / "redis.sock"
    redis.Redis(unix_socket_path=str(path), password=PASSWORD).flushall()
    app_given = given(f"redis+socket://:{word}@{path}?virtual_host=0", clean, "default", "json")
    app_given["settings"]["result_backend"] = f"redis+socket://:{word}@{path}?virtual_host=1"
    found = {"conn_type": "generic", "host": str(path), "password": PASSWORD, "extra": {"scheme": "redis+socket"}}
    with legacy(app_given, "-Q", "work") as app:
        exchanged(app, clean, found, found | {"schema": "1"}, learnt(found), [definition(1)])


def test_what_speaks_no_tls_or_nothing_at_all_is_not_waited_for_without_an_end(clean, monkeypatch):
    """celery 4296, 4627: a sender that hangs on a broker which takes connections and does not answer."""
    monkeypatch.setattr(celery_places, "SECONDS", 1)
    app_given = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    began = time.monotonic()
    with redis_server() as port:
        # TLS to a server that has none waits for an answer to what it takes for the beginning of a command.
        plain = {"conn_type": "redis", "host": "127.0.0.1", "port": port, "extra": {"ssl": True}}
        found = celery_wire.answer(wanted(app_given, KNOWN, broker=plain, wait="sent"))
        assert found["failed"] == "broker" and "TLS" in found["words"], found
    server = subprocess.Popen(
        ["redis-server", "--port", str(free := free_port()), "--save", ""], stdout=subprocess.DEVNULL
    )
    try:
        until(lambda: socket.socket().connect_ex(("127.0.0.1", free)) == 0, "redis-server did not start")
        os.kill(server.pid, signal.SIGSTOP)
        found = celery_wire.answer(wanted(app_given, KNOWN, broker=f"redis://127.0.0.1:{free}/0", wait="sent"))
        assert found["failed"] == "broker" and "cannot be reached" in found["words"], found
        # Results that are away are not the broker's fault.
        found = celery_wire.answer(wanted(app_given, KNOWN, results="redis://127.0.0.1:1/1"))
        assert found["failed"] == "results" and "redis://127.0.0.1:1/1" in found["words"], found
    finally:
        server.kill()
        server.wait()
    # One that takes no writes for a while: what was asked for in vain may be done afterwards, and is done once.
    broker = redis.Redis(port=clean)
    broker.execute_command("CLIENT", "PAUSE", "5000", "WRITE")
    known = app_given["settings"]["broker_url"]
    monkeypatch.setattr(celery_sending, "_PATIENCE", 30)
    celery_wire.answer(wanted(app_given, KNOWN, broker=known, wait="sent", ids=["paused"]))
    assert celery_wire.answer(wanted(app_given, KNOWN, broker=known, wait="sent", ids=["paused"]))["sent"] is False
    assert broker.llen("work") == 1
    monkeypatch.setattr(celery_sending, "_PATIENCE", 1)
    # As what stands behind a firewall that has forgotten the connection.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        broker = f"amqp://guest:guest@127.0.0.1:{silent.getsockname()[1]}//"
        found = celery_wire.answer(wanted(app_given, KNOWN, broker=broker, wait="sent"))
        assert found["failed"] == "broker" and "guest:guest" not in found["words"], found
    assert time.monotonic() - began < 90


@pytest.mark.full
def test_sentinels_with_passwords_of_which_the_first_is_away(clean):
    """celery 5538, 6551: several Sentinels, and `sentinel_kwargs`, which workers do not tell."""
    with redis_server(password=PASSWORD) as master, sentinel(master, "watch", PASSWORD) as watching:
        word = quote(PASSWORD, safe="")
        url = ";".join(f"sentinel://:{word}@127.0.0.1:{port}/0" for port in (1, watching))
        app_given = given(url, clean, "default", "json")
        options = {"master_name": "legacy", "sentinel_kwargs": {"password": "watch"}}
        app_given["settings"]["broker_transport_options"] = options
        with legacy(app_given, "-Q", "work") as app:
            broker = {"conn_type": "sentinel", "host": "127.0.0.1", "port": 1, "password": PASSWORD, "schema": "0"}
            broker |= {"extra": {"hosts": [f"127.0.0.1:{watching}"]}}
            known = learnt(broker, transport_options=options)
            assert "watch" not in json.dumps(known["settings"])
            refused = celery_wire.answer(wanted(app_given, known, broker=broker))
            assert refused["failed"] == "route" and "via: app" in refused["words"], refused
            exchanged(app, clean, None, None, None, [definition(1), definition(2)])


@pytest.mark.full
def test_a_message_after_a_failover_goes_to_the_new_master(clean):
    """celery 6348, kombu 813: after a failover messages go to a server that is none any more."""
    with redis_server() as master, redis_server("--replicaof", "127.0.0.1", str(master)) as replica:
        with sentinel(master) as watching:
            url = f"sentinel://127.0.0.1:{watching}/0"
            app_given = given(url, clean, "default", "json")
            app_given["settings"]["broker_transport_options"] = {"master_name": "legacy"}
            known = KNOWN | {
                "settings": {"task_default_queue": "work", "broker_transport_options": {"master_name": "legacy"}}
            }
            app = Legacy(app_given)
            try:
                second, watch = redis.Redis(port=replica), redis.Redis(port=watching)
                first = wanted(app_given, known, ids=["before"])
                assert celery_wire.answer(first)["sent"]
                until(lambda: second.llen("work") == 1, "the replica has not caught up")
                until(lambda: watch.sentinel_slaves("legacy"), "the Sentinel knows no replica")
                watch.execute_command("SENTINEL", "FAILOVER", "legacy")
                until(lambda: second.info("replication")["role"] == "master", "no failover", 90)
                # What was sent before it is known after it, and another attempt sends nothing.
                for way in ({"configuration": known}, {"app": "legacy_celery:app"}):
                    again = child(app, [first | way | {"ids": ["before"]}])[0]
                    assert again["sent"] is False, again
                    id = "after-app" if "app" in way else "after"
                    assert child(app, [first | way | {"ids": [id]}])[0]["sent"]
                # The application has a priority, which is a list of its own.
                assert sum(second.llen(key) for key in second.scan_iter("work*")) == 3
            finally:
                app.stop()

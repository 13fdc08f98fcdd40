"""A Django application with django-tasks in its database: `python -m tasks_app worker` is its worker, `serve` does what lines of JSON say.

The database is that of `TASKS_DATABASE`.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings

if not settings.configured:
    parts = urlsplit(os.environ["TASKS_DATABASE"])
    place = {"ENGINE": "django.db.backends.postgresql", "NAME": parts.path.strip("/"), "USER": parts.username}
    settings.configure(
        DATABASES={"default": place | {"HOST": parts.hostname, "PORT": parts.port}},
        INSTALLED_APPS=["django_tasks", "django_tasks_db"],
        TASKS={"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "mails", "stock"]}},
        USE_TZ=True,
        TIME_ZONE="Europe/Paris",
        SECRET_KEY="not secret",
    )
    django.setup()

from django.db import connection  # noqa: E402
from django_tasks import task  # noqa: E402


def effect(n: int, seconds: float, bad: bool) -> str:
    """One line for each time that a body ran to its end."""
    time.sleep(seconds or random.random() * 0.002)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO effects (n, by, failed) VALUES (%s, 'legacy', %s)", (n, bad))
    if bad:
        raise ValueError("no such mail")
    return f"sent {n}"


@task(queue_name="mails")
def send_mail(n: int, seconds: float = 0, bad: bool = False) -> str:
    """The task that moves."""
    return effect(n, seconds, bad)


@task(queue_name="stock")
def stock(n: int) -> str:
    """One that does not."""
    return effect(n, 0, False)


def asked(what: dict[str, Any]) -> Any:
    """What the application does when it is told to, and its answer."""
    import tasks_app
    from django.core.management import call_command
    from django.utils import timezone

    if what["do"] == "migrate":
        return call_command("migrate", verbosity=0)
    if what["do"] == "enqueue":
        using: dict[str, Any] = {"priority": what.get("priority", 0)}
        if "after" in what:
            using["run_after"] = timezone.now() + timezone.timedelta(seconds=what["after"])
        chosen = getattr(tasks_app, what["task"]).using(**using)
        first, count = what["first"], what["count"]
        return [str(chosen.enqueue(n=n, **what["more"]).id) for n in range(first, first + count)]
    if what["do"] == "result":
        result = tasks_app.send_mail.get_result(what["id"])
        errors = [[error.exception_class_path, error.traceback] for error in result.errors]
        return [result.status.value, result.attempts, errors]
    raise ValueError(what["do"])


def main() -> None:
    """Its worker, or the application itself."""
    if sys.argv[1] == "worker":
        from django.core.management import call_command

        call_command("db_worker", "--interval", "0.1", "--no-startup-delay", "--queue-name", sys.argv[2], verbosity=0)
        return
    for line in sys.stdin:
        print(json.dumps(asked(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()

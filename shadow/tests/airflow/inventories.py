"""Random legacy systems: RedBeat entries in a real Redis, and the mappings that somebody might write for them."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from typing import Any

from celery import Celery
from celery.schedules import crontab, schedule
from redbeat import RedBeatSchedulerEntry
from redbeat.schedules import rrule

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Pacific/Auckland",
    "Asia/Yekaterinburg",
)
HOSTILE = (
    "plain",
    'it\'s "quoted"',
    "{{ ds }}{% raw %}",
    "line\nbreak\r\n\ttab",
    "C:\\new\\table",
    "Привет, мир",
    "🌉👩‍👩‍👧",
    "%(x)s %s $HOME `id` ${A}",
    "'''\"\"\"\\",
    "\u2028\u0000\u007f\ufeff",
    "",
)
TASKS = ("company.ml.check_model_drift", "company.ops.refresh_cache", "company.ops.heartbeat_metrics", "etl.load-rows")
RULES = ("all_success", "all_done", "one_success", "none_failed", "none_failed_min_one_success", "all_failed")
PARAMETERS = (
    {"type": "array", "default": ["a", HOSTILE[2], 2.5]},
    {"type": "string", "default": HOSTILE[1], "choices": [HOSTILE[1], HOSTILE[6]]},
    {"type": "integer", "default": 10**20, "description": HOSTILE[3]},
    {"type": "boolean", "default": True},
    {"type": "object", "default": {HOSTILE[5]: [None, {}]}},
)
SECONDLY_TO_YEARLY = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY")


def paths_of(task: dict[str, Any]) -> tuple[str, ...]:
    """Where something may lie in a task's result: that of a body of Bailey's own has one form."""
    if {"sql", "copy"} & set(task):
        return ("$", "$.rows")
    return ("$", "$.status", "$.json.имя") if "http" in task else ("$", "$.a[0]", "$.rows[0].имя")


class RandomCompany:
    """Entries and mappings drawn from one generator: the same seed gives the same company."""

    def __init__(self, draw: random.Random, url: str, source: str = "legacy") -> None:
        self.draw = draw
        self._paths: dict[str, tuple[str, ...]] = {}
        self.source = source
        self.zone = draw.choice(ZONES)
        self.app = Celery("company", broker=url, set_as_current=False)
        self.app.conf.update(timezone=self.zone, redbeat_redis_url=url)
        self.names: list[str] = []

    def save_entries(self, count: int) -> None:
        """Puts entries into Redis, as the application's own code does."""
        for number in range(count):
            name = f"{self.draw.choice(HOSTILE)} {number}".strip()
            if self.draw.random() < 0.6:
                name = f"job-{number}"
            RedBeatSchedulerEntry(
                name=name,
                task=self.draw.choice(TASKS),
                schedule=self._schedule(),
                args=[self._value(2) for _ in range(self.draw.randrange(3))],
                kwargs={self._key(): self._value(2) for _ in range(self.draw.randrange(4))},
                options=self.draw.choice(({}, {"queue": "slow"}, {"priority": 3, "routing_key": "r"}, {"expires": 60})),
                app=self.app,
            ).save()
            self.names.append(name)

    def mappings(self) -> list[dict[str, Any]]:
        """Mappings for about two thirds of the entries; the rest become pipelines of their own."""
        names, found = list(self.names), []
        self.draw.shuffle(names)
        while len(names) > len(self.names) // 3:
            taken = [names.pop() for _ in range(min(self.draw.choice((1, 1, 1, 2, 3)), len(names)))]
            found.append(self._mapping(f"pipe.{len(found)}-{self.draw.randrange(1000)}", taken))
        # One that stands for nothing of legacy, one of a list, and one that waits for another.
        found.append(self._new(f"new-{self.draw.randrange(1000)}", self._own_schedule()))
        each = self._new("each-${item.name}", {"every": self.draw.choice(("1m", "7m", "6h", "36h"))})
        each["for_each"] = [
            {"name": name, "value": self._value(2)} for name in ("eu", "us")[: self.draw.choice((1, 2))]
        ]
        each["tasks"]["of_item"] = {"command": {"arguments": ["/bin/cat"], "input": {"all": "${item}"}}}
        found.append(each)
        # Of an interval nobody knows the ticks.
        if each["every"] in ("1m", "6h"):
            wait = {"wait_for": {"pipeline": "each-eu", "within": "1h", "every": 30}}
            found.append(self._new("waits", {"schedule": {"crontab": "30 6 * * *"}}))
            found[-1]["tasks"] = {"wait": wait, "then": self._task({}, {"wait": wait})}
            found[-1]["defaults"] = {"retries": 3, "retry_delay": "1m"}
        return found

    def _own_schedule(self) -> dict[str, Any]:
        return self.draw.choice(
            (
                {"schedule": {"crontab": "*/20 3 * * 1-5", "timezone": self.draw.choice(ZONES)}},
                {"schedule": {"interval": self.draw.choice(("90s", "1h", 5400.5))}},
                {"schedule": {"assets": ["s3://a/b", "x://c"]}},
                {"manual": True},
            )
        )

    def _new(self, name: str, due: dict[str, Any]) -> dict[str, Any]:
        """A pipeline that stands for nothing of legacy; one without ticks takes none."""
        draw = self.draw
        tasks: dict[str, Any] = {}
        for number in range(draw.randrange(1, 4)):
            tasks[f"step.{number}"] = self._task({}, tasks)
        mapping: dict[str, Any] = {"pipeline": name, "x-kept": self._value(2), **due, "tasks": tasks}
        mapping["params"] = {"models": draw.choice(PARAMETERS)}
        has_ticks = "manual" not in due and "assets" not in due.get("schedule", {})
        if not has_ticks:
            for task in tasks.values():
                for body in ("sql", "copy", "http"):
                    if task.pop(body, None) is not None:
                        task.pop("redirect", None)
                        task.pop("effects", None)
                        task |= {"command": ["/bin/true"]}
                if "python" in task:
                    task["python"]["args"] = [self._value(1)]
        if draw.random() < 0.5:
            mapping |= {"dag_id": name.replace("new", "old"), "notify": {"failed": ["ops"], "retried": []}}
        if draw.random() < 0.3 and has_ticks:
            mapping |= {"missed_ticks": "none", "late_after": draw.choice(("5m", 1.5))}
        return mapping

    def _mapping(self, name: str, entries: list[str]) -> dict[str, Any]:
        draw = self.draw
        tasks: dict[str, Any] = {}
        for number, entry in enumerate(entries):
            tasks[f"entry_{number}"] = self._task({"entry": f"{self.source}/{entry}"}, tasks)
        for number in range(draw.randrange(5)):
            tasks[f"step.{number}"] = self._task({}, tasks)
        mapping: dict[str, Any] = {"pipeline": name, "tasks": tasks, "clock": f"{self.source}/{entries[0]}"}
        mapping["params"] = {"models": draw.choice(PARAMETERS)}
        if draw.random() < 0.5:
            mapping["params"]["other.one"] = draw.choice(PARAMETERS)
        if len(entries) > 1:
            mapping["absorbs"] = [f"{self.source}/{entry}" for entry in entries[1:]]
        for key, values in {
            "description": HOSTILE,
            "owner": ("ml", "O'Neil & co.", "Анна"),
            "tags": (["a"], ["b", "ü\"'"], []),
            "sla": ("30m", "2h", 90),
            "defaults": ({"retries": 2, "pool": "gpu", "depends_on_past": True}, {"timeout": "2h", "queue": "heavy"}),
            "missed_ticks": ("coalesce", "every", "none"),
            "max_active_runs": (1, 3),
            # A pool may be declared in several places, with the same slots.
            "pools": ({"gpu": 4}, {"gpu": {"slots": 4, "description": HOSTILE[1]}, "of its own": 9}),
            "policy": (
                {"clean_ticks": 3, "compared_ticks": 0, "in_a_row": 0},
                {"tolerate": [{"kind": "duration", "approver": "Анна", "because": HOSTILE[2]}]},
            ),
        }.items():
            if draw.random() < 0.5:
                mapping[key] = draw.choice(values)
        return mapping

    def _task(self, task: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
        draw = self.draw
        if "entry" not in task or draw.random() < 0.5:
            if draw.random() < 0.5:
                task["python"] = {"callable": "lab.work:check_model_drift", "environment": "company"}
                if "entry" not in task:
                    task["python"] |= {"args": [self._value(1)], "kwargs": {}}
            elif "entry" not in task and draw.random() < 0.2:
                call = {"source": self.source, "task": draw.choice(TASKS), "args": [self._value(1)], "options": {}}
                task["celery"] = call
            elif "entry" not in task and draw.random() < 0.6:
                task |= self._data()
            else:
                task["command"] = ["/bin/echo", str(draw.choice(HOSTILE[:8]))]
        if before and draw.random() < 0.7:
            task["after"] = draw.sample(list(before), draw.randrange(1, min(3, len(before)) + 1))
            task["trigger_rule"] = draw.choice(RULES)
            # Of one that runs for each item nobody has a result, nor of a wait.
            known = [name for name in task["after"] if not {"for_each", "wait_for"} & set(before[name])]
            self._paths = {name: paths_of(before[name]) for name in known}
            if known and draw.random() < 0.3:
                conditions = [self._choice(known) for _ in range(draw.choice((1, 1, 2)))]
                task["when"] = conditions if len(conditions) > 1 else conditions[0]
            if "python" in task and "args" in task["python"]:
                task["python"]["args"] += [self._reference(known) for _ in range(draw.randrange(3))]
            # A number is no list of items.
            lists = [name for name in known if not {"sql", "copy", "http"} & set(before[name])]
            if lists:
                self._of_items(task, lists)
        for key, values in {
            "retries": (0, 1, 5),
            "retry_delay": ("30s", 5),
            "retry_backoff": (1, 2),
            "retry_max_delay": ("10m",),
            "timeout": ("90s", "1h"),
            "pool": ("default_pool", "gpu"),
            "pool_slots": (1, 3),
            "sla": ("30m",),
            "inlets": (["x://read/me"],),
            "depends_on_past": (True, False),
            "priority": (1, 7),
            "queue": ("heavy",),
            "group": ("train", "load"),
            "shadow": ("observe", "pure"),
        }.items():
            if draw.random() < 0.3:
                task[key] = draw.choice(values)
        self._odd(task)
        if "for_each" in task:
            for key in ("sla", "sandbox"):
                task.pop(key, None)
            if task.get("shadow") == "sandbox":
                del task["shadow"]
        if "copy" in task or "transaction" in task.get("sql", {}):
            task.pop("shadow", None)
        elif "sql" in task and draw.random() < 0.3:
            # In a transaction that is rolled back.
            task.pop("shadow", None)
            task["effects"] = {
                "tables": [{"table": "mart.made", "key": ["a"], "ignore": ["at"], "where": "day = :day"}]
            }
        if "DELETE" in task.get("sql", {}).get("text", "") and task.get("shadow") == "pure":
            del task["shadow"]
        return task

    def _of_items(self, task: dict[str, Any], known: list[str]) -> None:
        """Makes it, sometimes, one that runs once for each item of an earlier task's result."""
        draw = self.draw
        if "entry" in task or "shadow" in task or not {"python", "command"} & set(task) or draw.random() < 0.6:
            return
        task["for_each"] = {"from": draw.choice(known), "path": draw.choice(("$", "$.rows[0].имя"))}
        if "python" in task:
            task["python"]["args"] += [{"item": draw.choice(("$", "$.id"))}]

    def _odd(self, task: dict[str, Any]) -> None:
        """What goes with some bodies only."""
        draw = self.draw
        sends = not {"python", "command", "sql", "copy", "http", "celery"} & set(task)
        if sends and draw.random() < 0.5:
            task["send"] = {"wait": draw.choice(("result", "sent")), "unsure": "resend", "options": {"queue": "slow"}}
        for key, values in {
            "expected": ("5m", 90),
            "produces": (["s3://made/here"], ["x://a", "x://b"]),
            "notify": ({"failed": ["ops", "all"], "retried": "ops"}, {"failed": []}),
            "compare": (
                {"ignore": [{"name": "clock", "path": "$.at", "because": "it is now"}], "unordered": ["$.rows"]},
                {"tolerance": [{"path": "$.loss", "relative": 0.1}], "slowest_ratio": 2},
            ),
        }.items():
            if draw.random() < 0.2:
                task[key] = draw.choice(values)
        if {"python", "command"} & set(task) and draw.random() < 0.3:
            task |= draw.choice(
                (
                    {"shadow": "sandbox", "sandbox": {"network": ["db.internal:5432"], "memory": "256MB", "cpu": "1m"}},
                    {"redirect": {"DATABASE_URL": "postgresql://elsewhere/{{ ds }}"}, "shadow": "pure"},
                )
            )

    def _data(self) -> dict[str, Any]:
        draw = self.draw
        text = "SELECT '" + draw.choice(HOSTILE[:9]).replace("'", "''") + "' AS a, :day AS b -- it's 5 %\n"
        window = {"column": "a", "from": {"previous_tick": "date"}, "until": {"tick": "iso"}}
        target = {"connection": "warehouse", "table": "mart.made"}
        return draw.choice(
            (
                {
                    "sql": {
                        "connection": "warehouse",
                        "text": text + draw.choice(("; DELETE FROM x", "; SELECT 2")),
                        "params": {"day": {"tick": "date"}},
                    }
                },
                {"sql": {"connection": "warehouse", "text": "VACUUM", "transaction": False}, "shadow": "observe"},
                {"http": {"url": "https://agents/x", "json": {"a": {"tick": "iso"}, "b": draw.choice(HOSTILE)}}},
                {"http": {"connection": "agents", "url": "/x", "query": {"day": {"tick": "date"}}, "expect": [200]}},
                {
                    "copy": {
                        "from": {"connection": "shop", "text": text},
                        "params": {"day": self._value(1)},
                        "to": target,
                        "window": window,
                    }
                },
            )
        )

    def _choice(self, before: list[str]) -> dict[str, Any]:
        if self.draw.random() < 0.7:
            return self._condition(before)
        return {"any": [self._condition(before) for _ in range(self.draw.choice((1, 2, 3)))]}

    def _condition(self, before: list[str]) -> dict[str, Any]:
        draw = self.draw
        test = draw.choice(
            (
                {"exists": True},
                {"equals": draw.choice(HOSTILE)},
                {"differs": 1.5},
                {"above": 0},
                {"below": 1.5},
                {"in": [1, "a"]},
            )
        )
        task = draw.choice(before)
        return {"task": task, "path": draw.choice(self._paths[task]), **test}

    def _reference(self, before: list[str]) -> Any:
        draw = self.draw
        source = draw.choice(
            (
                *({"from": one, "path": draw.choice(self._paths[one])} for one in before[:1]),
                {"tick": draw.choice(("iso", "date"))},
                {"previous_tick": draw.choice(("iso", "date"))},
                {"window": draw.choice(("iso", "date"))},
                {"param": "models"},
                {"literal": {"from": draw.choice(HOSTILE)}},
            )
        )
        return draw.choice((source, [source], {"deep": [self._value(1), source]}))

    def _schedule(self) -> Any:
        kind = self.draw.random()
        if kind < 0.65:
            return self._crontab()
        if kind < 0.85:
            return schedule(self.draw.choice((60, 90, 300, 3600, 5400.5, 86400, 100000)), app=self.app)
        return self._rrule()

    def _crontab(self) -> crontab:
        fields = {
            "minute": self._field(0, 59),
            "hour": self._field(0, 23),
            "day_of_month": self.draw.choice(("*", "*", "*", "1", "15,28", "1-7", "*/3")),
            "month_of_year": self.draw.choice(("*", "*", "*", "*/2", "1-6")),
            "day_of_week": self.draw.choice(("*", "*", "*", "mon-fri", "sun", "1,3", "*/2")),
        }
        return crontab(**fields, app=self.app)

    def _field(self, low: int, high: int) -> str:
        draw = self.draw
        first, second = sorted(draw.sample(range(low, high + 1), 2))
        return draw.choice(
            ("*", str(first), str(second), f"{first},{second}", f"{first}-{second}", f"*/{draw.randrange(2, 13)}")
        )

    def _rrule(self) -> rrule:
        draw = self.draw
        start = datetime(
            2024, draw.randrange(1, 13), draw.randrange(1, 29), draw.randrange(24), 45, tzinfo=timezone.utc
        )
        rest = draw.choice(({}, {"byweekday": [0, 4]}, {"interval": 2}, {"byhour": [3, 15], "byminute": [7]}))
        return rrule(freq=draw.choice(SECONDLY_TO_YEARLY), dtstart=start, app=self.app, **rest)

    def _value(self, depth: int) -> Any:
        draw = self.draw
        kind = draw.randrange(8 if depth else 6)
        if kind == 6:
            return [self._value(depth - 1) for _ in range(draw.randrange(4))]
        if kind == 7:
            return {self._key(): self._value(depth - 1) for _ in range(draw.randrange(3))}
        return (
            None,
            draw.random() < 0.5,
            draw.randrange(-(10**20), 10**20),
            draw.uniform(-1e6, 1e6),
            *2 * (draw.choice(HOSTILE),),
        )[kind]

    def _key(self) -> str:
        return self.draw.choice(("a", "имя", "with space", "quote'", "x-y"))

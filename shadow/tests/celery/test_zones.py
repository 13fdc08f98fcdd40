"""The zone that a real worker tells, beside the one that a real beat wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import redis
from stack import Legacy, legacy, until
from test_asking import bailey, findings
from test_parity import asked, given

INTERVAL = {"__type__": "interval", "every": 1, "relative": False}
NIGHTLY = {
    "__type__": "crontab",
    "minute": "0",
    "hour": "3",
    "day_of_week": "*",
    "day_of_month": "*",
    "month_of_year": "*",
}


def settle(folder: Path, settings: dict[str, Any], **source: Any) -> None:
    """Writes the settings. JSON is YAML."""
    redbeat = {"kind": "redbeat", "url": settings["redbeat_redis_url"], "broker_url": settings["broker_url"], **source}
    folder.joinpath("mappings").mkdir(exist_ok=True)
    folder.joinpath("bailey.yaml").write_text(json.dumps({"version": 1, "sources": {"s": redbeat}}))


def zones(folder: Path) -> dict[str, str]:
    """What the plan finds of each entry's zone, after an import that may ask the workers."""
    done = bailey(folder, "import")
    assert done.returncode in (0, 1), done.stderr
    codes = {"BLY005", "BLY006", "BLY025"}
    return {one["entry"]: one["code"] for one in findings(folder) if one["code"] in codes and one.get("entry")}


def test_a_worker_of_another_zone_than_beat_wrote(clean: int, tmp_path: Path) -> None:
    told = given(f"redis://127.0.0.1:{clean}/0", clean, "default", "json")
    settings = told["settings"]
    client = redis.Redis.from_url(settings["redbeat_redis_url"], decode_responses=True)
    rest = {"task": "legacy.plain", "args": [], "kwargs": {}, "options": {}, "enabled": True}
    for name, schedule in (("tick", INTERVAL), ("nightly", NIGHTLY)):
        client.hset(f"redbeat:{name}", mapping={"definition": json.dumps({"name": name, **rest, "schedule": schedule})})
        client.zadd("redbeat::schedule", {f"redbeat:{name}": 1})
    beat = Legacy({**told, "settings": settings | {"timezone": "Europe/Berlin", "beat_max_loop_interval": 1}})
    try:
        beat.start("beat", "-S", "redbeat.RedBeatScheduler", "-l", "WARNING")
        until(
            lambda: json.loads(client.hget("redbeat:tick", "meta") or "{}").get("total_run_count"),
            f"beat did not fire: {beat.log('beat')[-1500:]}",
        )
    finally:
        beat.stop()
    written = json.loads(client.hget("redbeat:tick", "meta") or "{}")["last_run_at"]["timezone"]
    assert written == "Europe/Berlin"
    settle(tmp_path, settings)
    kolkata = {**told, "settings": settings | {"timezone": "Asia/Kolkata"}}
    with legacy(kolkata, "-Q", "work,celery"):
        assert asked(kolkata)
        # Who is right nobody knows: beat may have been left as it was, or have been changed and not have run since.
        assert zones(tmp_path)["s/tick"] == "BLY025"
        assert bailey(tmp_path, "generate").returncode == 1
        # A person and the workers say the same.
        settle(tmp_path, settings, timezone="Asia/Kolkata")
        assert zones(tmp_path)["s/tick"] == "BLY006"
        # A person says what beat wrote, and the workers another.
        settle(tmp_path, settings, timezone="Europe/Berlin")
        assert zones(tmp_path)
    berlin = {**told, "settings": settings | {"timezone": "Europe/Berlin"}}
    with legacy(berlin, "-Q", "work,celery"):
        assert asked(berlin)
        settle(tmp_path, settings)
        assert "s/tick" not in zones(tmp_path)

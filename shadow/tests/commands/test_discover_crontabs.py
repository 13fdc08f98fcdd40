"""`discover --crontab`: each line of a crontab is judged, and a file that is none is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from finding import bailey, discovered, entry

from testing.server import Server

CRONTAB = """# m h dom mon dow command
MAILTO=ops@example.com
CRON_TZ=Europe/Moscow
0 2 * * * /srv/app/backup.sh >> /var/log/backup.log 2>&1
@reboot /srv/app/start
0 */2 * * * redis-cli -p {port} FLUSHDB
30 */2 * * * redis-cli -p {port} -n 7 flushdb
0 1 * * * cd /srv/app && venv/bin/celery -A app purge -f
5 4 * * sun docker exec cache redis-cli -h "$REDIS" FLUSHALL
61 2 * * * never
* * * *
0 0 30 2 * never
15 3 1-7 * mon tidy
"""


def test_a_crontab_is_judged_line_by_line_and_dangers_are_findings(server: Server, tmp_path: Path) -> None:
    server.client().flushall()
    server.client().hset("redbeat:a", "definition", entry("a"))
    server.client().zadd("redbeat::schedule", {"redbeat:a": 1})
    (tmp_path / "cron").write_text(CRONTAB.format(port=server.port), encoding="utf-8")
    found = discovered(tmp_path, server.url, "--crontab", "cron", status=1)
    verdicts = {one["place"]: one["verdict"] for one in found["crontab"]}
    assert verdicts == {
        "cron:4": "migrate", "cron:5": "keep", "cron:6": "keep", "cron:7": "keep", "cron:8": "keep", "cron:9": "keep",
        "cron:10": "unsupported", "cron:11": "unsupported", "cron:12": "unsupported", "cron:13": "migrate",
    }  # fmt: skip
    findings = {one["place"]: (one["code"], one["severity"]) for one in found["findings"]}
    assert findings == {
        "cron:6": ("BLY094", "error"),
        "cron:7": ("BLY094", "info"),
        "cron:8": ("BLY095", "error"),
        "cron:9": ("BLY094", "error"),
    }
    first = found["crontab"][0]
    assert first["per_day"] == 1 and first["timezone"] == "Europe/Moscow" and len(first["next_ticks"]) == 3
    # 02:00 in Moscow is 23:00 in UTC.
    assert all(tick.endswith("T23:00:00Z") for tick in first["next_ticks"])
    # Without a look at that server nobody knows what it holds.
    alone = discovered(tmp_path, "--crontab", "cron", status=1)
    assert {one["place"]: one["severity"] for one in alone["findings"]}["cron:6"] == "warning"


def test_the_systems_crontab_has_users(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/crontab").write_text("17 * * * * root run-parts /etc/cron.hourly\n", encoding="utf-8")
    found = discovered(tmp_path, "--crontab", "etc/crontab")
    (line,) = found["crontab"]
    assert line["user"] == "root" and line["command"] == "run-parts /etc/cron.hourly"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("binary", b"\x7fELF\x00\x01\x02"),
        ("prose", b"This is a letter to my aunt.\nIt has two lines.\n"),
        ("yaml", b"version: 1\nsources:\n  s: {kind: redbeat}\n"),
        ("latin", b"0 1 * * * caf\xe9\n"),
    ],
)
def test_a_file_that_is_no_crontab_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    done = bailey(tmp_path, "discover", "--crontab", name)
    assert done.returncode == 2 and f"{name} is no crontab" in done.stderr, done.stderr
    missing = bailey(tmp_path, "discover", "--crontab", "nowhere")
    assert missing.returncode == 2 and "nowhere" in missing.stderr
    assert bailey(tmp_path, "discover", "--crontab", str(tmp_path)).returncode == 2

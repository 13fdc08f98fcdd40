"""An application deletes an entry that Airflow owns, or calls it otherwise: it is told, and so is who does the work beside the DAG."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from desk import Desk

from testing.entry import Entry
from testing.world import World, fresh_folder


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    world = World(fresh_folder("renamed"), [Entry("nightly", "2", static=False), Entry("other", "2", static=False)])
    with world.running():
        yield Desk(world)
    shutil.rmtree(world.folder, ignore_errors=True)


def told(desk: Desk, entry: Entry) -> dict[str, str]:
    """What a look says of the pipeline, and how urgent it is."""
    found = {one["event"]: one["level"] for one in desk.watch() if one["pipeline"] == entry.pipeline}
    return {event: level for event, level in found.items() if event in ("deleted", "beside")}


def test_who_does_the_work_of_a_renamed_entry_is_told(desk: Desk) -> None:
    entry = next(one for one in desk.world.entries if one.name == "nightly")
    desk.cut_over(entry)
    assert told(desk, entry) == {}
    # The same message under another name, as after a deployment.
    desk.world.application(
        "e = entry('nightly', '2')\nargs = e.args\ne.delete()\n"
        "n = entry('nightly-v2', '2')\nn.args = args\nn.save()\n"
        "o = entry('unlike', '2')\no.save()"
    )
    assert told(desk, entry) == {"deleted": "warning", "beside": "urgent"}
    said = " ".join(desk.status(entry)["unknown"])
    assert "Beat runs redbeat:nightly-v2, which sends the same task" in said and "has deleted redbeat:nightly" in said
    assert "redbeat:unlike" not in said and "redbeat:other" not in said
    preview = desk.world.bailey("rollback", entry.pipeline)
    assert preview.returncode == 0, preview.stdout
    assert "was deleted by the application: nothing goes back of it; --recreate" in preview.stdout
    assert "goes back to legacy:" not in preview.stdout
    again = desk.world.bailey("rollback", entry.pipeline, "--recreate")
    assert "it is written anew" in again.stdout and "goes back to legacy: 2" in again.stdout
    # One that is disabled sends nothing.
    desk.world.application("n = entry('nightly-v2', '2')\nn.enabled = False\nn.save()\nentry('unlike', '2').delete()")
    assert "nightly-v2" not in " ".join(desk.status(entry)["unknown"])
    done = desk.run("rollback", entry.pipeline, "--execute")["pipelines"][0]
    assert done["outcome"] == "done" and "--recreate writes it anew" in " ".join(done["notes"])
    assert desk.status(entry)["unknown"] == []


def test_an_import_of_the_new_name_hides_nothing(desk: Desk) -> None:
    entry = next(one for one in desk.world.entries if one.name == "other")
    desk.cut_over(entry)
    desk.world.application(
        "e = entry('other', '2')\nargs = e.args\ne.delete()\nn = entry('other-v2', '2')\nn.args = args\nn.save()"
    )
    imported = desk.run("import")
    assert {one["entry"]: one["change"] for one in imported["changes"]["entries"]}["scheduler/other-v2"] == "renamed"
    # The pipeline follows the name; who does the work beside its DAG is told all the same, and it goes back.
    assert told(desk, entry) == {"deleted": "warning", "beside": "urgent"}
    status = desk.status(entry)
    assert "Beat runs redbeat:other-v2" in " ".join(status["unknown"]), status
    refused = desk.world.bailey("cutover", entry.pipeline)
    assert refused.returncode == 1, refused.stdout
    done = desk.run("rollback", entry.pipeline, "--execute")["pipelines"][0]
    assert done["outcome"] == "done", done
    assert desk.world.owner(entry) == "legacy"

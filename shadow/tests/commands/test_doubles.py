"""One pipeline's name that has taken over two groups of entries: its mapping was changed in between, in one Redis or from one to another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from desk import OVERRIDE, Desk

from testing.entry import Entry
from testing.server import wait_until
from testing.world import World, fresh_folder

KEY = "redbeat:a"


@pytest.fixture
def worlds() -> Iterator[tuple[Desk, World]]:
    """Two Redis servers with a beat each; a pipeline of the first that may be mapped to the second."""
    one = World(fresh_folder("double"), [Entry("a", "2", static=False), Entry("b", "2", static=False)])
    two = World(fresh_folder("double"), [Entry("a", "2", static=False)])
    with one.running(), two.running():
        with (one.folder / "bailey.yaml").open("a", encoding="utf-8") as settings:
            settings.write(
                f"  other: {{kind: redbeat, celery: {{settings: {{}}}}, url: '{two.source_url}', max_interval: 1}}\n"
            )
        for file in (one.folder / "mappings").glob("*.yaml"):
            file.unlink()
        yield Desk(one), two
    for world in (one, two):
        shutil.rmtree(world.folder, ignore_errors=True)


def mapped(desk: Desk, entry: str) -> None:
    """The pipeline `p` has this entry from now on."""
    mapping = f"pipeline: p\nclock: {entry}\ntasks:\n  run:\n    entry: {entry}\n"
    (desk.world.folder / "mappings" / "p.yaml").write_text(mapping, encoding="utf-8")
    desk.run("import")


def fires_again(world: World) -> None:
    client = world.server.client(decode_responses=True)

    def fires() -> int:
        return int(json.loads(client.hget(KEY, "meta") or "{}").get("total_run_count", 0))

    before = fires()
    wait_until("beat fires it again", lambda: fires() > before, 30)


def owners(desk: Desk, two: World) -> list[str]:
    first, second = desk.world, two
    return [first.owner(first.entries[0]), first.owner(first.entries[1]), second.owner(second.entries[0])]


def test_what_its_name_has_taken_elsewhere_is_refused_told_and_given_back(worlds: tuple[Desk, World]) -> None:
    desk, two = worlds
    mapped(desk, "scheduler/a")
    desk.run("cutover", "p", "--execute", *OVERRIDE)
    for elsewhere in ("scheduler/b", "other/a"):
        mapped(desk, elsewhere)
        looked = desk.run("cutover", "p", status=1)["pipelines"][0]
        assert any(check["name"] == "one group" and not check["holds"] for check in looked["checks"])
        refused = desk.run("cutover", "p", "--execute", *OVERRIDE, status=1)["pipelines"][0]
        assert (
            refused["refusal"]["reason"] == "held-by-others" and "redbeat:a in scheduler" in refused["refusal"]["found"]
        )
    assert owners(desk, two) == ["airflow", "None", "None"]
    # As a Bailey that did not look has done it: the same switch in both.
    for name in (f"bailey:switch:{{{KEY}}}", f"bailey:claims:{{{KEY}}}", KEY):
        two.server.client().restore(name, 0, desk.world.server.client().dump(name), replace=True)
    assert owners(desk, two) == ["airflow", "None", "airflow"]
    status = desk.run("status", "p")["pipelines"][0]
    assert "has also taken over" in " ".join(status["unknown"])
    done = desk.run("rollback", "p", "--execute")["pipelines"]
    assert sorted((one["source"], one["outcome"]) for one in done) == [("other", "done"), ("scheduler", "done")]
    assert owners(desk, two) == ["legacy", "None", "legacy"]
    for world in (desk.world, two):
        fires_again(world)
    # And now it moves to where it is mapped, although the first source's switch remembers the name.
    desk.run("cutover", "p", "--execute", *OVERRIDE)
    assert owners(desk, two) == ["legacy", "None", "airflow"]
    assert [one["outcome"] for one in desk.run("rollback", "p", "--execute")["pipelines"]] == ["done"]
    assert owners(desk, two) == ["legacy", "None", "legacy"]


def test_a_source_that_is_away_does_not_keep_the_ticks_of_another(worlds: tuple[Desk, World]) -> None:
    desk, two = worlds
    mapped(desk, "scheduler/a")
    desk.run("cutover", "p", "--execute", *OVERRIDE)
    two.server.stop()
    ended = desk.world.bailey("rollback", "p", "--execute", "--json")
    assert json.loads(ended.stdout)["pipelines"][0]["outcome"] == "done", ended.stderr
    assert "is not known" in ended.stderr
    # Legacy has it here; whether there is anything over there nobody can say.
    assert desk.world.bailey("rollback", "p", "--execute", "--json").returncode == 3
    two.server.start()

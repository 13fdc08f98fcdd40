"""`kind: workflow`: a real orchestrator's tables, from import to a comparison of each stage."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import lab.first
from testing.postgres import cluster
from testing.server import free_port, wait_until
from testing.world import BAILEY

ROOT = Path(lab.first.__file__).resolve().parents[2]
THREE = "analyze-task+develop-solution+provide-consultation"
TABLES = """
DROP TABLE IF EXISTS demo_stages, demos;
CREATE TABLE demos (id uuid PRIMARY KEY, task text NOT NULL, status text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE demo_stages (demo_id uuid NOT NULL, stage_order integer NOT NULL, agent text, status text NOT NULL, result jsonb,
    PRIMARY KEY (demo_id, stage_order));
"""
PROFILE = """
profile: demos
runs: {table: demos, id: id, status: status, queued: created_at, params: {task: task}}
stages: {table: demo_stages, run: demo_id, order: stage_order, agent: agent, status: status, result: result}
statuses: {queued: [pending], running: [processing], success: [completed], failed: [failed]}
agents: {connection: agents}
"""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with cluster() as url:
        yield url


class Company:
    """An orchestrator with its agents, and a workspace beside it."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.database = folder, database
        self.agents, self.orchestrator = free_port(), free_port()
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(TABLES)
        words = (
            ["http_servers", "agents", self.agents, folder / "agents.sqlite"],
            ["orchestrator", self.orchestrator, database, f"http://127.0.0.1:{self.agents}"],
        )
        self.processes = [
            subprocess.Popen([sys.executable, "-m", f"lab.first.{name}", *map(str, given)], cwd=ROOT)
            for name, *given in words
        ]
        for port in (self.agents, self.orchestrator):
            wait_until("it answers", lambda port=port: answers(port))
        (folder / "mappings/profiles").mkdir(parents=True)
        self.write("mappings/profiles/demos.yaml", PROFILE)
        self.write(
            "bailey.yaml",
            json.dumps(
                {
                    "version": 1,
                    "sources": {"demos": {"kind": "workflow", "url": database, "profile": "demos"}},
                    "connections": {"agents": {"url": f"http://127.0.0.1:{self.agents}"}},
                }
            ),
        )

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def ask(self, task: str) -> str:
        """A request, as a user makes it; waits until the demo is over."""
        body = json.dumps({"task": task}).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.orchestrator}/", body, timeout=10) as answer:
            demo = str(json.load(answer)["id"])
        wait_until("the demo is over", lambda: self.status(demo) in ("completed", "failed"))
        return demo

    def status(self, demo: str) -> str:
        return str(self.sql("SELECT status FROM demos WHERE id = %s", demo)[0][0])

    def sql(self, text: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.database, autocommit=True) as connection:
            found = connection.execute(text, values)
            return found.fetchall() if found.description else []

    def alone(self, agent: str, task: str, answer: dict[str, Any]) -> str:
        """A request to one agent, as the orchestrator's other form writes it."""
        demo = str(uuid.uuid4())
        self.sql("INSERT INTO demos (id, task, status) VALUES (%s, %s, 'completed')", demo, task)
        self.sql("INSERT INTO demo_stages VALUES (%s, 1, %s, 'completed', %s)", demo, agent, json.dumps(answer))
        return demo

    def bailey(self, *words: str, status: int = 0) -> Any:
        done = subprocess.run(
            [BAILEY, *words, "--json"], cwd=self.folder, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == status, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return json.loads(done.stdout) if done.stdout.startswith("{") else done.stderr

    def pure(self) -> None:
        """A mapping of the three stages whose agents may be asked in shadow."""
        given = {
            "analyze-task": {"task": {"param": "task"}},
            "develop-solution": {"from": "analyze-task", "path": "$.json"},
            "provide-consultation": {"from": "develop-solution", "path": "$.json"},
        }
        tasks: dict[str, Any] = {}
        for name, json_body in given.items():
            tasks[name] = {
                "http": {"connection": "agents", "url": f"/{name}", "method": "POST", "json": json_body},
                "shadow": "pure",
                "after": list(tasks)[-1:],
            }
        mapping = {
            "pipeline": "demos",
            "manual": True,
            "workflow": f"demos/{THREE}",
            "params": {"task": {"type": "string", "required": True}},
            "tasks": tasks,
        }
        self.write("mappings/demos.yaml", json.dumps(mapping))

    def row(self, status: int = 0) -> Any:
        """What the report says of the pipeline."""
        return next(row for row in self.bailey("report", status=status)["pipelines"] if row["id"] == "demos")


def answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def company(tmp_path: Path, database: str) -> Iterator[Company]:
    company = Company(tmp_path, database)
    try:
        yield company
    finally:
        company.end()


def test_each_form_is_a_pipeline_of_its_stages(company: Company) -> None:
    for number in range(4):
        company.ask(f"task {number}")
    company.alone("develop-solution", "alone", {"solution": "x"})
    company.sql("INSERT INTO demos (id, task, status) VALUES (gen_random_uuid(), 'none', 'pending')")
    odd = '../agent of \'"quotes"; {agent} %s'
    company.alone(odd, "odd", {"a": 1})
    inventory = company.bailey("import")
    entries = {entry["name"]: entry for entry in inventory["entries"]}
    counts = dict(
        company.sql(
            "SELECT agents, count(*) FROM (SELECT string_agg(agent, '+' ORDER BY stage_order) AS agents FROM demo_stages GROUP BY demo_id) f GROUP BY 1"
        )
    )
    assert {name: entry["history"]["succeeded"] for name, entry in entries.items()} == counts
    assert [record["reason"] for record in inventory["unread"]] == ["no-stages"]
    assert inventory["sources"][0]["found"] == len(entries) + 1
    plan = company.bailey("plan")
    pipelines = {pipeline["workflow"]["entry"]: pipeline for pipeline in plan["pipelines"]}
    three = pipelines[f"demos/{THREE}"]
    assert [task["id"] for task in three["tasks"]] == THREE.split("+")
    assert [task["after"] for task in three["tasks"]] == [[], ["analyze-task"], ["develop-solution"]]
    assert three["params"] == [{"name": "task", "type": "string", "default": None, "required": True, "choices": []}]
    assert three["tasks"][1]["inputs"] == [{"at": ["json"], "from": "analyze-task", "path": ["json"]}]
    assert len(pipelines["demos/develop-solution"]["tasks"]) == 1
    assert company.bailey("generate")["files"]
    file = next(path for path in (company.folder / "dags").glob("*quotes*.py"))
    compile(file.read_text(encoding="utf-8"), str(file), "exec")
    assert "..%2Fagent%20of%20%27%22quotes%22%3B%20%7Bagent%7D%20%25s" in file.read_text(encoding="utf-8")
    # Nobody has said that agents may be asked in shadow.
    company.bailey("shadow", "--from-history")


def test_a_run_is_compared_stage_by_stage(company: Company) -> None:
    good = [company.ask(f"task {number}") for number in range(3)]
    changed = company.ask("changed since")
    company.sql(
        'UPDATE demo_stages SET result = \'{"solution": "another"}\' WHERE demo_id = %s AND stage_order = 2', changed
    )
    company.pure()
    company.bailey("import")
    assert company.bailey("plan")["holds"]
    company.bailey("shadow", "--from-history")
    row = company.row(status=1)
    assert (row["match"], row["mismatch"]) == (len(good), 1), row
    text = json.dumps(row)
    assert "$[1].solution" in text and changed in text
    assert all(f"$[{stage}]" not in text for stage in (0, 2))


def test_runs_are_seen_as_they_end(company: Company) -> None:
    company.ask("before")
    company.pure()
    company.bailey("import")
    watching = subprocess.Popen(
        [BAILEY, "shadow", "--for", "12s"],
        cwd=company.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    told = ""
    assert watching.stderr is not None
    while "watching demos" not in told:
        line = watching.stderr.readline()
        assert line, told
        told += line
    for number in range(5):
        company.ask(f"live {number}")
    company.alone("develop-solution", "of no entry that was imported", {"solution": "x"})
    _, rest = watching.communicate(timeout=60)
    assert "1 runs left out: their agents" in rest, rest
    assert watching.returncode == 0, told + rest
    assert company.row()["match"] == 5


def test_a_demo_that_fails_is_one_that_failed(company: Company) -> None:
    company.ask("good")
    company.processes[0].kill()
    company.processes[0].wait()
    assert company.status(company.ask("bad")) == "failed"
    company.pure()
    company.bailey("import")
    company.bailey("shadow", "--from-history")
    row = company.row(status=1)
    # The agents are gone in shadow too: what failed fails again, what succeeded does not.
    assert (row["match"], row["mismatch"]) == (1, 1), row


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"workflow": "demos/nothing"}, "There is no entry"),
        ({"workflow": {"entry": f"demos/{THREE}", "stages": ["analyze-task"]}}, "names 1 tasks"),
        ({"workflow": {"entry": f"demos/{THREE}", "stages": ["a", "b", "c"]}}, "No task is called"),
        ({"manual": False, "every": "1h"}, "manual: true"),
    ],
)
def test_what_does_not_fit_is_said(company: Company, change: dict[str, Any], words: str) -> None:
    company.ask("one")
    company.pure()
    mapping = json.loads((company.folder / "mappings/demos.yaml").read_text(encoding="utf-8")) | change
    mapping["params"]["task"] = {"type": "string", "default": "x"}
    company.write("mappings/demos.yaml", json.dumps(mapping))
    company.bailey("import")
    plan = company.bailey("plan", status=1)
    assert any(words in finding["text"] for finding in plan["findings"]), [f["text"] for f in plan["findings"]]


def test_tables_of_another_shape(company: Company) -> None:
    """Numbers for ids, JSON in a text, one agent twice, no order, no result, names that need quotes."""
    company.sql('CREATE SCHEMA IF NOT EXISTS "Odd"')
    company.sql('DROP TABLE IF EXISTS "Odd"."Stage", "Odd"."Run"')
    company.sql('CREATE TABLE "Odd"."Run" ("Id" bigint PRIMARY KEY, "State" int, "At" timestamp, "Ask" jsonb, n int)')
    company.sql('CREATE TABLE "Odd"."Stage" ("Run Id" bigint, pos int, who text, "State" int, out text)')
    company.sql("""INSERT INTO "Odd"."Run" SELECT n, CASE WHEN n = 4 THEN 9 ELSE 2 END, now() - n * interval '1 hour', '{"a": [1.50, null]}', n
                   FROM generate_series(1, 5) n""")
    stages = [
        (1, 1, "analyze-task", 2, '{"analysis": 1.50}'),
        (1, 2, "analyze-task", 2, None),
        (2, None, "analyze-task", 2, "no JSON"),
        (3, 1, None, 2, None),
        (4, 1, "analyze-task", 9, None),
    ]
    for stage in stages:
        company.sql('INSERT INTO "Odd"."Stage" VALUES (%s, %s, %s, %s, %s)', *stage)
    company.write(
        "mappings/profiles/demos.yaml",
        """
profile: demos
runs: {table: Odd.Run, id: Id, status: State, queued: At, params: {ask: Ask, n: n}}
stages: {table: Odd.Stage, run: Run Id, order: pos, agent: who, status: State, result: out}
statuses: {success: ["2"], failed: ["9"]}
agents: {connection: agents, path: "/v1/{agent}/run", method: PUT}
""",
    )
    inventory = company.bailey("import")
    entries = {entry["name"]: entry for entry in inventory["entries"]}
    assert {name: (e["history"]["succeeded"], e["history"]["failed"]) for name, e in entries.items()} == {
        "analyze-task": (1, 1),
        "analyze-task+analyze-task": (1, 0),
    }
    assert sorted(record["reason"] for record in inventory["unread"]) == ["no-agent", "no-stages"]
    assert entries["analyze-task"]["options"]["params"] == [
        {"name": "ask", "type": "object"},
        {"name": "n", "type": "integer"},
    ]
    pipelines = {one["workflow"]["entry"]: one for one in company.bailey("plan")["pipelines"]}
    assert [task["id"] for task in pipelines["demos/analyze-task+analyze-task"]["tasks"]] == [
        "analyze-task",
        "analyze-task_2",
    ]
    company.bailey("shadow", "--from-history")
    results = [
        comparison["legacy"]["result"]
        for row in company.bailey("report")["pipelines"]
        for comparison in row["comparisons"]
        if comparison["legacy"]["state"] == "success"
    ]
    assert [{"analysis": 1.5}, None] in results and ["no JSON"] in results, results


def test_it_is_found_and_named(company: Company) -> None:
    company.sql("CREATE TABLE IF NOT EXISTS other (id int PRIMARY KEY, status text)")
    company.sql("CREATE TABLE IF NOT EXISTS parts (other_id int REFERENCES other, position int, status text)")
    company.sql("ALTER TABLE demo_stages ADD FOREIGN KEY (demo_id) REFERENCES demos")
    done = subprocess.run(
        [BAILEY, "discover", company.database, "--json"], cwd=company.folder, capture_output=True, text=True, timeout=60
    )
    found = [one for one in json.loads(done.stdout)["systems"] if one["kind"] == "workflow"]
    assert [one["place"] for one in found] == ["public.demos"], done.stdout
    assert "stage_order, agent, status" in found[0]["evidence"][0]
    assert "#" in next(line for line in json.loads(done.stdout)["settings"].splitlines() if "workflow" in line)


def test_no_run_is_no_absence(company: Company) -> None:
    document = company.bailey("import", status=1)
    assert any(note["code"] == "BLY011" for note in document["sources"][0]["notes"])
    company.write("mappings/profiles/demos.yaml", PROFILE.replace("order: stage_order, ", ""))
    assert "order" in company.bailey("import", status=2)
    company.write("mappings/profiles/demos.yaml", PROFILE.replace("id: id", "id: nothing"))
    assert "42703" in str(company.bailey("import", status=3))

import Airflow
import Foundation
import LosslessJSON
import Migration
import Schedules
import Testing

/// Whatever a task is called, the names that its file uses mean what they meant: Python itself runs the files.
@Suite("Names of tasks") struct TaskNameTests {
    /// Prints every word of some files, of Python itself and of its builtins.
    private static let words = #"""
        import builtins, keyword, re, sys
        found = {*dir(builtins), *keyword.kwlist, *getattr(keyword, "softkwlist", [])}
        for file in sys.argv[1:]:
            found |= set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", open(file, encoding="utf-8").read()))
        print("\n".join(sorted(found)))
        """#

    /// Runs a file with an Airflow that answers everything, and says which of its names do not mean any more what they should.
    private static let checker = #"""
        import ast, builtins, sys
        from unittest.mock import MagicMock

        for name in (
            "pendulum", "airflow", "airflow.sdk", "airflow.sdk.exceptions", "airflow.exceptions", "airflow.timetables",
            "airflow.timetables.trigger", "airflow.providers", "airflow.providers.standard",
            "airflow.providers.standard.operators", "airflow.providers.standard.sensors",
            "airflow.providers.standard.sensors.external_task", "airflow.sensors", "airflow.sensors.external_task", "airflow.providers.standard.operators.python",
            "airflow.models", "airflow.models.dag", "airflow.decorators", "airflow.utils", "airflow.utils.task_group",
            "airflow.hooks", "airflow.hooks.base", "airflow.datasets", "airflow.operators", "airflow.operators.python",
            "bailey_runtime", "bailey_runtime.dag", "bailey_runtime.timetable", "bailey_runtime.inputs",
        ):
            sys.modules[name] = MagicMock(name=name)
        text = open(sys.argv[1], encoding="utf-8").read()
        tree = ast.parse(text)
        scope = {"__name__": "generated"}
        exec(compile(tree, sys.argv[1], "exec"), scope)
        wrong = [name for name in scope if name != "__builtins__" and name in dir(builtins) and name != "__name__"]
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)) and node.col_offset == 0:
                for alias in node.names:
                    meant = sys.modules[node.module if isinstance(node, ast.ImportFrom) else alias.name]
                    meant = getattr(meant, alias.name) if isinstance(node, ast.ImportFrom) else meant
                    if scope.get(alias.name) is not meant:
                        wrong.append(alias.name)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and getattr(scope[node.name], "__name__", "") != node.name:
                wrong.append(node.name)
        # Within the DAG each name is given once, so that no task takes the place of another.
        given = [node.name for node in ast.walk(tree.body[-1]) if isinstance(node, ast.FunctionDef) and node.name != "body"]
        given += [node.targets[0].id for node in tree.body[-1].body if isinstance(node, ast.Assign)]
        wrong += sorted({name for name in given if given.count(name) > 1})
        print("\n".join(wrong))
        """#

    private func python(_ arguments: [String]) throws -> [String] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3"] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private static let entry = EntryID(source: "jobs", name: "export")

    /// A body of each kind, and a task of each for every id.
    private func dag(_ ids: [String]) -> DAGDefinition {
        let python = TaskBody.python(PythonCall(callable: "a:b", environment: nil, args: .null, kwargs: .null))
        let bodies: [TaskBody] = [
            python, .command(CommandLine(arguments: ["true"])), .untranslatable(reason: "unknown"),
            .celery(CeleryCall(source: "scheduler", task: "t", args: [], kwargs: [:], options: [:])),
            .queue(QueueDrain(entry: TaskNameTests.entry, runs: python)),
            .sql(SQLCall(connection: "c", statements: SQLStatement.all("SELECT 1"))), .http(HTTPCall(url: "http://h/")),
            .wait(PipelineWait(pipeline: "p", within: 60)),
        ]
        var tasks = ids.enumerated().map { at, id in
            TaskDefinition(id: id, entry: TaskNameTests.entry, body: bodies[at % bodies.count])
        }
        for at in tasks.indices.dropFirst() where at % 7 == 0 {
            tasks[at].after = [tasks[at - 1].id]
            tasks[at].conditions = [TaskChoice(TaskCondition(task: tasks[at - 1].id, path: [], test: .exists(true)))]
            tasks[at].inputs = [TaskInput(place: [.key("args"), .index(0)], source: .previousTick(.iso))]
            tasks[at].produces = ["s3://bucket/made"]
        }
        return DAGDefinition(
            id: "names",
            name: "names",
            summary: "",
            clock: PipelineClock(driver: nil, schedule: nil, timezone: "UTC", timetable: nil),
            sla: 60,
            entries: [TaskNameTests.entry],
            tasks: tasks
        )
    }

    private func file(_ ids: [String], _ target: DAGFile.Target, gated: Bool) -> DAGFile {
        DAGFile(
            dag(ids),
            words: "",
            target: target,
            gated: gated,
            sources: [
                "scheduler": .redbeat(prefix: "redbeat:", ownResults: true),
                "jobs": .queue(
                    QueueStatements(due: "", claim: "", own: "", success: "", retry: nil, failure: "")
                ),
            ],
            environments: [:]
        )
    }

    @Test(arguments: [(DAGFile.Target.airflow3, true), (.airflow211, true), (.airflow3, false), (.airflow211, false)])
    func noNameOfATaskHidesWhatItsFileUses(_ target: DAGFile.Target, gated: Bool) throws {
        let folder = FileManager.default.temporaryDirectory.path + "/bailey-names-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let plain = file(
            ["one", "two.two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"],
            target,
            gated: gated
        )
        _ = try DAGFolder(path: folder).write(plain)
        let place = folder + "/" + plain.name
        var ids = try python(["-c", TaskNameTests.words, place]).filter { $0 != "gate" && $0.utf8.count <= 200 }
        #expect(ids.contains("print") && ids.contains("lambda") && ids.contains("DAG"))
        #expect(gated || ids.contains("threading") && ids.contains("callable") && ids.contains("_run_program"))
        // What is made of one task's id may be another's: functions, takers, mapped tasks.
        ids += [
            "a", "a_jobs", "a_task", "run_a", "take_run_a", "take_a", "take_a_", "a.b", "a-b", "1", "1.", "_",
            "__name__",
        ]
        ids += ids.prefix(60).flatMap { ["run_\($0)", "take_\($0)", "\($0)_jobs", "\($0)-task"] }
        ids = Set(ids).sorted()
        let hostile = file(ids, target, gated: gated)
        #expect(Set(hostile.structure.keys).isSuperset(of: ids))
        _ = try DAGFolder(path: folder).write(hostile, force: true)
        #expect(try python(["-c", TaskNameTests.checker, place]) == [])
    }

    /// Runs both programs with each call, and prints where they end otherwise.
    private static let bothRunners = """
        import json, pathlib, subprocess, sys
        plain, place, *calls = sys.argv[1:]

        def ending(program, call):
            done = subprocess.run([sys.executable, "-c", program], input=call, capture_output=True, text=True)
            return done.stdout.strip().splitlines()[-1] if done.returncode == 0 else "failed"

        for call in calls:
            one, other = ending(plain, call), ending(pathlib.Path(place).read_text("utf-8"), call)
            other = other.removeprefix('{"bailey_body":1,"result":').removesuffix("}") if other != "failed" else other
            print("same" if one == other else f"{call}: {one}, and {other}")
        """

    /// An ungated file calls functions as the runtime of gated ones does.
    @Test func aFunctionIsCalledTheSameWithAndWithoutTheGate() throws {
        let place = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../shadow/bailey_runtime/call_function.py").standardized.path
        let calls = [
            DAGRuntime.pythonCall("os.path:join", args: ["a", "ü"], kwargs: .null),
            DAGRuntime.pythonCall("collections:OrderedDict.fromkeys", args: [["x"]], kwargs: .null),
            DAGRuntime.pythonCall(
                "json:dumps",
                args: [try JSON(parsing: "[12345678901234567890,1.10]")],
                kwargs: .null
            ),
            DAGRuntime.pythonCall("json:dumps", args: [[:]], kwargs: ["sort_keys": true]),
            DAGRuntime.pythonCall("builtins:print", args: ["seen"], kwargs: .null),
            DAGRuntime.pythonCall("math:sqrt", args: [-1], kwargs: .null),
            DAGRuntime.pythonCall("json:nothing", args: .null, kwargs: .null),
        ]
        let told = try python(
            ["-c", TaskNameTests.bothRunners, DAGRuntime.pythonRunner, place] + calls.map { $0.text() }
        )
        #expect(told == calls.map { _ in "same" })
    }
}

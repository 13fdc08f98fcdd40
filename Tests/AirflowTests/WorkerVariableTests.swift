import Airflow
import Foundation
import LosslessJSON
import Migration
import Schedules
import Testing

/// What `bailey.yaml` takes from the environment is in no DAG file: the worker that runs a body fills it in.
@Suite("Variables of workers") struct WorkerVariableTests {
    private static let variables = [
        "MODE": "batch", "APP_DB": "${APP_DB}", "URL": "postgresql://u:${PW:-x}@h/$${y}", "PLAIN": "a$${b}c$$d",
        "TWO": "${ONE}-${OTHER:-}",
    ]

    private func file(gated: Bool, queue: Bool) -> DAGFile {
        let entry = EntryID(source: "jobs", name: "export")
        let python = TaskBody.python(PythonCall(callable: "a:b", environment: "company", args: .null, kwargs: .null))
        let dag = DAGDefinition(
            id: "p",
            name: "p",
            summary: "",
            clock: PipelineClock(driver: nil, schedule: nil, timezone: "UTC", timetable: nil),
            entries: [entry],
            tasks: [
                TaskDefinition(
                    id: "t",
                    entry: entry,
                    body: queue ? .queue(QueueDrain(entry: entry, runs: python)) : python
                )
            ]
        )
        let statements = QueueStatements(due: "", claim: "", own: "", success: "", retry: nil, failure: "")
        return DAGFile(
            dag,
            words: "",
            target: .airflow3,
            gated: gated,
            sources: ["jobs": .queue(statements)],
            environments: ["company": ("/opt/python", ["/opt/${x}"], WorkerVariableTests.variables)]
        )
    }

    /// Runs the function that a file carries along with the arguments that the file gives it.
    private static let filler = #"""
        import ast, json, os, re, sys
        tree = ast.parse(sys.stdin.read())
        scope = {"os": os, "re": re}
        function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "_filled")
        exec(compile(ast.Module([function], []), "f", "exec"), scope)
        call = next(n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "_filled")
        try:
            print(json.dumps(scope["_filled"](ast.literal_eval(call.args[0]))))
        except RuntimeError as error:
            print(json.dumps({"error": str(error)}))
        """#

    private func filled(_ text: String, _ environment: [String: String]) throws -> JSON {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", WorkerVariableTests.filler]
        process.environment = environment.merging(["PATH": "/usr/bin:/bin"]) { $1 }
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: Data(text.utf8))
        try input.fileHandleForWriting.close()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return try JSON(parsing: data)
    }

    @Test(arguments: [false, true]) func withAGateTheRuntimeFillsThemIn(_ queue: Bool) throws {
        let file = file(gated: true, queue: queue)
        #expect(file.text.contains("\"PLAIN\": \"a${b}c$$d\"") && file.text.contains("\"PYTHONPATH\": \"/opt/${x}\""))
        let place = try #require(file.text.range(of: "variables={"))
        let given = file.text[place.upperBound...].prefix { $0 != ")" }
        for name in ["APP_DB", "URL", "TWO"] { #expect(given.contains("\"\(name)\": ")) }
        #expect(given.contains("${PW:-x}") && !given.contains("MODE"))
        #expect(file.workerVariables == ["APP_DB", "ONE"])
        #expect(DAGNotes(files: [file], pools: []).texts.last?.text == "APP_DB\nONE\n")
    }

    @Test(arguments: [false, true]) func withoutAGateTheFileFillsThemIn(_ queue: Bool) throws {
        let text = file(gated: false, queue: queue).text
        #expect(!text.contains("bailey_runtime"))
        let all = try filled(text, ["APP_DB": "secret ${ONE}", "PW": "p", "ONE": "1"])
        #expect(
            all == [
                "APP_DB": "secret ${ONE}", "MODE": "batch", "PLAIN": "a${b}c$$d", "PYTHONPATH": "/opt/${x}",
                "TWO": "1-", "URL": "postgresql://u:p@h/${y}",
            ]
        )
        #expect(try filled(text, ["ONE": "1"]) == ["error": "the variable APP_DB is not set on this worker"])
        #expect(try filled(text, ["APP_DB": "x", "ONE": ""])["error"]?.string?.contains("ONE") == true)
    }
}

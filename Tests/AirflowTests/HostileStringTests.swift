import Airflow
import Foundation
import LosslessJSON
import Migration
import Schedules
import Testing

/// Strings of legacy data reach a task's code unchanged: Python itself reads the files back.
@Suite("Hostile strings") struct HostileStringTests {
    /// Parses a DAG file as Python does, and prints the JSON arguments of each Celery call and the arguments of each program.
    private static let reader = #"""
        import ast, json, sys
        tree = ast.parse(open(sys.argv[1], encoding="utf-8").read())
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id == "CeleryTask":
                given = {word.arg: word.value for word in node.keywords}
                values = [json.loads(given[name].value) for name in ("args", "kwargs")]
                print(json.dumps({"celery": values, "task": given["task"].value}))
            if node.func.id == "_celery_call":
                given = {key.value: value for key, value in zip(node.args[1].keys, node.args[1].values)}
                values = [json.loads(given[name].value) for name in ("args", "kwargs")]
                print(json.dumps({"celery": values, "task": given["task"].value}))
            words = None
            if node.func.id == "CommandTask":
                words = {word.arg: word.value for word in node.keywords}["command"]
            elif node.func.id == "_run_program":
                words = node.args[0]
            if isinstance(words, ast.List):
                print(json.dumps({"program": [e.value for e in words.elts if isinstance(e, ast.Constant)]}))
            if node.func.id == "BaileyGate":
                given = {word.arg: word.value for word in node.keywords}
                print(json.dumps({"gate": [e.value for e in given["entries"].elts]}))
        """#

    private func python(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3"] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: data, as: UTF8.self)
    }

    private static let hostile: [String] = [
        "\"", "'", "'''", "\"\"\"", "\\", "\\n", "\n", "\r\n", "\t", "\0", "\u{7f}", "{{ ds }}", "{% raw %}", "{# x #}",
        "%s {0} ${HOME} $(id) `id`",
        "Привет, мир", "日本語", "🐈‍⬛", "\u{202E}reversed", "\u{2028}line", "\u{FEFF}", "e\u{301}", "#", "\\u0041",
        "\\N{DASH}", "end\\",
        "\"'\"'\\\"", String(repeating: "Ж\"\\{{\n", count: 4000), "", " ", "\u{10FFFF}", "\u{85}",
    ]

    @Test func everyStringSurvives() throws {
        let folder = FileManager.default.temporaryDirectory.path + "/bailey-dags-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let all = HostileStringTests.hostile
        let args = JSON.array(all.map { .string($0) })
        var kwargs = JSONObject([])
        for (index, text) in all.enumerated() { kwargs["\(index)\(text.prefix(20))"] = .string(text) }
        // A program's arguments cannot hold NUL.
        let plain = all.filter { !$0.contains("\0") }
        let dag = DAGDefinition(
            id: "hostile",
            name: all.joined(),
            summary: all.joined(separator: " "),
            clock: PipelineClock(driver: nil, schedule: nil, timezone: "UTC", timetable: nil),
            entries: all.map { EntryID(source: "s", name: $0) },
            tasks: [
                TaskDefinition(
                    id: "a",
                    entry: EntryID(source: "s", name: all.joined()),
                    body: .celery(
                        CeleryCall(source: "s", task: all.joined(), args: args, kwargs: .object(kwargs), options: [:])
                    )
                ), TaskDefinition(id: "b", body: .command(CommandLine(arguments: plain))),
                TaskDefinition(id: "c", body: .untranslatable(reason: all.joined())),
            ]
        )
        for (target, gated) in [(DAGFile.Target.airflow3, true), (.airflow211, true), (.airflow3, false)] {
            let file = DAGFile(dag, words: all.joined(), target: target, gated: gated, sources: [:], environments: [:])
            _ = try DAGFolder(path: folder).write(file, force: true)
            let lines = try python(["-c", HostileStringTests.reader, folder + "/" + file.name]).split(separator: "\n")
                .map { try JSON(parsing: String($0)) }
            let celery = try #require(lines.first { $0["celery"] != nil })
            #expect(celery["celery"] == [args, .object(kwargs)])
            #expect(celery["task"] == .string(all.joined()))
            let program = try #require(lines.first { $0["program"] != nil && ($0["program"]?.array?.count ?? 0) > 5 })
            #expect(program["program"] == .array(plain.map { .string($0) }))
            if gated {
                #expect(lines.first { $0["gate"] != nil }?["gate"] == .array(all.map { .string($0) }))
            }
        }
    }
}

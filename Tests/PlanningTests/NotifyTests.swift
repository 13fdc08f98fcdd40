import Migration
import Planning
import Schedules
import Settings
import Testing

@Suite("Who is told, as mappings say it") struct NotifyTests {
    private func plan(_ text: String, airflow: String = "3") throws -> Plan {
        var planner = Planner(
            inventory: Samples.inventory([]),
            zones: ZoneDatabase(),
            environments: [],
            channels: [
                "ops": .webhook(url: "https://example.com/secret"),
                "mail": .email(host: "localhost", port: 25, from: "a@b", to: ["c@d"]),
                "page": .command(["page"], variables: [:]),
            ],
            now: Samples.now
        )
        planner.airflow = airflow
        return planner.plan(files: [("mappings/p.yaml", text)])
    }

    private func errors(_ text: String) throws -> [String] {
        try plan(text).findings.filter { $0.severity == .error }.map { "\($0.location?.line ?? 0): \($0.text)" }
    }

    @Test func aTaskHasWhatThePipelineSaysUnlessItOrTheDefaultsSayIt() throws {
        let plan = try plan(
            """
            pipeline: p
            manual: true
            sla: 2h
            notify: {failed: [ops, mail], late: ops}
            defaults: {sla: 10m, notify: {retried: [ops], late: [mail]}}
            tasks:
              a: {command: [x]}
              b: {command: [x], notify: {failed: []}}
              c: {command: [x], notify: }
            """
        )
        #expect(plan.findings.filter { $0.severity == .error }.isEmpty)
        let dag = try #require(plan.pipelines.first?.dag)
        #expect(dag.notify == Notifications([.failed: ["ops", "mail"], .late: ["ops"]]))
        #expect(dag["a"]?.notify == Notifications([.failed: ["ops", "mail"], .retried: ["ops"], .late: ["mail"]]))
        #expect(dag["b"]?.notify == Notifications([.failed: []]))
        #expect(dag["c"]?.notify == Notifications([.failed: ["ops", "mail"]]))
    }

    @Test func whatNobodyCouldBeToldIsAnErrorWithItsLine() throws {
        let head = "pipeline: p\nmanual: true\n"
        let task = "tasks:\n  a: {command: [x]}\n"
        for (text, line, words) in [
            (head + "notify: {failed: [nobody]}\n" + task, 1, "has none of that name; it has mail, ops, page"),
            (head + "notify: {failed: [page]}\n" + task, 1, "which is a command"),
            (head + "notify: {late: [ops]}\n" + task, 3, "“sla”, which is not given"),
            (head + "notify: {fialed: [ops]}\n" + task, 3, "fialed"),
            (head + "tasks:\n  a: {command: [x], notify: {late: ops}}\n", 4, "“sla”, which is not given"),
            (head + "tasks:\n  a: {command: [x], notify: {retried: [nobody]}}\n", 4, "has none of that name"),
        ] {
            let found = try errors(text)
            #expect(found.count == 1 && found[0].hasPrefix("\(line): ") && found[0].contains(words), "\(found)")
        }
    }

    @Test func whatAirflow2WouldNotLookAtIsSaid() throws {
        let (manual, hourly) = ("pipeline: p\nmanual: true\n", "pipeline: p\nschedule: {interval: 1h}\n")
        let each = "  b: {command: [x], after: [a], for_each: {from: a}}\n"
        for (text, words) in [
            (manual + "tasks:\n  a: {command: [x]}\n", nil),
            (hourly + "sla: 1h\ntasks:\n  a: {command: [x], sla: 5m}\n", nil),
            (hourly + "tasks:\n  a: {command: [x], sla: 5m}\n" + each, nil),
            (manual + "sla: 1h\ntasks:\n  a: {command: [x]}\n", "the sla of the pipeline has passed"),
            (
                "pipeline: p\nschedule: {assets: ['x://a']}\ntasks:\n  a: {command: [x], sla: 5m}\n",
                "the sla of “a” has passed"
            ),
            (hourly + "sla: 1h\ntasks:\n  a: {command: [x]}\n" + each, "does not count for “b”"),
        ] as [(String, String?)] {
            let said = try plan(text, airflow: "2.11").findings.filter { $0.code == .latenessUnseen }
            #expect(said.count == (words == nil ? 0 : 1), "\(text)")
            #expect(said.first?.text.contains(words ?? "") != false, "\(said)")
            #expect(try plan(text).findings.allSatisfy { $0.code != .latenessUnseen })
        }
    }

    @Test func aChannelsNameIsRead() throws {
        func settings(_ alerts: String) throws -> WorkspaceSettings {
            try WorkspaceSettings(
                yaml: "version: 1\nsources: {s: {kind: k, url: x}}\nalerts:\n" + alerts,
                file: "bailey.yaml",
                environment: [:],
                kinds: [SourceKind(name: "k")]
            )
        }
        let read = try settings("  - {name: ops, webhook: 'https://h/s'}\n  - {webhook: 'https://h/t'}\n")
        #expect(read.channels == ["ops": .webhook(url: "https://h/s")])
        #expect(read.alerts.count == 2)
        for (text, words) in [
            ("  - {name: 'a b', webhook: 'https://h/s'}\n", "letters, digits"),
            ("  - {name: a, webhook: 'https://h/s'}\n  - {name: a, webhook: 'https://h/t'}\n", "two alert channels"),
        ] {
            let error = #expect(throws: SettingsError.self) { try settings(text) }
            #expect(error?.problems.map(\.description).joined().contains(words) == true)
        }
    }
}

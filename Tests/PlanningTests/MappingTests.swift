import LosslessJSON
import Migration
import Planning
import Schedules
import Testing

@Suite("Mappings") struct MappingTests {
    private func plan(_ files: [(file: String, text: String)]) throws -> Plan {
        var daily = try Samples.entry("daily", Samples.crontab("0 2 * * *"), timezone: "Europe/Berlin")
        daily.history = RunHistory(runs: 3, succeeded: 3, failed: 0, p50: 45)
        let entries = [
            daily, try Samples.entry("hourly", Samples.crontab("5 * * * *")), Samples.jobType("export"),
        ]
        return Planner(
            inventory: Samples.inventory(entries),
            zones: ZoneDatabase(),
            environments: ["company"],
            celery: Samples.celery,
            now: Samples.now
        ).plan(files: files)
    }

    private func errors(_ text: String) throws -> [String] {
        try plan([("mappings/p.yaml", text)]).findings.filter { $0.severity == .error }.map {
            "\($0.code.id) \($0.location.map { "\($0.file):\($0.line)" } ?? "-")"
        }
    }

    /// Conditions of task b on task a.
    private let conditions: [(String, [String])] = [
        ("{task: a, path: '$.n', above: 3}", []), ("{task: a, exists: false}", []),
        ("{task: a, equals: {n: [1, null]}}", []), ("{task: c, exists: true}", ["BLY057 mappings/p.yaml:4"]),
        ("{task: a}", ["BLY057 mappings/p.yaml:4"]), ("{task: a, above: 1, below: 2}", ["BLY057 mappings/p.yaml:4"]),
        ("{task: a, in: [1, x]}", []), ("[{task: a, in: [1]}, {task: a, path: $.n, above: 2}]", []),
        ("{task: a, in: []}", ["BLY057 mappings/p.yaml:4"]), ("{task: a, in: [null]}", ["BLY057 mappings/p.yaml:4"]),
        ("{task: a, in: x}", ["BLY057 mappings/p.yaml:4"]), ("[]", ["BLY057 mappings/p.yaml:4"]),
        ("[{task: a, exists: true}, {task: c, exists: true}]", ["BLY057 mappings/p.yaml:4"]),
        ("{any: [{task: a, equals: 1}, {task: a, exists: false}]}", []),
        ("[{any: [{task: a, equals: 1}, {task: a, in: [2]}]}, {task: a, path: $.n, above: 2}]", []),
        ("{any: []}", ["BLY057 mappings/p.yaml:4"]), ("{any: {task: a, exists: true}}", ["BLY057 mappings/p.yaml:4"]),
        ("{any: [{task: c, exists: true}]}", ["BLY057 mappings/p.yaml:4"]),
        ("{any: [{any: [{task: a, exists: true}]}]}", ["BLY057 mappings/p.yaml:4", "BLY057 mappings/p.yaml:4"]),
        ("{any: [{task: a, exists: true}], task: a}", ["BLY057 mappings/p.yaml:4"]),
        ("{task: a, path: n, above: 1}", ["BLY057 mappings/p.yaml:4"]),
        ("{task: a, equals: null}", ["BLY057 mappings/p.yaml:4"]), ("{exists: true}", ["BLY057 mappings/p.yaml:4"]),
    ].map { condition, found in
        (
            "pipeline: p\ntasks:\n  a: {entry: scheduler/daily}\n  b: {command: [x], after: [a], when: \(condition)}\n",
            found
        )
    }

    @Test func whatIsWrongNamesFileAndLine() throws {
        let table: [(String, [String])] =
            [
                (
                    "pipeline: p\ntasks:\n  a:\n    entry: scheduler/daly\n",
                    ["BLY050 mappings/p.yaml:3", "BLY056 mappings/p.yaml:1"]
                ),
                ("pipeline: p\ntasks:\n  a: {entry: scheduler/daily, after: [b]}\n", ["BLY051 mappings/p.yaml:3"]),
                (
                    "pipeline: p\nclock: scheduler/daily\ntasks:\n  a: {command: [x], after: [c]}\n  b: {command: [x], after: [a]}\n"
                        + "  c: {command: [x], after: [b]}\n", ["BLY053 mappings/p.yaml:4"]
                ),
                (
                    "pipeline: p\ntasks:\n  a: {entry: scheduler/daily, python: {callable: 'a:b', environment: compny}}\n",
                    ["BLY055 mappings/p.yaml:3"]
                ),
                (
                    "pipeline: p\ntasks:\n  a: {entry: scheduler/daily}\n  b: {entry: scheduler/hourly}\n",
                    ["BLY056 mappings/p.yaml:1"]
                ),
                ("pipeline: p\ntasks:\n  a: {entry: scheduler/daily, retires: 2}\n", ["BLY057 mappings/p.yaml:3"]),
                ("pipeline: p\ntasks:\n  a: {entry: scheduler/daily\n", ["BLY057 mappings/p.yaml:4"]),
                ("pipeline: 'p q'\ntasks:\n  a: {entry: scheduler/daily}\n", ["BLY057 mappings/p.yaml:1"]),
                ("pipeline: p\n", ["BLY057 mappings/p.yaml:1"]),
                (
                    "pipeline: p\ntasks:\n  a: {entry: jobs/exprt, command: [x]}\nschedule: {crontab: '* * * * *'}\n",
                    ["BLY050 mappings/p.yaml:3"]
                ),
            ] + conditions
        for (text, expected) in table {
            let found = try errors(text)
            #expect(found == expected, "\(text)")
        }
    }

    @Test func aMisspeltKeyNamesTheNearestKnownOne() throws {
        let text = "pipeline: p\ntasks:\n  a: {entry: scheduler/daily, retires: 2}\n"
        let finding = try #require(try plan([("p.yaml", text)]).findings.first { $0.code == .invalidMapping })
        #expect(finding.text.contains("retires") && finding.text.contains("retries"))
    }

    @Test func onePipelinePerIdAndOneOwnerPerEntry() throws {
        let text = "pipeline: p\ntasks:\n  a: {entry: scheduler/daily}\n"
        let twice = try plan([("a.yaml", text), ("b.yaml", text)]).findings
        #expect(twice.contains { $0.code == .duplicateIdentity && $0.location?.file == "b.yaml" })
        let other = try plan([("a.yaml", text), ("b.yaml", text.replacing("pipeline: p", with: "pipeline: q"))])
            .findings
        #expect(other.contains { $0.code == .entryMappedTwice && $0.text.contains("a.yaml") })
    }

    @Test func anEntryThatAMappingTakesIsItsOwnNoMore() throws {
        let text = """
            pipeline: p
            sla: 30m
            clock: scheduler/daily
            absorbs: [scheduler/hourly]
            tasks:
              first: {entry: scheduler/daily}
              left: {command: [left], after: [first]}
              right: {command: [right], after: [first]}
              last: {command: [last], after: [left, right], trigger_rule: all_done, retries: 2, retry_delay: 1m}
              jobs: {entry: jobs/export, python: {callable: "m:f"}, limit: 7}
            """
        let plan = try plan([("p.yaml", text)])
        #expect(plan.holds)
        #expect(plan.pipelines.map(\.dag.id) == ["p"])
        let dag = plan.pipelines[0].dag
        #expect(dag.clock.driver == EntryID(source: "scheduler", name: "daily"))
        #expect(dag.clock.timezone == "Europe/Berlin")
        #expect(dag.sla == 1800)
        #expect(dag["last"]?.retry == RetryPolicy(retries: 2, delay: 60))
        #expect(dag["last"]?.triggerRule == .allDone)
        var sending = CelerySending()
        sending.configuration = CeleryConfiguration(json: ["settings": [:]])
        #expect(
            dag["first"]?.body
                == .celery(
                    CeleryCall(
                        source: "scheduler",
                        task: "company.daily",
                        args: [1],
                        kwargs: ["deep": true],
                        options: [:],
                        sending: sending
                    )
                )
        )
        guard case .queue(let drain)? = dag["jobs"]?.body else {
            Issue.record("a job type's task drains its queue")
            return
        }
        #expect(drain.limit == 7)
        #expect(plan.findings.contains { $0.code == .absorbedEntry })
        // An entry that moves as part of a pipeline says which.
        #expect(plan.judgements.allSatisfy { $0.pipeline == "p" && $0.verdict == .migrate })
    }

    @Test func aRenamedPipelineKeepsItsID() throws {
        let text =
            "pipeline: 'Nightly: everything'\ndag_id: nightly\nmissed_ticks: none\nlate_after: 90s\n"
            + "tasks:\n  a: {entry: scheduler/daily, produces: ['s3://bucket/a']}\n"
        let planned = try #require(try plan([("p.yaml", text)]).pipelines.first { $0.dag.id == "nightly" })
        #expect(planned.dag.name == "Nightly: everything")
        #expect(planned.dag.lateAfter == 90)
        #expect(planned.dag["a"]?.produces == ["s3://bucket/a"])
    }

    @Test(arguments: [
        "pipeline: p\ntasks:\n  gate: {entry: scheduler/daily}\n",
        "pipeline: p\nlate_after: 5m\ntasks:\n  a: {entry: scheduler/daily}\n",
        "pipeline: p\ntasks:\n  a: {entry: scheduler/daily, produces: [report]}\n",
        "pipeline: a b\ntasks:\n  a: {entry: scheduler/daily}\n",
    ]) func whatAirflowCouldNotTakeIsRefused(_ text: String) throws { #expect(try !errors(text).isEmpty) }

    @Test func planningTwiceGivesTheSame() throws {
        let text = "pipeline: p\ntasks:\n  a: {entry: scheduler/daily}\n"
        #expect(try plan([("p.yaml", text)]) == plan([("p.yaml", text)]))
    }
}

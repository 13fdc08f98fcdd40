import Migration
import Planning
import Schedules
import Testing

/// Pipelines that wait for each other, or start each other by assets.
@Suite("Pipelines that wait for each other") struct WaitCircleTests {
    private func plan(_ files: [String]) throws -> Plan {
        Planner(inventory: Samples.inventory([]), zones: ZoneDatabase(), environments: [], now: Samples.now).plan(
            files: files.enumerated().map { ("\($0.offset).yaml", $0.element) }
        )
    }

    private func due(_ name: String, _ schedule: String, _ tasks: String) -> String {
        "pipeline: \(name)\nschedule: {crontab: \(schedule)}\ntasks:\n\(tasks)"
    }

    private func wait(_ id: String, _ what: String, _ more: String = "") -> String {
        "  \(id): {wait_for: {within: 1h, \(what)}\(more)}\n"
    }

    @Test func onlyPipelinesThatWaitForEachOtherAtOneTickNeverBegin() throws {
        let (x, y) = ("  x: {command: [x]}\n", "  y: {command: [x], after: [w]}\n")
        let table: [([String], circle: String?)] = [
            // One, two and three, for whole runs and for tasks.
            ([due("a", "0 2 * * *", wait("w", "pipeline: a"))], "its own pipeline"),
            (
                [due("a", "0 2 * * *", wait("w", "pipeline: b")), due("b", "0 2 * * *", wait("w", "pipeline: a"))],
                "(a.w → b → b.w → a → a.w)"
            ),
            (
                [
                    due("a", "0 2 * * *", wait("w", "pipeline: b")), due("b", "0 2 * * *", wait("w", "pipeline: c")),
                    due("c", "0 2 * * *", wait("w", "pipeline: a")),
                ], "(a.w → b → b.w → c → c.w → a → a.w)"
            ),
            (
                // The task that is waited for comes after the other's own wait.
                [
                    due("a", "0 2 * * *", wait("w", "pipeline: b, task: y") + y),
                    due("b", "0 2 * * *", wait("w", "pipeline: a, task: y") + y),
                ], "(a.w → b.y → b.w → a.y → a.w)"
            ),
            (
                // Before it: each begins by itself.
                [
                    due("a", "0 2 * * *", x + wait("w", "pipeline: b, task: x", ", after: [x]")),
                    due("b", "0 2 * * *", x + wait("w", "pipeline: a, task: x", ", after: [x]")),
                ], nil
            ),
            (
                // Each waits for a run that began before its own.
                [due("a", "0 2 * * *", wait("w", "pipeline: b")), due("b", "0 1 * * *", wait("w", "pipeline: a"))], nil
            ),
            (
                // Once a month they are due at once.
                [due("a", "0 2 * * *", wait("w", "pipeline: b")), due("b", "0 2 1 * *", wait("w", "pipeline: a"))],
                "2026-12-01T02:00:00Z"
            ),
            (
                // In the zone of the other they are due at once in winter alone.
                [
                    due("a", "0 2 * * *", wait("w", "pipeline: b")),
                    due("b", "0 3 * * *, timezone: Europe/Berlin", wait("w", "pipeline: a")),
                ], "2026-11-23T02:00:00Z"
            ),
            (
                // The task that is waited for is itself a wait, for a run that began before.
                [
                    due("a", "0 2 * * *", wait("w", "pipeline: b, task: w")),
                    due("b", "0 1 * * *", wait("w", "pipeline: a, task: w")),
                ], nil
            ),
            (
                // By two ways, of which one alone comes back at one tick.
                [
                    due("a", "0 2 * * *", wait("v", "pipeline: c") + wait("w", "pipeline: b")),
                    due("b", "0 1 * * *", wait("w", "pipeline: a")), due("c", "0 2 * * *", wait("w", "pipeline: a")),
                ], "(a.v → c → c.w → a → a.v)"
            ),
        ]
        for (files, circle) in table {
            let found = try plan(files).findings.filter { $0.code == .impossibleWait }
            if let circle {
                #expect(found.contains { $0.pipeline == "a" && $0.text.contains(circle) }, "\(files): \(found)")
            } else {
                #expect(found.isEmpty, "\(files): \(found)")
            }
        }
    }

    @Test(.timeLimit(.minutes(1))) func aLongCircleIsTold() throws {
        let count = 200
        let files = (0..<count).map { due("p\($0)", "0 2 * * *", wait("w", "pipeline: p\(($0 + 1) % count)")) }
        let found = try plan(files).findings.filter { $0.code == .impossibleWait }
        #expect(found.count == count && found.allSatisfy { $0.text.utf8.count < 1000 })
    }

    @Test func aTaskThatMayBeReachedByManyWaysIsLookedAtOnce() throws {
        var tasks = "  a0: {command: [x]}\n  b0: {command: [x]}\n"
        for number in 1...40 {
            let before = "after: [a\(number - 1), b\(number - 1)]"
            tasks +=
                "  a\(number): {command: [x], \(before)}\n  b\(number): {command: [x], \(before), produces: ['s3://a/b']}\n"
        }
        let found = try plan(["pipeline: p\nschedule: {assets: ['s3://a/b']}\ntasks:\n\(tasks)"]).findings
        #expect(found.contains { $0.code == .dependencyCycle })
    }

    @Test func aWaitThatIsTooShortIsTold() throws {
        func store(_ expected: String) -> String {
            due(
                "store",
                "0 1 * * *",
                "  x: {command: [x], expected: \(expected)}\n  y: {command: [x], after: [x], expected: 1h}\n"
            )
        }
        func waiting(_ what: String) -> String {
            due("p", "0 2 * * *", "  w: {wait_for: {pipeline: store, \(what)}}\n")
        }
        let table: [(String, String, String?)] = [
            (store("30m"), waiting("within: 40m"), nil),
            (store("1h"), waiting("within: 30m"), "ends 30 min before it does"),
            (store("1h"), waiting("within: 30m, task: x"), nil),
            (store("2h"), waiting("within: 30m, task: x"), "the task “x” of “store”"),
            (due("store", "0 1 * * *", "  x: {command: [x]}\n"), waiting("within: 1s"), nil),
            // Longer than the time between two ticks of the other.
            (store("30m"), waiting("within: 30d"), nil),
        ]
        for (store, waits, words) in table {
            let plan = try plan([store, waits])
            let found = plan.findings.filter { $0.code == .impossibleWait }
            #expect(plan.holds && found.count == (words == nil ? 0 : 1), "\(found)")
            if let words { #expect(found.first?.text.contains(words) == true, "\(found)") }
        }
    }

    @Test func whatAssetsStartBegins() throws {
        func started(_ name: String, by assets: String, _ task: String) -> String {
            "pipeline: \(name)\nschedule: {assets: [\(assets)]}\ntasks:\n  z: {command: [x]}\n  t: {command: [x], \(task)}\n"
        }
        let (a, b) = ("'s3://lake/aa'", "'s3://lake/bbbb'")
        let clock = due("clock", "0 2 * * *", "  t: {command: [x], produces: [\(a)]}\n")
        let circle = "each run of “b”, which it starts in the end itself"
        let table: [([String], FindingCode?, String)] = [
            ([started("a", by: a, "produces: [\(a)]")], .dependencyCycle, "it never begins by itself"),
            (
                [started("a", by: a, "produces: [\(b)]"), started("b", by: b, "produces: [\(a)]")], .dependencyCycle,
                circle
            ),
            // Begun by somebody else it goes on for ever all the same.
            ([started("a", by: a, "produces: [\(a)]"), clock], .dependencyCycle, "announces them: once it has begun"),
            // Somebody else announces it too, so that it begins; a condition may end it; an asset comes from elsewhere.
            ([started("a", by: a, "produces: [\(b)]"), started("b", by: b, "queue: q"), clock], nil, ""),
            (
                [
                    started("a", by: a, "produces: [\(b)]"),
                    started("b", by: b, "produces: [\(a)], after: [z], when: {task: z, path: $.more, equals: true}"),
                ], nil, ""
            ),
            ([started("a", by: "\(a), 's3://elsewhere/x'", "produces: [\(a)]")], nil, ""),
            (
                [clock, started("a", by: "'s3://lake/ab'", "queue: q")], .assetUnannounced,
                "did you mean “s3://lake/aa”?"
            ),
            ([clock, started("a", by: "'s3://elsewhere/x'", "queue: q")], nil, ""),
        ]
        for (files, code, words) in table {
            let codes: [FindingCode] = [.dependencyCycle, .assetUnannounced]
            let found = try plan(files).findings.filter { codes.contains($0.code) }
            #expect(Set(found.map(\.code)) == Set([code].compactMap { $0 }), "\(files): \(found)")
            if code != nil { #expect(found.contains { $0.text.contains(words) }, "\(words): \(found)") }
        }
        // Who waits for a pipeline that an asset of its own starts waits for what has no tick.
        let both = try plan([
            due("a", "0 2 * * *", "  t: {command: [x], produces: [\(b)]}\n" + wait("w", "pipeline: b")),
            started("b", by: b, "queue: q"),
        ])
        #expect(both.findings.contains { $0.code == .impossibleWait && $0.text.contains("which has no schedule") })
    }
}

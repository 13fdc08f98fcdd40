import LosslessJSON
import Migration
import Planning
import Schedules
import Settings
import Testing

@Suite("Pools as declared, and how long a run takes in them") struct PoolProjectionTests {
    private func settings(_ pools: String) throws -> WorkspaceSettings {
        try WorkspaceSettings(
            yaml: "version: 1\nsources: {}\npools:\n\(pools)\n",
            file: "bailey.yaml",
            environment: [:],
            kinds: []
        )
    }

    private func plan(_ mappings: [String], pools: String = "  none: 1") throws -> Plan {
        var daily = try Samples.entry("daily", Samples.crontab("0 2 * * *"))
        daily.history = RunHistory(runs: 3, succeeded: 3, failed: 0, p50: 600)
        return Planner(
            inventory: Samples.inventory([daily]),
            zones: ZoneDatabase(),
            environments: [],
            celery: Samples.celery,
            pools: try settings(pools).pools,
            now: Samples.now
        ).plan(files: mappings.enumerated().map { ("mappings/\($0.offset).yaml", $0.element) })
    }

    /// The night of the first company: three trainings of 15, 20 and 10 minutes, then ten minutes of evaluation.
    private let night = """
        pipeline: night
        tasks:
          check: {entry: scheduler/daily}
          classifier: {command: [a], after: [check], pool: training, expected: 15m}
          regressor: {command: [b], after: [check], pool: training, expected: 20m}
          embeddings: {command: [c], after: [check], pool: training, expected: 10m}
          evaluate: {command: [d], after: [classifier, regressor, embeddings], expected: 10m}

        """

    @Test func aPoolOfOneSlotMakesOfTasksSideBySideOneAfterAnother() throws {
        let table: [(slots: Int, minutes: Double, held: String?)] = [
            // The most urgent first, and of the equally urgent the first in the mapping.
            (1, 65, "training"), (2, 45, "training"), (3, 40, nil), (6, 40, nil),
        ]
        for (slots, minutes, held) in table {
            let plan = try plan([night], pools: "  training: \(slots)")
            let projection = try #require(plan.pipelines.first).projection
            #expect(projection.sequential == 3900.0)
            #expect(projection.unlimited == 2400.0)
            #expect(projection.projected == minutes * 60, "\(slots)")
            #expect(projection.narrowest?.name == held, "\(slots)")
            #expect(projection.pools.first?.enough == 3)
            #expect(projection.lengths["check"]?.origin == .recorded)
            #expect(projection.lengths["regressor"]?.origin == .stated)
        }
        let pool = try #require(try plan([night], pools: "  training: 1").pipelines.first?.projection.pools.first)
        #expect(pool.seconds == 2700.0)
        #expect(pool.secondsIfEnough == 1200.0)
        #expect(pool.runIfEnough == 2400.0)
    }

    @Test func theMostUrgentGoesFirstAsInAirflow() throws {
        // What others wait for is more urgent than what nothing waits for, whatever the order in the mapping.
        let text = """
            pipeline: p
            schedule: {crontab: "0 2 * * *"}
            tasks:
              alone: {command: [a], pool: one, expected: 10m}
              first: {command: [b], pool: one, expected: 10m}
              later: {command: [c], after: [first], expected: 30m}

            """
        #expect(try plan([text], pools: "  one: 1").pipelines.first?.projection.projected == 2400.0)
        let urgent = text.replacing("alone: {command: [a],", with: "alone: {command: [a], priority: 5,")
        #expect(try plan([urgent], pools: "  one: 1").pipelines.first?.projection.projected == 3000.0)
    }

    @Test func whatIsNotKnownIsNotReckoned() throws {
        let unstated = night.replacing(", expected: 20m", with: "")
        let unknown = try #require(try plan([unstated], pools: "  training: 2").pipelines.first).projection
        #expect(unknown.unknown == ["regressor"])
        #expect(unknown.sequential == nil && unknown.projected == nil && unknown.unlimited == nil)

        let undeclared = try plan([night])
        #expect(undeclared.holds)
        #expect(undeclared.findings.contains { $0.code == .poolUndeclared && $0.location?.line == 4 })
        let projection = try #require(undeclared.pipelines.first).projection
        #expect(projection.projected == nil)
        #expect(projection.unlimited == 2400.0)
    }

    @Test func aPoolOfNoneAndOneTooSmallAreErrorsWithTheirLine() throws {
        let bad: [(String, String)] = [
            ("  a: 0", "bailey.yaml:4: the pool “a” has 0 slots"),
            ("  b: {slots: 1}\n  a: {slots: 0}", "bailey.yaml:5: the pool “a” has 0 slots"),
            ("  a: {slots: -1}", "the pool “a” has -1 slots"),
            ("  a: {slots: many}", "“slots” is"),
            ("  a: {}", "write how many slots it has"), ("  a:", "write how many slots it has"),
            ("  a: [2]", "a mapping with the keys slots, description"),
            ("  a: {slot: 2}", "did you mean “slots”?"),
            ("  a: 1000001", "write 1 to 1000000"),
        ]
        for (text, words) in bad {
            do {
                _ = try settings(text)
                Issue.record("\(text) was read")
            } catch let error as SettingsError {
                #expect("\(error)".contains(words), "\(text): \(error)")
            }
        }
        let mapped = night + "pools:\n  training: {slots: 0}\n"
        let refused = try plan([mapped])
        #expect(
            refused.findings.contains {
                $0.code == .invalidMapping && $0.location?.line == 9 && $0.text.contains("0 slots")
            }
        )
    }

    @Test func onePoolHasOneNumberOfSlots() throws {
        let mapped = night + "pools: {training: {slots: 3}}\n"
        #expect(try plan([mapped]).pipelines.first?.projection.projected == 2400.0)
        #expect(try plan([mapped], pools: "  training: 3").holds)
        let twice = try plan([mapped], pools: "  training: 2")
        #expect(!twice.holds)
        let finding = try #require(twice.findings.first { $0.code == .poolDiffers })
        #expect(finding.text.contains("bailey.yaml:4"))
        #expect(finding.location?.file == "mappings/0.yaml")
    }
}

import Migration
import Schedules
import Testing

@Suite("Whether the bridge of job types may be taken away") struct QueueRetirementPolicyTests {
    private func jobs(_ outcomes: String) -> [LiveJob] {
        outcomes.enumerated().map { index, outcome in
            LiveJob(type: "export", job: "j\(index)", run: "d/r", endedAt: at(12), succeeded: outcome == "+")
        }
    }

    /// - Parameter outcomes: of the newest jobs of each type, newest first: `+` and `-`.
    private func judged(
        _ outcomes: [String],
        override: PolicyOverride? = nil,
        _ set: (inout QueueRetirementEvidence) -> Void = { _ in }
    ) -> (PolicyEvaluation, [PolicyRule: PolicyVerdict]) {
        var policy = CutoverPolicy()
        policy.cleanTicks = 3
        var evidence = QueueRetirementEvidence(
            pipeline: "jobs",
            now: at(12),
            isBegun: false,
            types: outcomes.enumerated().map { .init(name: "t\($0)", disorder: nil, ended: jobs($1)) },
            needsGate: nil,
            deployment: .running("it is there"),
            claimants: .known([])
        )
        set(&evidence)
        let found = policy.retirement(evidence, override: override)
        return (found, Dictionary(uniqueKeysWithValues: found.lines.map { ($0.rule, $0.verdict) }))
    }

    @Test func soManyJobsOfEachTypeMustBeClean() {
        #expect(judged(["+++", "++++-"]).0.holds)
        let table: [([String], PolicyVerdict)] = [
            (["+++", "++"], .insufficient), (["+++", ""], .insufficient), (["++-+++", "+++"], .fail),
            (["-", "+"], .fail), (["+", "-"], .fail),
        ]
        for (outcomes, verdict) in table { #expect(judged(outcomes).1[.cleanTicks] == verdict, "\(outcomes)") }
        // Without its gate the DAG claims nothing.
        #expect(judged([""]) { $0.isBegun = true }.0.holds)
    }

    @Test func whatIsNotKnownDoesNotHold() {
        func verdict(_ rule: PolicyRule, _ set: (inout QueueRetirementEvidence) -> Void) -> PolicyVerdict? {
            let (found, verdicts) = judged(["+++"], set)
            #expect(!found.permits)
            return verdicts[rule]
        }
        #expect(verdict(.owner) { $0.types[0].disorder = "t0 is legacy" } == .fail)
        #expect(verdict(.ungated) { $0.needsGate = "no" } == .fail)
        #expect(verdict(.deployed) { $0.deployment = .unknown("no") } == .broken)
        #expect(verdict(.deployed) { $0.deployment = .faulty("no") } == .fail)
        #expect(verdict(.legacyWorker) { $0.claimants = .unknown("no") } == .insufficient)
        #expect(verdict(.legacyWorker) { $0.claimants = .known(["pid 1"]) } == .fail)
    }

    @Test func aPersonDecidesOfJobsAndWorkersOnly() throws {
        let ada = try #require(PolicyOverride(by: "Ada", reason: "few, and it leaves them alone"))
        #expect(judged(["-"], override: ada) { $0.claimants = .known(["pid 1"]) }.0.permits)
        #expect(!judged(["-"], override: ada) { $0.deployment = .faulty("no") }.0.permits)
        #expect(!judged(["+++"], override: ada) { $0.types[0].disorder = "no" }.0.permits)
    }
}

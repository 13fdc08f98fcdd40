import Foundation
import LosslessJSON
import Migration
import Schedules
import Testing

@Suite("Launches of pipelines without a legacy side") struct LaunchTests {
    private func at(_ day: Int) throws -> Instant { try #require(Instant(iso8601: "2026-12-0\(day)T00:00:00Z")) }

    private func record(_ windows: [LaunchRecord.Window]) throws -> LaunchRecord {
        LaunchRecord(windows: windows, by: "ada", at: try at(1), session: "t")
    }

    @Test func theVariableDecidesAsTheGateReadsIt() throws {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../../shadow/tests/gate/launch_cases.json"
        )
        let cases = try #require(try JSON(parsing: Data(contentsOf: path)).array)
        #expect(cases.count > 15)
        for one in cases {
            let why = one["why"]?.string ?? ""
            let tick = try #require(one["tick"]?.string.flatMap { Instant(iso8601: $0) })
            guard let text = one["text"]?.string else {
                #expect(one["owner"] == "trial", "\(why)")
                continue
            }
            let read = LaunchRecord(text: text)
            let window = read?.windows.first { $0.contains(tick) }
            let words = ["launch": "launched", "backfill": "backfill"]
            let owner = read == nil ? "error" : window.flatMap { words[$0.cause.rawValue] } ?? "trial"
            #expect(one["owner"]?.string == owner, "\(why)")
        }
    }

    @Test func aLaunchGoesOnUntilItIsStoppedAndBeginsAnew() throws {
        var record = try record([])
        record.launch(from: try at(2))
        #expect(try record.open?.from == at(2))
        // Launched again: what was Airflow's stays Airflow's.
        record.launch(from: try at(4))
        #expect(try record.windows.map(\.from) == [at(2)])
        record.allow(from: try at(1), until: try at(2))
        record.stop(at: try at(5))
        #expect(record.open == nil)
        #expect(try record.contains(at(4)) && !record.contains(at(5)))
        #expect(try record.contains(at(1)), "the right to run past ticks stays")
        record.launch(from: try at(7))
        #expect(try !record.contains(at(6)) && record.contains(at(7)))
        #expect(LaunchRecord(text: record.text) == record)
    }

    @Test func aLaunchThatHasNotBegunIsTakenBackWhole() throws {
        var record = try record([])
        record.launch(from: try at(5))
        record.stop(at: try at(2))
        #expect(record.windows.isEmpty)
    }

    private func evidence(_ trials: Known<[TrialRun]>, _ deployment: PolicyEvidence.Deployment = .running("it runs"))
        throws -> LaunchEvidence
    {
        LaunchEvidence(
            pipeline: "p",
            now: try at(1),
            findings: [],
            deployment: deployment,
            trials: trials,
            nextTick: try at(2)
        )
    }

    @Test func trialRunsDecideByTheNewest() throws {
        func trial(_ succeeded: Bool?) -> TrialRun {
            TrialRun(run: "r", succeeded: succeeded, at: nil, bodies: 1, observed: 2)
        }
        var policy = CutoverPolicy()
        policy.launch.trialRuns = 2
        let table: [(Known<[TrialRun]>, PolicyVerdict)] = [
            (.known([]), .insufficient), (.known([trial(true)]), .insufficient),
            (.known([trial(true), trial(true)]), .pass), (.known([trial(nil), trial(true), trial(true)]), .pass),
            (.known([trial(true), trial(false)]), .fail), (.known([trial(true), trial(true), trial(false)]), .pass),
            (.unknown("nobody there"), .broken),
        ]
        for (trials, verdict) in table {
            let line = policy.evaluate(try evidence(trials)).lines.first { $0.rule == .trialRuns }
            #expect(line?.verdict == verdict, "\(trials): \(line?.evidence ?? "")")
        }
        policy.launch.trialRuns = 0
        #expect(try policy.evaluate(evidence(.known([]))).holds)
        #expect(try !policy.evaluate(evidence(.known([]), .unknown("no Airflow"))).holds)
        policy.launch.approvalRequired = true
        #expect(try policy.evaluate(evidence(.known([]))).waitsFor?.rule == .approvals)
        policy.launch.approval = Approval(approver: "Ada", because: "tried for a week")
        #expect(try policy.evaluate(evidence(.known([]))).holds)
    }
}

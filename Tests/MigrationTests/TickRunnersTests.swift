import Migration
import Schedules
import Testing

@Suite("Who ran recent ticks") struct TickRunnersTests {
    private func instant(_ seconds: Double) throws -> Instant {
        try #require(Instant(timestamp: 1_795_392_000 + seconds))
    }

    /// Legacy goes on from a moment of its own, so the ticks that are reckoned back from its last run stand beside those that were claimed.
    @Test func aClaimedTickIsNotShownAgainOnTheGridOfAnIntervalThatDrifted() throws {
        var record = SwitchRecord(state: .legacy, fence: 3, pipeline: "cache", drives: true, hasEntryClock: true)
        record.claims = try [10.0, 5.0].map {
            Claim(tick: try instant($0), run: "cache/\($0)", at: try instant($0 + 1), how: .live)
        }
        record.windows = [Window(from: try instant(0), until: try instant(14.9))]
        let due = try [15.0, 10.005, 5.005, 0.005].map { try instant($0) }
        let drifted = PipelineStatus.runners(of: due, record: record, seen: [], drift: 2_500_000)
        #expect(try drifted.map(\.tick) == [instant(15), instant(10), instant(5), instant(0.005)])
        #expect(
            drifted.map(\.runner) == [
                .legacy(seen: false), .airflow(run: "cache/10.0", how: "live"), .airflow(run: "cache/5.0", how: "live"),
                .unclaimed,
            ]
        )
        // Ticks of a calendar are exact: what lies beside a claim is a tick of its own.
        #expect(PipelineStatus.runners(of: due, record: record, seen: []).count == 5)
    }
}

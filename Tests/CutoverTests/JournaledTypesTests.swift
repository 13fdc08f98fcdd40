import LosslessJSON
import Migration
import Schedules
import Testing

@testable import Cutover
@testable import Store

/// Whose the jobs of a queue's types are by the journal, and what a database that has come back older has forgotten of it.
@Suite struct JournaledTypesTests {
    /// The lines of steps, each before and after it was taken, a second apart.
    private func journaled(_ steps: [(step: JournalStep, about: JSON, outcome: JSON?)], queue: String = "jobs")
        -> JournaledTypes
    {
        var lines: [JournalLine] = []
        func line(_ step: JournalStep, _ phase: JournalLine.Phase, _ detail: JSON) {
            lines.append(
                JournalLine(
                    id: Int64(lines.count),
                    at: Instant(microseconds: Int64(lines.count) * 1_000_000),
                    pipeline: "p",
                    operation: "cutover",
                    token: "one",
                    step: step,
                    phase: phase,
                    by: "test",
                    detail: detail
                )
            )
        }
        for one in steps {
            line(one.step, .before, one.about)
            if let outcome = one.outcome { line(one.step, .after, outcome) }
        }
        return JournaledTypes(lines, queue: queue)
    }

    private func close(_ type: String, _ fence: Int?, queue: String = "jobs") -> (JournalStep, JSON, JSON?) {
        (.close, ["queue": .string(queue), "type": .string(type)], fence.map { ["fence": .number(JSONNumber($0))] })
    }

    private func giveBack(_ types: [String], _ outcome: JSON?) -> (JournalStep, JSON, JSON?) {
        (.giveBack, ["queue": "jobs", "types": .array(types.map { .string($0) })], outcome)
    }

    private func standing(_ type: String, _ state: SwitchState, _ fence: Int64) -> QueueStanding {
        QueueStanding(type: type, state: state, share: 100, fence: fence, pipeline: "p", by: nil, isSwept: true)
    }

    @Test func aRollbackThatTheSwitchDoesNotKnowIsForgotten() {
        let known = journaled([close("a", 3), giveBack(["a"], ["released": [0], "fences": [4]])])
        #expect(known.airflows.isEmpty)
        for state in [SwitchState.airflow, .closing] {
            #expect(known.forgotten(by: [standing("a", state, 3)])?.what == .rollback)
        }
        // Given back, and taken over anew by somebody else.
        #expect(known.forgotten(by: [standing("a", .legacy, 4)]) == nil)
        #expect(known.forgotten(by: [standing("a", .airflow, 5)]) == nil)
    }

    @Test func aCutoverThatTheSwitchDoesNotKnowIsForgotten() {
        let known = journaled([close("a", 1), close("b", 1)])
        #expect(known.airflows == ["a", "b"])
        #expect(known.forgotten(by: [standing("a", .airflow, 1), standing("b", .closing, 1)]) == nil)
        #expect(known.forgotten(by: [standing("a", .airflow, 1)])?.what == .cutover)
        #expect(known.forgotten(by: [])?.what == .cutover)
        // Somebody else has given it back.
        #expect(known.forgotten(by: [standing("a", .legacy, 2), standing("b", .legacy, 2)]) == nil)
    }

    @Test func whatWasBrokenOffOrIsAnotherQueuesSaysNothing() {
        #expect(journaled([close("a", nil)]).airflows.isEmpty)
        #expect(journaled([close("a", 1, queue: "other")]).airflows.isEmpty)
        let broken = journaled([close("a", 1), giveBack(["a"], nil)])
        #expect(broken.airflows == ["a"])
        #expect(broken.forgotten(by: [standing("a", .legacy, 2)]) == nil)
    }

    @Test func anEarlierJournalWithoutFencesIsUnderstood() {
        let known = journaled([close("a", 3), giveBack(["a"], ["released": [7]])])
        #expect(known.forgotten(by: [standing("a", .airflow, 3)])?.what == .rollback)
        #expect(known.forgotten(by: [standing("a", .legacy, 4)]) == nil)
    }

    @Test func whatWasSeenToBeForgottenOrIsRetiredIsNotToldAgain() {
        let seen = journaled([close("a", 1), (.forgotten, .object([:]), ["queue": "jobs"])])
        #expect(seen.forgotten(by: []) == nil)
        let retired = journaled([close("a", 1), (.handOver, ["queue": "jobs", "types": ["a"]], ["jobs": 0])])
        #expect(retired.forgotten(by: []) == nil)
    }
}

import LosslessJSON
import Migration
import Schedules
import Testing

@Suite("Policy: messages compared with beat's, and workers that answer") struct MessageRulesTests {
    private static let form = "0123456789abcdef"

    private static func message(_ verdict: MessageComparison.Verdict, form: String = form) -> MessageComparison {
        var found = MessageComparison(
            task: "run",
            entry: EntryID(source: "s", name: "e"),
            form: form,
            verdict: verdict,
            words: "what was seen"
        )
        if verdict == .different {
            found.differences = [.init(property: "headers.traceparent", beat: "absent", dag: "00-1")]
        }
        return found
    }

    private static func trip(_ cameBack: Bool) -> RoundTrip {
        RoundTrip(
            task: "run",
            form: form,
            reached: cameBack,
            cameBack: cameBack,
            milliseconds: cameBack ? 12 : nil,
            words: "no live worker consumes the queue “q”",
            to: "queue “q”"
        )
    }

    private func evidence(_ messages: [MessageComparison], _ trips: [RoundTrip] = [trip(true)]) -> PolicyEvidence {
        var evidence = PolicyEvidence(
            pipeline: "p",
            now: at(12),
            entries: [],
            comparisons: .known([]),
            deployment: .unknown(""),
            gate: .none,
            timetable: nil
        )
        evidence.calls = [.init(task: "run", entry: EntryID(source: "s", name: "e"), form: MessageRulesTests.form)]
        var rehearsal = Rehearsal(pipeline: "p", at: at(11), steps: [])
        rehearsal.messages = messages
        rehearsal.roundTrips = trips
        evidence.rehearsals = .known([rehearsal])
        return evidence
    }

    private func verdict(_ rule: PolicyRule, _ evidence: PolicyEvidence, _ policy: CutoverPolicy = CutoverPolicy())
        -> PolicyVerdict?
    {
        policy.evaluate(evidence).lines.first { $0.rule == rule }?.verdict
    }

    @Test func eachVerdictIsJudged() {
        #expect(verdict(.messageParity, evidence([MessageRulesTests.message(.same)])) == .pass)
        #expect(verdict(.messageParity, evidence([MessageRulesTests.message(.different)])) == .fail)
        #expect(verdict(.messageParity, evidence([MessageRulesTests.message(.failed)])) == .fail)
        #expect(verdict(.messageParity, evidence([MessageRulesTests.message(.offline)])) == .insufficient)
        #expect(verdict(.messageParity, evidence([])) == .insufficient)
        var policy = CutoverPolicy()
        policy.messageParity.offlineCounts = Approval(approver: "Ada", because: "its apply_async takes a lock")
        #expect(verdict(.messageParity, evidence([MessageRulesTests.message(.offline)]), policy) == .pass)
        policy.messageParity.ignored = ["headers.traceparent"]
        #expect(verdict(.messageParity, evidence([MessageRulesTests.message(.different)]), policy) == .pass)
    }

    @Test func whatHasChangedSinceIsNoEvidence() throws {
        let old = evidence([MessageRulesTests.message(.same, form: "fedcba9876543210")])
        #expect(verdict(.messageParity, old) == .insufficient)
        var two = evidence([MessageRulesTests.message(.same)])
        // The newest decides.
        var later = Rehearsal(pipeline: "p", at: at(11, 30), steps: [])
        later.messages = [MessageRulesTests.message(.different)]
        let first = try #require(two.rehearsals.value?.first)
        two.rehearsals = .known([later, first])
        #expect(verdict(.messageParity, two) == .fail)
        two.rehearsals = .unknown("the state database cannot be read")
        #expect(verdict(.messageParity, two) == .broken && verdict(.roundTrip, two) == .broken)
    }

    @Test func aWorkerMustHaveAnswered() {
        let same = [MessageRulesTests.message(.same)]
        #expect(verdict(.roundTrip, evidence(same)) == .pass)
        #expect(verdict(.roundTrip, evidence(same, [MessageRulesTests.trip(false)])) == .fail)
        #expect(verdict(.roundTrip, evidence(same, [])) == .insufficient)
    }

    @Test func nobodyAsksWhereThereIsNothingToAsk() {
        var none = evidence([])
        none.calls = []
        #expect(verdict(.messageParity, none) == nil && verdict(.roundTrip, none) == nil)
        var policy = CutoverPolicy()
        policy.messageParity.required = false
        policy.roundTripRequired = false
        #expect(verdict(.messageParity, evidence([]), policy) == nil)
        #expect(verdict(.roundTrip, evidence([], []), policy) == nil)
        // A task that stands for no entry has no message of beat's beside it, and still needs a worker.
        none.calls = [.init(task: "new", entry: nil, form: "")]
        #expect(verdict(.messageParity, none) == nil && verdict(.roundTrip, none) == .insufficient)
    }

    @Test func theStateKeepsIt() throws {
        var rehearsal = Rehearsal(pipeline: "p", at: at(11), steps: [])
        rehearsal.messages = [MessageRulesTests.message(.different), MessageRulesTests.message(.same)]
        rehearsal.messages[1].body = String(repeating: "0", count: 64)
        rehearsal.messages[1].same = ["body", "headers.id"]
        rehearsal.roundTrips = [MessageRulesTests.trip(true), MessageRulesTests.trip(false)]
        #expect(try Rehearsal(json: JSON(parsing: rehearsal.json.text())) == rehearsal)
        // One of an older Bailey's has neither.
        let old = try Rehearsal(json: ["pipeline": "p", "at": "2026-01-01T00:00:00Z", "steps": []])
        #expect(old.messages.isEmpty && old.roundTrips.isEmpty)
    }
}

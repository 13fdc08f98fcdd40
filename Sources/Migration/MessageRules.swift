/// The rules about what workers get from the DAG: `message-parity` and `round-trip`, judged by what rehearsals saw.
struct MessageRules {
    let policy: CutoverPolicy
    let evidence: PolicyEvidence

    var lines: [PolicyLine] {
        var lines: [PolicyLine] = []
        if policy.messageParity.required, evidence.calls.contains(where: { $0.entry != nil }) { lines.append(parity) }
        if policy.roundTripRequired, !evidence.calls.isEmpty { lines.append(roundTrip) }
        return lines
    }

    private var advice: String { "; run bailey rehearse \(evidence.pipeline) --execute" }

    private var parity: PolicyLine {
        let tried: [Rehearsal]
        switch evidence.rehearsals {
        case .unknown(let why): return PolicyLine(.messageParity, .broken, why)
        case .known(let known): tried = known
        }
        var (equal, offline) = (0, 0)
        for call in evidence.calls where call.entry != nil {
            // The newest decides, as long as it is about what would be sent today.
            let seen = tried.sorted { $0.at < $1.at }.flatMap(\.messages).last { $0.task == call.task }
            guard let seen else {
                return PolicyLine(
                    .messageParity,
                    .insufficient,
                    "nobody has compared the message of “\(call.task)” with beat's" + advice
                )
            }
            guard seen.form == call.form else {
                return PolicyLine(
                    .messageParity,
                    .insufficient,
                    "the message of “\(call.task)” was compared as it was; the entry, its mapping or what workers told has changed since"
                        + advice
                )
            }
            let differences = seen.differences.filter { !policy.messageParity.ignored.contains($0.property) }
            switch seen.verdict {
            case .same: equal += 1
            case .different where differences.isEmpty: equal += 1
            case .different:
                let first = differences[0]
                let more = differences.count > 1 ? " (and \(differences.count - 1) more)" : ""
                return PolicyLine(
                    .messageParity,
                    .fail,
                    "the DAG would send for “\(call.task)” what beat does not: \(first.property) is \(first.dag), beat's is \(first.beat)\(more)"
                )
            case .offline:
                guard policy.messageParity.offlineCounts != nil else {
                    return PolicyLine(
                        .messageParity,
                        .insufficient,
                        "beat fired no copy of “\(call.task)”: \(seen.words); if that is enough, a named person writes policy.message_parity.offline_counts"
                    )
                }
                offline += 1
            case .failed:
                return PolicyLine(
                    .messageParity,
                    .fail,
                    "the message of “\(call.task)” could not be compared: \(seen.words)" + advice
                )
            }
        }
        var words = "\(count(equal, "message")) of the DAG equal beat's"
        if offline > 0, let approval = policy.messageParity.offlineCounts {
            words +=
                "; \(offline) compared offline, approved by \(approval.approver) (\(approval.because.withoutFullStop))"
        }
        return PolicyLine(.messageParity, .pass, words)
    }

    private var roundTrip: PolicyLine {
        let tried: [Rehearsal]
        switch evidence.rehearsals {
        case .unknown(let why): return PolicyLine(.roundTrip, .broken, why)
        case .known(let known): tried = known
        }
        var slowest = 0
        for call in evidence.calls {
            let seen = tried.sorted { $0.at < $1.at }.flatMap(\.roundTrips).last { $0.task == call.task }
            guard let seen else {
                return PolicyLine(
                    .roundTrip,
                    .insufficient,
                    "nothing was sent the way of “\(call.task)” yet, to see whether a worker answers" + advice
                )
            }
            guard seen.form == call.form else {
                return PolicyLine(
                    .roundTrip,
                    .insufficient,
                    "“\(call.task)” went another way when that was tried" + advice
                )
            }
            guard seen.cameBack else {
                return PolicyLine(.roundTrip, .fail, "“\(call.task)” \(seen.text.withoutFullStop)" + advice)
            }
            slowest = max(slowest, seen.milliseconds ?? 0)
        }
        return PolicyLine(
            .roundTrip,
            .pass,
            "\(count(evidence.calls.count, "task")) reached a worker and came back, the slowest in \(slowest) ms"
        )
    }
}

/// What is asked of the messages of Celery tasks.
public struct MessageParityPolicy: Sendable, Hashable {
    /// Whether each must have been compared with beat's.
    public var required = true
    /// Properties that may differ, as comparisons name them.
    public var ignored: Set<String> = []
    /// Who approved that a message counts of which beat fired no copy.
    public var offlineCounts: Approval?
    /// Whether beat fires copies at all.
    public var fires = true

    /// What is asked for where nobody says anything.
    public init() {}
}

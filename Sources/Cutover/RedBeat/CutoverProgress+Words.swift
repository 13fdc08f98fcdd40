import Migration
import Schedules

extension CutoverProgress {
    /// The step for people; nil where there is nothing to say.
    public var line: String? {
        switch self {
        case .checked(let check):
            check.refusal == nil
                ? "check: \(check.name): \(check.evidence)" : "check: \(check.name): NO, \(check.evidence)"
        case .recovering(let what): "recovering: \(what)"
        case .waitingForMoment(let why): "\(why) …"
        case .closed(let at, let fence): "closed at \(at.iso8601) (fence \(fence))"
        case .fencing(let why): "fence: waiting \(why.words) …"
        case .reopened: "a beat has started and enabled an entry again; it is closed again"
        case .settled(let from, _): "settled: Airflow owns the ticks from \(from.iso8601) on"
        case .claimed(let claim): "claimed: \(claim.tick.iso8601) by \(claim.run) (\(claim.how.rawValue))"
        case .bounded(let durable): "Airflow's window has ended; Redis has it on disk by \(durable.iso8601) …"
        case .gaveBack(let at): "given back at \(at.iso8601)"
        }
    }
}

extension SettleReply.Why {
    fileprivate var words: String {
        switch self {
        case .extending: "until beat begins its next loop"
        case .longestTick: "one longest loop of beat, for nobody holds its lock"
        case .grace: "because beat's lock expired: its holder may only be slow"
        case .waited, .extended, .released, .expired: "no longer"
        }
    }
}

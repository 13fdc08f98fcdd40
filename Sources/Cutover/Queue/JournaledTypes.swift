import LosslessJSON
import Migration
public import Schedules
public import Store

/// Who took the jobs of one queue's types by the last word of the journal. The switch decides; this tells when its database has come back older,
/// as after a failover to a standby that lagged.
public struct JournaledTypes: Sendable, Hashable {
    /// What the journal says of one type.
    struct Known: Sendable, Hashable {
        var isAirflows: Bool
        /// The fence of the last step that changed owner.
        var fence: Int64
        /// When that was, by the clock of the machine that wrote it.
        var at: Instant
    }

    private let queue: String
    private var types: [String: Known] = [:]

    /// Reads the lines of one pipeline, oldest first.
    public init(_ lines: [JournalLine], queue: String) {
        self.queue = queue
        // What a step was about stands in the line before it.
        var about: [String: JournalLine] = [:]
        for line in lines {
            let step = "\(line.token) \(line.step.rawValue)"
            guard line.phase == .after else {
                about[step] = line
                continue
            }
            if line.step == .forgotten, line.detail["queue"]?.string == queue { types = [:] }
            guard let before = about.removeValue(forKey: step)?.detail, before["queue"]?.string == queue else {
                continue
            }
            switch line.step {
            case .close:
                guard let type = before["type"]?.string, let fence = line.detail["fence"]?.int else { continue }
                types[type] = Known(isAirflows: true, fence: Int64(fence), at: line.at)
            case .giveBack:
                let named = (before["types"]?.array ?? []).compactMap(\.string)
                let fences = (line.detail["fences"]?.array ?? []).map(\.int)
                for (index, type) in named.enumerated() {
                    let written = fences.indices.contains(index) ? fences[index].map { Int64($0) } : nil
                    let fence = written ?? types[type].map { $0.fence + 1 } ?? 0
                    types[type] = Known(isAirflows: false, fence: fence, at: line.at)
                }
            case .handOver, .uninstall:
                // Its DAG asks no switch any more.
                types = [:]
            default: break
            }
        }
    }

    /// The types that are Airflow's by the journal.
    public var airflows: [String] { types.filter(\.value.isAirflows).map(\.key).sorted() }

    /// All types that the journal knows.
    var names: [String] { types.keys.sorted() }

    /// When the newest of them changed its owner.
    public var at: Instant? { types.values.map(\.at).max() }

    /// What the switch of these types has forgotten, and when that was; nil if nothing.
    func forgotten(by standings: [QueueStanding]) -> (what: JournaledOwnership.Forgotten, at: Instant)? {
        let now = Dictionary(standings.map { ($0.type, $0) }) { first, _ in first }
        var cutover: Instant?
        for (type, known) in types.sorted(by: { $0.key < $1.key }) where known.fence > (now[type]?.fence ?? 0) {
            let state = now[type]?.state ?? .legacy
            if !known.isAirflows, state != .legacy { return (.rollback, known.at) }
            if known.isAirflows, state == .legacy { cutover = known.at }
        }
        return cutover.map { (.cutover, $0) }
    }
}

extension StateStore {
    /// Who took the jobs of a queue's types by the journal's last word on a pipeline.
    ///
    /// - Throws: `StoreError`.
    public func journaledTypes(_ pipeline: String, queue: String) throws(StoreError) -> JournaledTypes {
        // Each type's last move counts, and no step that only mends.
        let steps: [JournalStep] = [.close, .giveBack, .handOver, .uninstall, .forgotten]
        return JournaledTypes(try journal(pipeline: pipeline, steps: steps, limit: 5000), queue: queue)
    }
}

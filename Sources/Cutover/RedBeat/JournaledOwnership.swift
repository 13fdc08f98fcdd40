import Legacy
import LosslessJSON
import Migration
public import Schedules
public import Store

/// Who owned a pipeline's RedBeat entries by the last word of the journal, and what it keeps of them. The switches decide; this tells when they
/// have forgotten.
public struct JournaledOwnership: Sendable, Hashable {
    /// What is known of one entry.
    public struct Kept: Sendable, Hashable {
        /// The definition that legacy had.
        public var definition: [UInt8]?
        /// The meta that legacy had.
        public var meta: [UInt8]?

        /// Makes it.
        public init(definition: [UInt8]?, meta: [UInt8]?) {
            self.definition = definition
            self.meta = meta
        }
    }

    /// Whether an operation had closed the entries, and none has given them back since.
    public private(set) var isAirflows = false
    /// The fence of the last step that changed owner.
    public private(set) var fence: Int64 = 0
    /// When that was, by the clock of the machine that wrote it.
    public private(set) var at: Instant?
    /// The source that the entries lie in.
    public private(set) var source: String?
    /// Their keys, the deciding one first.
    public private(set) var keys: [[UInt8]] = []
    /// What is kept of each, by its key.
    public private(set) var kept: [[UInt8]: Kept] = [:]

    /// Reads the lines of one pipeline, oldest first.
    public init(_ lines: [JournalLine]) {
        for line in lines { read(line) }
    }

    private mutating func read(_ line: JournalLine) {
        let detail = line.detail
        func bytes(_ json: JSON?) -> [UInt8]? { json?.string.map { Array($0.utf8) } }
        if line.step == .check, let named = detail["keys"]?.array {
            keys = named.compactMap { bytes($0) }
            source = detail["source"]?.string
        }
        let entries = detail["entries"]?.array ?? []
        if entries.count == keys.count {
            for (key, entry) in zip(keys, entries) {
                let isLegacy = entry["state"]?.string == "legacy"
                let definition = bytes(entry[isLegacy ? "definition" : "kept_definition"])
                let meta = bytes(entry[isLegacy ? "meta" : "kept_meta"])
                guard let definition else { continue }
                kept[key] = Kept(definition: definition, meta: meta)
            }
            if let seen = entries.first?["fence"]?.int, line.phase == .before { before = Int64(seen) }
        }
        guard line.phase == .after else { return }
        switch line.step {
        case .close where detail["closed_at"] != nil:
            move(true, detail["fence"]?.int.map { Int64($0) } ?? before + 1, line)
        case .settle where detail["state"]?.string == "airflow": move(true, max(fence, before), line)
        case .giveBack where detail["given_back_at"] != nil: move(false, before + 1, line)
        case .giveBack where detail["nothing"]?.bool == true: move(false, fence, line)
        case .restore where detail["restored_at"] != nil: move(false, 0, line)
        case .forgotten where detail["queue"] == nil: move(false, 0, line)
        case .finish where detail["answer"]?.string == "done": move(false, 0, line)
        default: break
        }
    }

    /// The fence that the step under way had read.
    private var before: Int64 = 0

    private mutating func move(_ isAirflows: Bool, _ fence: Int64, _ line: JournalLine) {
        self.isAirflows = isAirflows
        self.fence = fence
        at = line.at
    }

    /// What Bailey writes into the entries while it closes them, by key: definitions that were enabled, disabled.
    public var closedDefinitions: [[UInt8]: [UInt8]] {
        guard isAirflows else { return [:] }
        return kept.compactMapValues { kept in
            guard let definition = kept.definition, let closed = try? RedBeatBytes.closed(definition) else {
                return nil
            }
            return closed == definition ? nil : closed
        }
    }

    /// Whether an entry without a switch is as Bailey had closed it: beat fires it no more, although its clock is not parked.
    public func leftClosed(_ key: [UInt8], _ entry: EntryStatus) -> Bool {
        entry.record == nil && entry.definition != nil && closedDefinitions[key] == entry.definition
    }

    /// What a switch has forgotten of this.
    public enum Forgotten: String, Sendable, Hashable {
        /// A rollback: the switch says Airflow, and legacy had its clock back.
        case rollback
        /// A cutover: the switch is older, or none is there, and legacy's clock runs.
        case cutover
    }

    /// What the switches have forgotten: Redis came back older than the journal. Nil if nothing, also where a clock stands without a switch.
    public func forgotten(by status: SwitchStatus) -> Forgotten? {
        guard let lead = status.entries.first, fence > 0 else { return nil }
        let record = lead.record
        if !isAirflows, let record, record.state != .legacy, record.fence < fence { return .rollback }
        let stands = zip(keys, status.entries).contains { $1.isStandingWithoutSwitch || leftClosed($0, $1) }
        if isAirflows, lead.state == .legacy, (record?.fence ?? 0) < fence, !stands, lead.exists { return .cutover }
        return nil
    }
}

extension StateStore {
    /// Who owned a pipeline's entries by the journal's last word.
    ///
    /// - Throws: `StoreError`.
    public func journaledOwnership(_ pipeline: String) throws(StoreError) -> JournaledOwnership {
        JournaledOwnership(try ownershipLines(pipeline))
    }
}

extension CutoverEngine {
    /// Gives back again what was given back before, by the journal, and is Airflow's by a switch that is older: Redis has forgotten the rollback.
    ///
    /// - Throws: `Refusal`, `RedisError`, `SwitchError` or `StoreError`.
    public func mendForgotten(_ journaled: JournaledOwnership) async throws {
        // Where nothing was ever given back there is nothing to forget, and the switch need not be asked.
        guard !journaled.isAirflows, journaled.fence > 0 else { return }
        guard journaled.forgotten(by: try await redbeat.status()) == .rollback else { return }
        tell(
            .recovering(
                "Redis had forgotten the rollback of \(journaled.at?.iso8601 ?? "?"): giving it back again first"
            )
        )
        _ = try await RollbackOperation(engine: self).giveBack()
    }
}

import Foundation
import Settings

/// How the rows of a queue table are kept out of the legacy worker's sight, and what is written when Airflow runs them.
public struct QueueHold: Sendable, Hashable {
    /// What is changed in a row so that the legacy worker does not see it.
    public enum Method: String, Sendable, Hashable, CaseIterable {
        /// Its status becomes a word of Bailey's own.
        case status
        /// It is due in the year 9999; the due time is kept apart.
        case due
        /// Its queue's name gets a prefix.
        case queue
    }

    /// How a failed job is repeated, as the worker's code does.
    public struct Retries: Sendable, Hashable {
        /// What the attempts column counts.
        public enum Counts: String, Sendable, Hashable, CaseIterable {
            /// Repetitions: 0 for a first attempt.
            case retries
            /// Runs: 0 for a job that never ran.
            case runs
        }

        /// What the attempts column counts.
        public var counts: Counts
        /// Seconds before the first repetition.
        public var delay: Double
        /// The factor by which each further wait grows.
        public var backoff: Double
        /// The longest wait in seconds.
        public var maximumDelay: Double
        /// The most that the attempts column may reach, where the row does not say.
        public var limit: Int
    }

    /// What is changed.
    public var method: Method
    /// The status word of a held row, or the prefix of its queue's name.
    public var held: String
    /// The status word of a row that a run has taken. One that is held by its due time or its queue gets it only if it is the first running word, and
    /// else keeps the word that it waits under.
    public var claimed: String
    /// The table's columns in whose order jobs are taken; `name desc` for the other way round.
    public var order: [String]
    /// How a failed job is repeated; nil if it is not.
    public var retries: Retries?
    /// Seconds without a running job after which a queue counts as drained.
    public var pause: Double
    /// Seconds after which a job that still runs counts as left behind by a dead worker.
    public var stuckAfter: Double
    /// Whether the workers are known to lock the rows that they claim, from their code: they need not be looked at.
    public var locks: Bool
    /// Whether the table's own triggers name things of its schema without saying which: what writes rows finds them then.
    public var hasSearchPath: Bool
    /// An SQL condition over a row besides its due time: whether a held job may begin now; nil if it may.
    public var ready: String?
    /// Ends whose rows are deleted: `success`, `failed`.
    public var deletes: [String]
    /// The table that tells what becomes of jobs, which is written as legacy writes it; nil if there is none.
    public var log: QueueLog?
    /// Of what is true in the database nothing can be held.
    public var obstacles: [QueueObstacle]

    /// The status word of a held row that was waiting under that word, the first or another of the profile's.
    public func heldWord(for word: String, first: Bool) -> String { first ? held : "\(held)_\(word)" }

    static let keys = [
        "by", "held", "claimed", "order", "retries", "pause", "stuck_after", "columns", "locks", "ready", "deletes",
        "log",
        "refuse", "search_path",
    ]

    init?(_ node: YAMLNode, problems: Problems) {
        guard let fields = YAMLFields(node, known: QueueHold.keys, problems: problems) else { return nil }
        if fields.node("by") == nil { problems.note(node, "“by” is missing: status, due or queue") }
        let method = fields.choice("by", Method.self) ?? .status
        self.method = method
        held = fields.string("held") ?? (method == .queue ? "bailey:" : "bailey_held")
        claimed = fields.string("claimed") ?? "bailey_claimed"
        order = fields.strings("order") ?? []
        pause = fields.duration("pause") ?? 15
        stuckAfter = fields.duration("stuck_after") ?? 3600
        locks = fields.bool("locks") ?? false
        hasSearchPath = fields.bool("search_path") ?? false
        ready = fields.string("ready")
        if let ready, let fault = QueueExpression.fault(ready) {
            problems.note(node, "“ready” is no condition: \(fault)")
        }
        deletes = fields.strings("deletes") ?? []
        for end in deletes where !["success", "failed"].contains(end) {
            problems.note(node, "“deletes” may say success and failed, not “\(end)”")
        }
        log = fields.node("log").flatMap { QueueLog($0, problems: problems) }
        obstacles = QueueObstacle.all(fields.node("refuse"), problems: problems)
        if let node = fields.node("retries") { retries = Retries(node, problems: problems) }
        if held.isEmpty || claimed.isEmpty || held == claimed {
            problems.note(node, "“held” and “claimed” must be two different words")
        }
    }

    /// Notes what a profile lacks for holding.
    func check(_ profile: QueueProfile, at node: YAMLNode, problems: Problems) {
        for meaning in ["queued", "running", "success", "failed"] where (profile.statuses[meaning] ?? []).isEmpty {
            problems.note(node, "to hold rows, “statuses” must say which word means \(meaning)")
        }
        let words = profile.statuses.values.joined()
        if method == .status, words.contains(held) || words.contains(claimed) {
            problems.note(node, "“held” and “claimed” must be words that the table does not use otherwise")
        }
        if method != .status, claimed != "bailey_claimed", !profile.showsRunning {
            problems.note(
                node,
                "by \(method.rawValue), “claimed” must be the first word of “running”: a row that a run has taken is written as one that runs"
            )
        }
        if profile.showsRunning, !locks, !profile.has("started") {
            problems.note(
                node,
                "with a running word as “claimed”, say “locks: true” if the workers lock the rows that they claim, or name “started”: else one that does not would not be told from others"
            )
        }
        // A status that is computed is written by what it is computed from.
        if profile.columns["status"] == nil {
            for state in ["running", "success", "failed"] where profile.writes[state] == nil {
                problems.note(node, "“status” is no column, so “writes” must say what is written for \(state)")
            }
            if retries != nil, profile.writes["queued"] == nil {
                problems.note(node, "“status” is no column, so “writes” must say what is written for queued")
            }
        }
        let marked = method.rawValue
        if profile.columns[marked] == nil {
            problems.note(node, "to hold rows by \(marked), “columns” must name a column as “\(marked)”")
        }
        if retries != nil, profile.columns["attempts"] == nil {
            problems.note(node, "to repeat failed jobs, “columns” must name “attempts”")
        }
    }
}

extension QueueHold.Retries {
    static let keys = ["counts", "delay", "backoff", "maximum_delay", "limit"]

    init?(_ node: YAMLNode, problems: Problems) {
        guard let fields = YAMLFields(node, known: QueueHold.Retries.keys, problems: problems) else { return nil }
        counts = fields.choice("counts", Counts.self) ?? .retries
        delay = fields.duration("delay") ?? 60
        backoff = fields.double("backoff") ?? 1
        maximumDelay = fields.duration("maximum_delay") ?? 86_400
        limit = fields.int("limit") ?? 0
        if !(1...1000).contains(backoff) { problems.note(node, "“backoff” must be from 1 to 1000") }
    }

    /// Seconds to wait, as SQL.
    ///
    /// - Parameter repetitions: how many have been before, as SQL. A row may say any number: one whose power PostgreSQL could not compute would
    ///   keep its job from ever ending.
    public func wait(after repetitions: String) -> String {
        let most = backoff > 1 ? Int(600 / log(backoff)) : Int(Int32.max)
        return "least(\(delay) * \(backoff)::float8 ^ least(\(repetitions), \(most)), \(maximumDelay))"
    }
}

extension QueueProfile {
    /// Whether a row that a run has taken is written as one that runs, and told from legacy's by its mark.
    public var showsRunning: Bool {
        guard let hold, hold.method != .status else { return false }
        return hold.claimed == statuses["running"]?.first
    }

    /// Whether its attempts column counts runs; else what it counts are the runs after the first.
    var countsRuns: Bool { hold?.retries?.counts == .runs }

    /// How often a job was run whose row says so many attempts; nil where no job can have.
    func attempts(of stored: Int) -> Int? {
        guard (0..<Int.max).contains(stored) else { return nil }
        return countsRuns ? max(stored, 1) : stored + 1
    }
}

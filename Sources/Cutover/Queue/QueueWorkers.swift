import Legacy
import Postgres

/// Whether the workers of a queue lock the rows that they claim. A worker that does not (it selects in one transaction and updates in
/// another) may run a job that it read long ago, and must be seen to do nothing before its jobs are taken.
public struct QueueWorkers: Sendable, Hashable {
    /// What was found.
    public enum Locking: String, Sendable, Hashable {
        /// A claim that locks its rows was seen, and none that does not.
        case locks
        /// A claim that does not lock its rows was seen.
        case lockless
        /// No claim was seen.
        case unknown
    }

    /// What was found.
    public var locking: Locking
    /// What it was seen by.
    public var evidence: [String]
    /// Whether jobs may be taken only after a drain: unless row locks were seen.
    public var needDrain: Bool { locking != .locks }
    /// Whether no session's latest statement was about the table: nobody is at work.
    public var isIdle: Bool

    /// One statement that was seen.
    struct Statement: Sendable, Hashable {
        var text: String
        /// The state of the session that it was the last statement of; nil for one of `pg_stat_statements`.
        var state: String?
        var application: String
    }

    /// What statements and sightings say.
    ///
    /// - Parameter locks: whether the profile says that its workers lock what they claim.
    init(statements: [Statement], sightings: Int, table: String, locks: Bool = false) {
        var good: [String] = []
        var bad: [String] = []
        isIdle = !statements.contains {
            $0.state != nil
                && ($0.text == "<insufficient privilege>"
                    || QueueWorkers.mentions($0.text.lowercased().replacing("\"", with: ""), table)
                        && !$0.text.lowercased().contains("bailey"))
        }
        for statement in statements {
            let text = statement.text.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
            guard QueueWorkers.mentions(text.replacing("\"", with: ""), table), !text.contains("bailey") else {
                continue
            }
            let locks = text.contains("for update") || text.contains("for no key update")
            let source = statement.application.isEmpty ? "a statement" : "a statement of \(statement.application)"
            if text.contains("update "), text.contains("skip locked"),
                text.hasPrefix("update") || text.hasPrefix("with")
            {
                good.append("\(source) claims and locks at once")
            } else if locks, text.hasPrefix("select"), let state = statement.state {
                // Its locks are gone once the session is idle, and it has not claimed yet: a commit would be the session's last statement.
                if state == "idle" {
                    bad.append("\(source) locked rows in a transaction that ended before they were claimed")
                }
                if state.hasPrefix("idle in transaction") {
                    good.append("\(source) keeps its locks until it has claimed")
                }
            }
        }
        if locks, bad.isEmpty { good = ["the profile says, of their code, that they lock what they claim"] + good }
        if sightings > 0 { bad.append("\(sightings) jobs were begun that had begun or been held before") }
        evidence = Array(Set(bad.isEmpty ? good : bad)).sorted()
        locking = !bad.isEmpty ? .lockless : !good.isEmpty ? .locks : .unknown
    }

    static func mentions(_ text: String, _ table: String) -> Bool {
        let bare = table.split(separator: ".").last.map { $0.lowercased() } ?? table.lowercased()
        return text.split { !($0.isLetter || $0.isNumber || $0 == "_") }.contains { $0 == bare }
    }
}

extension QueueSwitch {
    /// Why it cannot be told when legacy's workers run nothing: jobs have ended, and none has ever said that it ran; nil if it can.
    ///
    /// - Throws: `PostgresError`.
    func blindness() async throws -> Refusal? {
        guard let row = try await connection.query(sql.history).first else { return nil }
        guard try row.bool("ended"), row["started"] == "f", try !row.bool("running") else { return nil }
        return Refusal(
            .noRunningState,
            queue: queue,
            operation: "checking",
            found:
                "jobs of \(profile.table) have ended, and none is running or has ever said when it began: a worker that has read a job and runs it is not seen, so both sides would run it",
            advice:
                "Stop the workers for the moment of the cutover, or let them lock a job's row until it has ended, or mark it as running"
        )
    }

    /// Looks at what the queue's workers do.
    ///
    /// - Parameters:
    ///   - looks: how often the sessions are looked at: a claim is seen only while it is its session's latest statement.
    ///   - wait: waits between two looks.
    /// - Throws: `PostgresError`, or what `wait` throws.
    public func workers(looks: Int = 5, wait: () async throws -> Void) async throws -> QueueWorkers {
        var statements: Set<QueueWorkers.Statement> = []
        for look in 0..<max(looks, 1) {
            if look > 0 { try await wait() }
            let rows = try await connection.query(
                """
                SELECT query, state, application_name FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid() AND query <> '' AND state <> 'active'
                """
            )
            for row in rows {
                statements.insert(
                    QueueWorkers.Statement(
                        text: row["query"] ?? "",
                        state: row["state"],
                        application: row["application_name"] ?? ""
                    )
                )
            }
        }
        // The extension may be missing, or out of sight.
        let rows = try? await connection.query(
            """
            SELECT s.query FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
            WHERE d.datname = current_database() AND s.query ILIKE '%' || $1 || '%' LIMIT 500
            """,
            [.text(profile.table.split(separator: ".").last.map(String.init) ?? profile.table)]
        )
        for row in rows ?? [] {
            statements.insert(QueueWorkers.Statement(text: row["query"] ?? "", state: nil, application: ""))
        }
        let seen = try? await connection.query(
            "SELECT count(*) AS n FROM bailey.sighting WHERE queue = $1 AND seen_at > now() - interval '30 days' AND what !~ '^(trouble|deleted|emptied|installation)'",
            [.text(queue)]
        )
        let sightings = try seen?.first?.int("n") ?? 0
        return QueueWorkers(
            statements: Array(statements),
            sightings: sightings,
            table: profile.table,
            locks: profile.hold?.locks ?? false
        )
    }
}

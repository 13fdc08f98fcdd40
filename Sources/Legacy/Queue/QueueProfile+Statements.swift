public import Migration
import Postgres

extension QueueProfile {
    /// The SQL of a DAG that has the table's jobs to itself; nil for a table that can only be read.
    ///
    /// - Parameter timezone: the zone of columns without one; nil for that of the DAG's session.
    public func statements(timezone: String?) -> QueueStatements? {
        hold.map { StatementMaker(profile: self, hold: $0, timezone: timezone).all }
    }

    /// In which order jobs are taken: quoted columns and whether each goes down.
    public var takingOrder: [(column: String, down: Bool)] {
        let given = hold?.order ?? []
        let names = given.isEmpty ? [columns["queued"]].compactMap { $0 } : given
        return names.map { text in
            let down = text.lowercased().hasSuffix(" desc")
            return (PostgresConnection.identifier(down ? String(text.dropLast(5)) : text), down)
        } + [(PostgresConnection.identifier(columns["id"] ?? "id"), false)]
    }
}

/// Writes the statements. A row goes by the name `j`; a percent sign that is no parameter is doubled.
private struct StatementMaker {
    let profile: QueueProfile
    let hold: QueueHold
    let timezone: String?

    /// What watchers of the server's sessions tell these statements from a worker's by.
    private static let mark = "/* bailey: a DAG's */ "

    var all: QueueStatements {
        QueueStatements(
            due: StatementMaker.mark
                + "SELECT j.\(column("id") ?? "")::text, \(attempts), \(column("key").map { "j.\($0)::text" } ?? "NULL") FROM \(table) j"
                + " WHERE j.\(column("type") ?? "") = %(type)s AND \(waits) ORDER BY \(order) LIMIT %(limit)s",
            claim: change(
                [
                    set("status", word("running")), set("started", now),
                    counts(.runs) ? set("attempts", "\(attempts) + 1") : nil,
                ],
                where:
                    "j.\(column("id") ?? "") = (SELECT j.\(column("id") ?? "") FROM \(table) j WHERE \(isIt) AND \(attempts) = %(attempts)s AND \(waits) FOR UPDATE SKIP LOCKED)"
            ),
            own: StatementMaker.mark + "SELECT \(payload) FROM \(table) j WHERE \(begun)",
            success: change([set("status", word("success")), set("finished", now)], where: begun),
            retry: hold.retries.map(retry),
            failure: change([set("status", word("failed")), set("finished", now), errorText], where: begun)
        )
    }

    private func retry(_ retries: QueueHold.Retries) -> String {
        // What the column says of runs includes the one that failed.
        let before = retries.counts == .runs ? "greatest(\(attempts) - 1, 0)" : attempts
        let wait = "least(\(retries.delay) * \(retries.backoff)::float8 ^ \(before), \(retries.maximumDelay))"
        let most = column("max_attempts").map { "coalesce(j.\($0), \(retries.limit))" } ?? "\(retries.limit)"
        return change(
            [
                set("status", word("queued")), retries.counts == .retries ? set("attempts", "\(attempts) + 1") : nil,
                set("due", "\(now) + \(wait) * interval '1 second'"), errorText,
            ],
            where: "\(begun) AND \(attempts) < \(most)"
        )
    }

    // MARK: Parts

    private func change(_ changes: [String?], where condition: String) -> String {
        StatementMaker.mark
            + "UPDATE \(table) j SET \(changes.compactMap { $0 }.joined(separator: ", ")) WHERE \(condition) RETURNING \(payload)"
    }

    private func set(_ meaning: String, _ value: String) -> String? { column(meaning).map { "\($0) = \(value)" } }

    private var errorText: String? { self.set("error", "left(%(error)s, 2000)") }

    private var isIt: String { "j.\(column("id") ?? "") = %(job)s" }

    /// The row, as its claim has left it.
    private var begun: String {
        "\(isIt) AND \(isOne(of: "running")) AND \(attempts) = %(attempts)s\(counts(.runs) ? " + 1" : "")"
    }

    /// Whether it may be claimed now. A row whose queue's name bears the mark is the switch's, until that is taken away.
    private var waits: String {
        var tests = [isOne(of: "queued")]
        if let due = column("due") { tests.append("coalesce(j.\(due) <= \(now), true)") }
        if hold.method == .queue, let queue = column("queue") {
            tests.append("NOT coalesce(starts_with(j.\(queue), \(literal(hold.held))), false)")
        }
        return tests.joined(separator: " AND ")
    }

    private func isOne(of meaning: String) -> String {
        "j.\(column("status") ?? "") IN (\((profile.statuses[meaning] ?? []).map(literal).joined(separator: ", ")))"
    }

    private func counts(_ what: QueueHold.Retries.Counts) -> Bool { hold.retries?.counts == what }

    private var attempts: String { column("attempts").map { "coalesce(j.\($0), 0)" } ?? "0" }

    private var payload: String { "j.\(column("payload") ?? "")::text" }

    private var now: String {
        guard profile.naiveTimestamps else { return "clock_timestamp()" }
        return timezone.map { "(clock_timestamp() AT TIME ZONE \(literal($0)))" } ?? "clock_timestamp()::timestamp"
    }

    private var order: String {
        profile.takingOrder.map { "j.\(doubled($0.column))\($0.down ? " DESC" : "")" }.joined(separator: ", ")
    }

    private var table: String {
        profile.table.split(separator: ".").map { doubled(PostgresConnection.identifier(String($0))) }
            .joined(separator: ".")
    }

    private func column(_ meaning: String) -> String? {
        profile.columns[meaning].map { doubled(PostgresConnection.identifier($0)) }
    }

    private func word(_ meaning: String) -> String { literal(profile.statuses[meaning]?.first ?? "") }

    private func literal(_ text: String) -> String { doubled(PostgresConnection.literal(text)) }

    private func doubled(_ text: String) -> String { text.replacing("%", with: "%%") }
}

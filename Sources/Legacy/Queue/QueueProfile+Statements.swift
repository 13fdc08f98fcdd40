public import Migration
import Postgres

extension QueueProfile {
    /// The SQL of a DAG that has the table's jobs to itself; nil for a table that can only be read, or of which more is written than a row's
    /// columns when a job ends.
    ///
    /// - Parameter timezone: the zone of columns without one; nil for that of the DAG's session.
    public func statements(timezone: String?) -> QueueStatements? {
        guard own == nil, let hold, hold.ready == nil, hold.log == nil, hold.deletes.isEmpty else { return nil }
        return StatementMaker(profile: self, hold: hold, timezone: timezone).all
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
                + "SELECT \(text("id")), \(attempts), \(text("key")) FROM \(table) j"
                + " WHERE \(text("type")) = %(type)s AND \(waits) ORDER BY \(order) LIMIT %(limit)s",
            claim: change(
                written("running") + (counts(.runs) ? set("attempts", countedUp) : []),
                where:
                    "\(id) = (SELECT \(id) FROM \(table) j WHERE \(isIt) AND \(attempts) = %(attempts)s AND \(waits) FOR UPDATE SKIP LOCKED)"
            ),
            own: StatementMaker.mark + "SELECT \(text("payload")) FROM \(table) j WHERE \(begun)",
            success: change(written("success"), where: begun),
            retry: hold.retries.map(retry),
            failure: change(written("failed") + errorText, where: begun)
        )
    }

    private func retry(_ retries: QueueHold.Retries) -> String {
        // What the column says of runs includes the one that failed.
        let before = retries.counts == .runs ? "greatest(\(attempts) - 1, 0)" : attempts
        let wait = retries.wait(after: before)
        let most =
            profile.count("max_attempts", of: "j").map {
                "coalesce(CASE WHEN \(profile.value("max_attempts", of: "j") ?? "NULL") IS NOT NULL THEN \($0) END, \(retries.limit))"
            }.map(doubled) ?? "\(retries.limit)"
        let due = profile.moment(
            "(clock_timestamp() + \(wait) * interval '1 second')",
            as: profile.kind("due"),
            naive: naive
        )
        return change(
            written("queued") + (retries.counts == .retries ? set("attempts", countedUp) : [])
                + set("due", due) + errorText,
            where: "\(begun) AND \(attempts) < \(most)"
        )
    }

    // MARK: Parts

    private func change(_ changes: [String], where condition: String) -> String {
        StatementMaker.mark
            + "UPDATE \(table) j SET \(changes.joined(separator: ", ")) WHERE \(condition) RETURNING \(text("payload"))"
    }

    private func set(_ meaning: String, _ value: String) -> [String] {
        profile.columns[meaning].map { ["\(doubled(PostgresConnection.identifier($0))) = \(value)"] } ?? []
    }

    private func written(_ state: String) -> [String] {
        profile.writing(state, at: "clock_timestamp()", naive: naive).map(doubled)
    }

    private var errorText: [String] {
        // The parameter is no text to be doubled.
        profile.writingError("?").map { doubled($0).replacing("left(?", with: "left(%(error)s") }
    }

    private var id: String { doubled(profile.value("id", of: "j") ?? "") }

    private var isIt: String { "\(id) = %(job)s" }

    /// The row, as its claim has left it.
    private var begun: String {
        let claimed =
            counts(.runs)
            ? "CASE WHEN %(attempts)s < \(QueueProfile.mostAttempts) THEN %(attempts)s + 1 ELSE %(attempts)s END"
            : "%(attempts)s"
        return "\(isIt) AND \(isOne(of: "running")) AND \(attempts) = \(claimed)"
    }

    /// Whether it may be claimed now. A row whose queue's name bears the mark is the switch's, until that is taken away.
    private var waits: String {
        var tests = [isOne(of: "queued")]
        if let due = profile.value("due", of: "j") {
            tests.append(
                "coalesce(\(doubled(due)) <= \(profile.moment("clock_timestamp()", as: profile.kind("due"), naive: naive)), true)"
            )
        }
        if hold.method == .queue, profile.columns["queue"] != nil {
            tests.append("NOT coalesce(starts_with(\(text("queue")), \(literal(hold.held))), false)")
        }
        return tests.joined(separator: " AND ")
    }

    private func isOne(of meaning: String) -> String {
        "\(text("status")) IN (\((profile.statuses[meaning] ?? []).map(literal).joined(separator: ", ")))"
    }

    private func counts(_ what: QueueHold.Retries.Counts) -> Bool { hold.retries?.counts == what }

    private var countedUp: String { doubled(profile.countedUp("attempts", of: "j") ?? "0") }

    private var attempts: String { profile.count("attempts", of: "j").map(doubled) ?? "0" }

    /// A moment without a zone.
    private func naive(_ instant: String) -> String {
        timezone.map { "(\(instant) AT TIME ZONE \(literal($0)))" } ?? "\(instant)::timestamp"
    }

    private var order: String {
        profile.takingOrder.map { "j.\(doubled($0.column))\($0.down ? " DESC" : "")" }.joined(separator: ", ")
    }

    private var table: String { doubled(profile.quotedTable) }

    private func text(_ meaning: String) -> String { doubled(profile.text(meaning, of: "j")) }

    private func literal(_ text: String) -> String { doubled(PostgresConnection.literal(text)) }

    private func doubled(_ text: String) -> String { text.replacing("%", with: "%%") }
}

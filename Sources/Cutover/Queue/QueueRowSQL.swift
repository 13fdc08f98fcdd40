import Foundation
import Legacy
import Postgres

/// The expressions over one queue's rows that its functions are made of; `r` is always the name that a row goes by.
struct QueueRowSQL {
    let queue: String
    var profile: QueueProfile
    let hold: QueueHold
    /// The zone in which columns without one are read and written.
    let timezone: String

    /// A text as a literal.
    static func literal(_ text: String) -> String { PostgresConnection.literal(text) }

    var name: String { QueueRowSQL.literal(queue) }

    /// A function of this queue's own.
    func function(_ verb: String) -> String { "bailey." + PostgresConnection.identifier("\(verb):\(queue)") }

    /// The quoted table.
    var table: String { profile.quotedTable }

    /// What a row says of a meaning; nil where the table does not say it.
    func value(_ meaning: String, of r: String) -> String? { profile.value(meaning, of: r) }

    /// The quoted column of a meaning, alone; nil where no column says it.
    func column(_ meaning: String) -> String? { profile.columns[meaning].map(PostgresConnection.identifier) }

    /// The quoted column of a meaning that the way of holding needs, or that every profile names.
    func bare(_ meaning: String) -> String { column(meaning) ?? PostgresConnection.identifier(meaning) }

    func id(_ r: String) -> String { "\(r).\(bare("id"))" }
    func type(_ r: String) -> String { profile.text("type", of: r) }
    func status(_ r: String) -> String { profile.text("status", of: r) }

    func words(_ meaning: String) -> String { list(profile.statuses[meaning] ?? []) }

    private func list(_ words: [String]) -> String {
        "(" + words.map(QueueRowSQL.literal).joined(separator: ", ") + ")"
    }

    /// Status words and those they are held under.
    var pairs: [(word: String, held: String)] {
        (profile.statuses["queued"] ?? []).enumerated().map { ($1, hold.heldWord(for: $1, first: $0 == 0)) }
    }

    /// The status words that holding writes.
    var newWords: [String] { hold.method == .status ? pairs.map(\.held) + [hold.claimed] : [] }

    /// What a word becomes, for the status column of any type; of several words one by way of a row of the table, which has that type.
    private func renamed(_ r: String, _ pairs: [(from: String, to: String)]) -> String {
        if pairs.count == 1 { return QueueRowSQL.literal(pairs[0].to) }
        let word =
            "CASE \(status(r))"
            + pairs.map { " WHEN \(QueueRowSQL.literal($0.from)) THEN \(QueueRowSQL.literal($0.to))" }.joined() + " END"
        return profile.kind("status") == .text ? word : typed("status", word)
    }

    /// A text as a value of a column's own type, whatever that is at the time.
    func typed(_ meaning: String, _ text: String) -> String {
        let column = QueueRowSQL.literal(profile.columns[meaning] ?? meaning)
        return
            "(SELECT (jsonb_populate_record(NULL::\(table), jsonb_build_object(\(column), \(text)))).\(bare(meaning)))"
    }

    // MARK: Moments

    /// The moment far away until which a row is deferred: 00:00 UTC of a day that every client can read in most zones; `infinity` breaks
    /// Python's.
    var far: String {
        switch profile.kind("due") {
        case .epoch: "253402214400"
        case .epochMilliseconds: "253402214400000"
        case .date: "'9999-12-31'"
        default: "'9999-12-31 00:00:00+00'"
        }
    }

    /// A moment shortly before that; nothing else lies after it.
    var floor: String {
        switch profile.kind("due") {
        case .epoch: "253402128000"
        case .epochMilliseconds: "253402128000000"
        default: "9999-12-30"
        }
    }

    /// The SQL type that a moment is kept as, by its column's kind.
    func momentType(_ kind: QueueKind) -> String {
        switch kind {
        case .epoch, .epochMilliseconds: "numeric"
        case .date: "date"
        default: profile.naiveTimestamps ? "timestamp" : "timestamptz"
        }
    }

    func moment(_ instant: String, of meaning: String) -> String { profile.moment(instant, as: profile.kind(meaning)) }

    // MARK: Where a row is

    private func openClaim(_ r: String) -> String {
        "EXISTS (SELECT FROM bailey.claim c WHERE c.queue = \(name) AND c.job = \(id(r))::text AND c.finished_at IS NULL)"
    }

    private func kept(_ r: String) -> String {
        "(SELECT h.due::\(momentType(profile.kind("due"))) FROM bailey.held h WHERE h.queue = \(name) AND h.job = \(id(r))::text)"
    }

    /// Whether it is marked, held or claimed, apart from its status.
    func marked(_ r: String) -> String {
        switch hold.method {
        case .status: "false"
        case .due: "\(r).\(bare("due")) IS NOT DISTINCT FROM \(far)"
        case .queue: "coalesce(starts_with(\(r).\(bare("queue"))::text, \(QueueRowSQL.literal(hold.held))), false)"
        }
    }

    /// Whether the legacy worker sees it, now or when it is due.
    func waits(_ r: String) -> String {
        let queued = "\(status(r)) IN \(words("queued"))"
        return hold.method == .status ? queued : "(\(queued) AND NOT \(marked(r)))"
    }

    /// Whether it is held or claimed.
    func isOurs(_ r: String) -> String {
        switch hold.method {
        case .status: "\(status(r)) IN \(list(pairs.map(\.held) + [hold.claimed]))"
        case .queue: marked(r)
        case .due:
            // An application may itself defer a row that far.
            "(\(marked(r)) AND EXISTS (SELECT FROM bailey.held h WHERE h.queue = \(name) AND h.job = \(id(r))::text))"
        }
    }

    /// Whether it is held and no run has it.
    func isHeld(_ r: String) -> String {
        if hold.method == .status { return "\(status(r)) IN \(list(pairs.map(\.held)))" }
        // The status is the row's own, so that it is asked once more of a row that another run has taken since the statement began.
        let waits = profile.showsRunning ? "\(status(r)) IN \(words("queued")) AND " : ""
        return "(\(waits)\(isOurs(r)) AND NOT \(openClaim(r)))"
    }

    /// Whether a run has it.
    func isClaimed(_ r: String) -> String {
        hold.method == .status
            ? "\(status(r)) = \(QueueRowSQL.literal(hold.claimed))"
            : "(\(isOurs(r)) AND \(openClaim(r)))"
    }

    /// Whether somebody has run it before; not known of a table that says neither attempts nor starts.
    func begun(_ r: String) -> String {
        let signs = [
            profile.count("attempts", of: r).map { "\($0) > 0" },
            value("started", of: r).map { "\($0) IS NOT NULL" },
        ].compactMap { $0 }
        return signs.isEmpty ? "false" : "(" + signs.joined(separator: " OR ") + ")"
    }

    /// Whether it is due, and nothing else stands before it.
    func due(_ r: String) -> String {
        let ready = hold.ready.map { "coalesce(\(profile.asked($0, of: "\(r).*")), false)" }
        guard let value = value("due", of: r) else { return ready ?? "true" }
        let at = hold.method == .due ? "CASE WHEN \(marked(r)) THEN \(keptMeaning(r)) ELSE \(value) END" : value
        return (["coalesce(\(at) <= \(moment("now()", of: "due")), true)"] + [ready].compactMap { $0 })
            .joined(separator: " AND ")
    }

    /// What the due time that is kept of a deferred row says.
    private func keptMeaning(_ r: String) -> String {
        guard let sql = profile.expressions["due"], let column = profile.columns["due"] else { return kept(r) }
        let row = "jsonb_populate_record(\(r), jsonb_build_object(\(QueueRowSQL.literal(column)), \(kept(r))))"
        return profile.asked(sql, of: "(\(row)).*")
    }

    // MARK: What is changed in a row

    /// A queue's name with the mark before it; that of a row that has none is told from an empty one.
    private func lane(_ r: String) -> String {
        "\(QueueRowSQL.literal(hold.held)) || coalesce('=' || \(r).\(bare("queue"))::text, '')"
    }

    /// Assignments that hold a waiting row; a deferred one's due time is kept by `keep` before.
    func holding(_ r: String) -> [String] {
        switch hold.method {
        case .status: ["\(bare("status")) = \(renamed(r, pairs.map { ($0.word, $0.held) }))"]
        case .due: ["\(bare("due")) = \(far)"]
        case .queue: ["\(bare("queue")) = \(lane(r))"]
        }
    }

    /// Assignments that mark a held row as a run's.
    var claiming: [String] {
        if hold.method == .status { return ["\(bare("status")) = \(QueueRowSQL.literal(hold.claimed))"] }
        return profile.showsRunning ? profile.writing("running", at: "clock_timestamp()") : []
    }

    /// All assignments by which a held row becomes a run's, but for what counts attempts.
    var taking: [String] {
        if profile.showsRunning { return claiming }
        return claiming + (column("started").map { ["\($0) = \(moment("clock_timestamp()", of: "started"))"] } ?? [])
    }

    /// Assignments that take the mark off, all but the status.
    func freeing(_ r: String) -> [String] {
        switch hold.method {
        case .status: return []
        case .due: return ["\(bare("due")) = \(kept(r))"]
        case .queue:
            let lane = "\(r).\(bare("queue"))::text"
            let length = hold.held.unicodeScalars.count
            return ["\(bare("queue")) = CASE WHEN length(\(lane)) > \(length) THEN substr(\(lane), \(length + 2)) END"]
        }
    }

    /// Assignments that give a held row back as it was.
    func releasing(_ r: String) -> [String] {
        hold.method == .status ? ["\(bare("status")) = \(renamed(r, pairs.map { ($0.held, $0.word) }))"] : freeing(r)
    }

    /// Statements that keep the due time of rows of a query that gives `id` and `due`.
    func keep(_ rows: String) -> String {
        "INSERT INTO bailey.held (queue, job, due) SELECT \(name), p.id::text, p.due FROM \(rows) p"
            + " ON CONFLICT (queue, job) DO UPDATE SET due = excluded.due"
    }

    /// Assignments as a trigger's statements that change `new`.
    func inTrigger(_ assignments: [String]) -> String {
        assignments.map { "new.\($0.replacing(" = ", with: " := ", maxReplacements: 1));" }.joined(separator: "\n")
    }

    /// Statements of a trigger that hold `new`; what is to be kept of it goes into `kept`.
    var holdNew: String {
        switch hold.method {
        case .status:
            // One that is held already keeps its word.
            "IF \(status("new")) IN \(words("queued")) THEN\n    \(inTrigger(holding("new")))\nEND IF;"
        case .due:
            """
            IF NOT \(marked("new")) THEN
                kept := coalesce(new.\(bare("due"))::text, '');
            END IF;
            new.\(bare("due")) := \(far);
            """
        case .queue: "IF NOT \(marked("new")) THEN\n    \(inTrigger(holding("new")))\nEND IF;"
        }
    }

    /// Statements of a trigger that keep `new` a run's.
    var claimNew: String {
        switch hold.method {
        case .status: "new.\(bare("status")) := \(QueueRowSQL.literal(hold.claimed));"
        case .due: "new.\(bare("due")) := \(far);"
        case .queue: holdNew
        }
    }

    /// Statements of a trigger that take the mark off `new`, which somebody has changed although it was held.
    var freeNew: String {
        guard hold.method != .status else { return "" }
        return "IF \(marked("new")) THEN\n    \(inTrigger(freeing("new")))\nEND IF;"
    }

    /// In which order jobs are taken: expressions and whether each goes down.
    var order: [(column: String, down: Bool)] { profile.takingOrder }

    /// What `bailey.located` finds the table and its columns by, and `bailey.give_back` a held row.
    var layout: String {
        var columns: [String] = []
        for meaning in Set(["id", "type", hold.method.rawValue]).sorted() {
            if let column = profile.columns[meaning] {
                columns.append(
                    "\(QueueRowSQL.literal(meaning)), jsonb_build_object('name', \(QueueRowSQL.literal(column)), 'number', (SELECT attnum FROM pg_attribute WHERE attrelid = t.oid AND attname = \(QueueRowSQL.literal(column)) AND NOT attisdropped))"
                )
            } else if let sql = profile.expressions[meaning] {
                columns.append(
                    "\(QueueRowSQL.literal(meaning)), jsonb_build_object('sql', \(QueueRowSQL.literal(sql)))"
                )
            }
        }
        let words = pairs.map {
            "jsonb_build_array(\(QueueRowSQL.literal($0.word)), \(QueueRowSQL.literal($0.held)))"
        }
        return """
            jsonb_build_object('method', '\(hold.method.rawValue)', 'pairs', jsonb_build_array(\(words.joined(separator: ", "))),
                'prefix', \(QueueRowSQL.literal(hold.held)), 'floor', '\(floor)', 'due_type', '\(momentType(profile.kind("due")))',
                'zone', \(QueueRowSQL.literal(timezone)),\(hold.hasSearchPath ? "\n    'path', \(QueueRowSQL.literal(path))," : "")
                'columns', jsonb_build_object(\(columns.joined(separator: ",\n        "))))
            """
    }
}

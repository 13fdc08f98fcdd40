import Foundation
import Legacy
import Postgres

/// The expressions over one queue's rows that its functions are made of; `r` is always the name that a row goes by.
struct QueueRowSQL {
    let queue: String
    let profile: QueueProfile
    let hold: QueueHold
    /// The zone in which columns without one are read and written.
    let timezone: String

    /// 00:00 UTC of a day that every client can read in most zones; `infinity` breaks Python's.
    private let far = "'9999-12-31 00:00:00+00'"

    /// A text as a literal.
    static func literal(_ text: String) -> String { PostgresConnection.literal(text) }

    var name: String { QueueRowSQL.literal(queue) }

    /// A function of this queue's own.
    func function(_ verb: String) -> String { "bailey." + PostgresConnection.identifier("\(verb):\(queue)") }

    /// The quoted table.
    var table: String {
        profile.table.split(separator: ".").map { PostgresConnection.identifier(String($0)) }.joined(separator: ".")
    }

    /// A row's column of a meaning; nil where the table has none.
    func column(_ meaning: String, of r: String) -> String? {
        profile.columns[meaning].map { "\(r).\(PostgresConnection.identifier($0))" }
    }

    /// The quoted column of a meaning that every profile names, alone.
    func bare(_ meaning: String) -> String { PostgresConnection.identifier(profile.columns[meaning] ?? meaning) }

    func id(_ r: String) -> String { "\(r).\(bare("id"))" }
    func type(_ r: String) -> String { "\(r).\(bare("type"))" }
    func status(_ r: String) -> String { "\(r).\(bare("status"))" }

    func words(_ meaning: String) -> String { list(profile.statuses[meaning] ?? []) }
    func word(_ meaning: String) -> String { QueueRowSQL.literal(profile.statuses[meaning]?.first ?? "") }

    private func list(_ words: [String]) -> String {
        "(" + words.map(QueueRowSQL.literal).joined(separator: ", ") + ")"
    }

    /// Status words and those they are held under.
    private var pairs: [(word: String, held: String)] {
        (profile.statuses["queued"] ?? []).enumerated().map { ($1, hold.heldWord(for: $1, first: $0 == 0)) }
    }

    /// The status words that holding writes.
    var newWords: [String] { hold.method == .status ? pairs.map(\.held) + [hold.claimed] : [] }

    private func renamed(_ r: String, _ pairs: [(from: String, to: String)]) -> String {
        "CASE \(status(r))"
            + pairs.map { " WHEN \(QueueRowSQL.literal($0.from)) THEN \(QueueRowSQL.literal($0.to))" }.joined() + " END"
    }

    private var timeType: String { profile.naiveTimestamps ? "timestamp" : "timestamptz" }

    private func openClaim(_ r: String) -> String {
        "EXISTS (SELECT FROM bailey.claim c WHERE c.queue = \(name) AND c.job = \(id(r))::text AND c.finished_at IS NULL)"
    }

    private func kept(_ r: String) -> String {
        "(SELECT h.due::\(timeType) FROM bailey.held h WHERE h.queue = \(name) AND h.job = \(id(r))::text)"
    }

    // MARK: Where a row is

    /// Whether it is marked, held or claimed, apart from its status.
    private func marked(_ r: String) -> String {
        switch hold.method {
        case .status: "false"
        case .due: "\(r).\(bare("due")) IS NOT DISTINCT FROM \(far)"
        case .queue: "coalesce(starts_with(\(r).\(bare("queue")), \(QueueRowSQL.literal(hold.held))), false)"
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
        case .queue: "(\(status(r)) IN \(words("queued")) AND \(marked(r)))"
        case .due:
            // An application may itself defer a row that far.
            "(\(status(r)) IN \(words("queued")) AND \(marked(r))"
                + " AND EXISTS (SELECT FROM bailey.held h WHERE h.queue = \(name) AND h.job = \(id(r))::text))"
        }
    }

    /// Whether it is held and no run has it.
    func isHeld(_ r: String) -> String {
        hold.method == .status
            ? "\(status(r)) IN \(list(pairs.map(\.held)))"
            : "(\(isOurs(r)) AND NOT \(openClaim(r)))"
    }

    /// Whether a run has it.
    func isClaimed(_ r: String) -> String {
        hold.method == .status
            ? "\(status(r)) = \(QueueRowSQL.literal(hold.claimed))"
            : "(\(isOurs(r)) AND \(openClaim(r)))"
    }

    /// Whether somebody has run it before.
    func begun(_ r: String) -> String {
        let signs = [
            column("attempts", of: r).map { "coalesce(\($0) > 0, false)" },
            column("started", of: r).map { "\($0) IS NOT NULL" },
        ]
        return "(" + signs.compactMap { $0 }.joined(separator: " OR ") + ")"
    }

    /// Whether it is due.
    func due(_ r: String) -> String {
        guard let column = column("due", of: r) else { return "true" }
        return
            "coalesce(\(hold.method == .due ? "CASE WHEN \(marked(r)) THEN \(kept(r)) ELSE \(column) END" : column) <= now(), true)"
    }

    // MARK: What is changed in a row

    /// Assignments that hold a waiting row; a deferred one's due time is kept by `keep` before.
    func holding(_ r: String) -> [String] {
        switch hold.method {
        case .status: ["\(bare("status")) = \(renamed(r, pairs.map { ($0.word, $0.held) }))"]
        case .due: ["\(bare("due")) = \(far)"]
        case .queue: ["\(bare("queue")) = \(QueueRowSQL.literal(hold.held)) || coalesce(\(r).\(bare("queue")), '')"]
        }
    }

    /// Assignments that mark a held row as a run's.
    var claiming: [String] {
        hold.method == .status ? ["\(bare("status")) = \(QueueRowSQL.literal(hold.claimed))"] : []
    }

    /// Assignments that take the mark off, all but the status.
    func freeing(_ r: String) -> [String] {
        switch hold.method {
        case .status: []
        case .due: ["\(bare("due")) = \(kept(r))"]
        case .queue: ["\(bare("queue")) = nullif(substr(\(r).\(bare("queue")), \(hold.held.count + 1)), '')"]
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

    /// Statements of a trigger that hold `new`.
    var holdNew: String {
        switch hold.method {
        case .status:
            "new.\(bare("status")) := coalesce(\(renamed("new", pairs.map { ($0.word, $0.held) })), new.\(bare("status"))::text);"
        case .due:
            """
            IF NOT \(marked("new")) THEN
                INSERT INTO bailey.held (queue, job, due) VALUES (\(name), \(id("new"))::text, new.\(bare("due"))::text)
                ON CONFLICT (queue, job) DO UPDATE SET due = excluded.due;
            END IF;
            new.\(bare("due")) := \(far);
            """
        case .queue:
            """
            IF NOT \(marked("new")) THEN
                new.\(bare("queue")) := \(QueueRowSQL.literal(hold.held)) || coalesce(new.\(bare("queue")), '');
            END IF;
            """
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

    /// Statements of a trigger that take the mark off `new`, which a worker has begun although it was held.
    var freeNew: String {
        guard hold.method != .status else { return "" }
        return """
            IF \(marked("new")) THEN
                \(freeing("new").map { "new.\($0.replacing(" = ", with: " := ", maxReplacements: 1));" }.joined(separator: " "))
            END IF;
            """
    }

    /// The columns whose changes matter.
    var watched: String {
        var columns = [bare("status"), bare("type")]
        if hold.method == .due { columns.append(bare("due")) }
        if hold.method == .queue { columns.append(bare("queue")) }
        return columns.joined(separator: ", ")
    }

    /// In which order jobs are taken: expressions and whether each goes down.
    var order: [(column: String, down: Bool)] { profile.takingOrder }
}

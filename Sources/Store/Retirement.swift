import GRDB
import LosslessJSON
public import Schedules

/// How far a pipeline's bridge has been taken away. It is kept beside the journal, and changes with the line that says so.
public enum RetirementStage: Sendable, Hashable {
    /// Its DAG has no gate any more, or is about to have none.
    case begun
    /// Its switch is gone.
    case finished(Instant)

    /// What a line of the journal makes of it: another stage, or none any more. The outer nil: the line is about something else.
    static func after(operation: String, _ step: JournalStep, _ phase: JournalLine.Phase, _ detail: JSON, at: Instant)
        -> RetirementStage??
    {
        guard operation == "retire" else { return nil }
        switch (step, phase) {
        case (.mark, _): return .some(.begun)
        case (.unmark, .after): return .some(nil)
        case (.finish, .after) where detail["answer"]?.string == "done": return .some(.finished(at))
        default: return nil
        }
    }
}

extension StateStore {
    /// How far the bridges of pipelines have been taken away; those that stand have no stage.
    ///
    /// - Parameter pipeline: the only one to look at; all if nil.
    /// - Throws: `StoreError`.
    public func retirements(pipeline: String? = nil) throws(StoreError) -> [String: RetirementStage] {
        let rows = try read("reading how far pipelines are retired") { database in
            try Row.fetchAll(
                database,
                sql: "SELECT pipeline, finished_at FROM retirement WHERE ?1 IS NULL OR pipeline = ?1",
                arguments: [pipeline]
            )
        }
        var stages: [String: RetirementStage] = [:]
        for row in rows {
            let finished = (row["finished_at"] as String?).flatMap { Instant(iso8601: $0) }
            stages[row["pipeline"]] = finished.map { .finished($0) } ?? .begun
        }
        return stages
    }

    /// How far a pipeline's bridge has been taken away; nil if it stands.
    ///
    /// - Throws: `StoreError`.
    public func retirement(pipeline: String) throws(StoreError) -> RetirementStage? {
        try retirements(pipeline: pipeline)[pipeline]
    }

    /// Keeps what a line of the journal makes of a pipeline's stage; in the line's own transaction.
    static func keep(_ stage: RetirementStage?, of pipeline: String, in database: Database) throws {
        guard let stage else {
            return try database.execute(sql: "DELETE FROM retirement WHERE pipeline = ?", arguments: [pipeline])
        }
        var finished: String?
        if case .finished(let at) = stage { finished = at.iso8601 }
        try database.execute(
            sql: """
                INSERT INTO retirement (pipeline, finished_at) VALUES (?, ?)
                ON CONFLICT (pipeline) DO UPDATE SET finished_at = excluded.finished_at
                """,
            arguments: [pipeline, finished]
        )
    }

    /// Makes the table, and fills it from the journal of a Bailey that found stages there.
    static func makeRetirements(_ database: Database) throws {
        try database.execute(
            sql: "CREATE TABLE retirement (pipeline TEXT PRIMARY KEY, finished_at TEXT) STRICT, WITHOUT ROWID"
        )
        let rows = try Row.fetchCursor(database, sql: "SELECT * FROM journal WHERE operation = 'retire' ORDER BY id")
        while let row = try rows.next() {
            guard let step = JournalStep(rawValue: row["step"]), let phase = JournalLine.Phase(rawValue: row["phase"]),
                let at = Instant(iso8601: row["at"]),
                let stage = RetirementStage.after(
                    operation: row["operation"],
                    step,
                    phase,
                    (try? JSON(parsing: row["detail"] as String)) ?? .null,
                    at: at
                )
            else { continue }
            try keep(stage, of: row["pipeline"], in: database)
        }
    }
}

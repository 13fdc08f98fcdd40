import Foundation
import GRDB
public import LosslessJSON
public import Schedules

/// One line of the journal: a step of an operation, before or after it was taken.
public struct JournalLine: Sendable, Hashable {
    /// Whether the step was about to be taken, or had been.
    public enum Phase: String, Sendable, Hashable, CaseIterable {
        case before, after
    }

    /// Its number; grows.
    public var id: Int64
    /// When it was written, by the clock of the machine that wrote it.
    public var at: Instant
    /// The pipeline.
    public var pipeline: String
    /// What was being done: `cutover`, `rollback`, …
    public var operation: String
    /// Which time it was done: the token of one run of the operation, also found in the switch.
    public var token: String
    /// The step.
    public var step: JournalStep
    /// Before or after.
    public var phase: Phase
    /// Who: user, host and process.
    public var by: String
    /// What exactly: keys, bytes, answers.
    public var detail: JSON
}

/// Writes one operation's lines. Append-only: the tables refuse every change and deletion.
public struct Journal: Sendable {
    /// Where its lines are kept.
    public let store: StateStore
    /// The pipeline.
    public let pipeline: String
    /// What is being done.
    public let operation: String
    /// The token of this run of the operation.
    public let token: String
    /// Who does it.
    public let by: String
    private let now: @Sendable () -> Instant

    /// A journal of one operation.
    public init(
        store: StateStore,
        pipeline: String,
        operation: String,
        token: String,
        by: String,
        now: @escaping @Sendable () -> Instant
    ) {
        self.store = store
        self.pipeline = pipeline
        self.operation = operation
        self.token = token
        self.by = by
        self.now = now
    }

    /// Writes a line, and has it on the disk before it returns.
    ///
    /// - Throws: `StoreError`.
    public func write(_ step: JournalStep, _ phase: JournalLine.Phase, _ detail: JSON = .object([:])) throws(StoreError)
    {
        let text = detail.text()
        let at = now()
        try store.write("writing the journal") { database in
            try database.execute(
                sql: """
                    INSERT INTO journal (at, pipeline, operation, token, step, phase, "by", detail)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [at.iso8601, pipeline, operation, token, step.rawValue, phase.rawValue, by, text]
            )
            if let stage = RetirementStage.after(operation: operation, step, phase, detail, at: at) {
                try StateStore.keep(stage, of: pipeline, in: database)
            }
        }
        #if DEBUG
            JournalDeath.shared.countWrite()
        #endif
    }

    /// Writes a line before a step, takes it, and writes a line after it with what came of it.
    ///
    /// - Throws: `StoreError`, or what the step throws; then there is no line after it.
    @discardableResult
    public func step<Value>(
        _ name: JournalStep,
        _ detail: JSON = .object([:]),
        outcome: (Value) -> JSON,
        _ body: () async throws -> Value
    ) async throws -> Value {
        try write(name, .before, detail)
        let value = try await body()
        try write(name, .after, outcome(value))
        return value
    }
}

extension StateStore {
    /// The newest lines of the journal, oldest first.
    ///
    /// - Parameter steps: only of these; of all if there is none.
    /// - Throws: `StoreError`.
    public func journal(
        pipeline: String? = nil,
        operation: String? = nil,
        steps: [JournalStep] = [],
        limit: Int = 200
    ) throws(StoreError) -> [JournalLine] {
        let named = steps.map(\.rawValue).joined(separator: " ")
        let rows = try read("reading the journal") { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM (
                        SELECT * FROM journal WHERE (?1 IS NULL OR pipeline = ?1) AND (?2 IS NULL OR operation = ?2)
                            AND (?4 = '' OR instr(' ' || ?4 || ' ', ' ' || step || ' ') > 0)
                        ORDER BY id DESC LIMIT ?3)
                    ORDER BY id
                    """,
                arguments: [pipeline, operation, limit, named]
            )
        }
        return rows.compactMap(StateStore.line)
    }

    /// Lines of the journal after one of that number, oldest first.
    ///
    /// - Throws: `StoreError`.
    public func journal(after number: Int64, pipeline: String? = nil, limit: Int = 1000) throws(StoreError)
        -> [JournalLine]
    {
        let rows = try read("reading the journal") { database in
            try Row.fetchAll(
                database,
                sql: "SELECT * FROM journal WHERE id > ?1 AND (?2 IS NULL OR pipeline = ?2) ORDER BY id LIMIT ?3",
                arguments: [number, pipeline, limit]
            )
        }
        return rows.compactMap(StateStore.line)
    }

    static func line(_ row: Row) -> JournalLine? {
        guard let at = Instant(iso8601: row["at"]), let phase = JournalLine.Phase(rawValue: row["phase"]) else {
            return nil
        }
        return JournalLine(
            id: row["id"],
            at: at,
            pipeline: row["pipeline"],
            operation: row["operation"],
            token: row["token"],
            step: JournalStep(rawValue: row["step"]) ?? .other,
            phase: phase,
            by: row["by"],
            detail: (try? JSON(parsing: row["detail"] as String)) ?? .null
        )
    }

    /// The tables of the journal and of operators' locks.
    static let journalTables = """
        CREATE TABLE journal (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            at TEXT NOT NULL,
            pipeline TEXT NOT NULL,
            operation TEXT NOT NULL,
            token TEXT NOT NULL,
            step TEXT NOT NULL,
            phase TEXT NOT NULL CHECK (phase IN ('before', 'after')),
            "by" TEXT NOT NULL,
            detail TEXT NOT NULL
        ) STRICT;
        CREATE INDEX journal_pipeline ON journal (pipeline, id);
        CREATE TRIGGER journal_is_append_only_1 BEFORE UPDATE ON journal
            BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
        CREATE TRIGGER journal_is_append_only_2 BEFORE DELETE ON journal
            BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
        CREATE TABLE operator_lock (
            pipeline TEXT PRIMARY KEY,
            token TEXT NOT NULL,
            operation TEXT NOT NULL,
            "by" TEXT NOT NULL,
            place TEXT NOT NULL,
            pid INTEGER NOT NULL,
            born INTEGER NOT NULL,
            taken_at TEXT NOT NULL,
            seen_at TEXT NOT NULL
        ) STRICT;
        """
}

#if DEBUG
    import Synchronization

    /// For tests of recovery: ends the process at once after as many lines as `BAILEY_DIE_AT` says. Not in release builds.
    final class JournalDeath: Sendable {
        static let shared = JournalDeath()
        private let limit = ProcessInfo.processInfo.environment["BAILEY_DIE_AT"].flatMap { Int($0) }
        private let written = Mutex(0)

        func countWrite() {
            guard let limit else { return }
            let count = written.withLock { count in
                count += 1
                return count
            }
            if count == limit { kill(getpid(), SIGKILL) }
        }
    }
#endif

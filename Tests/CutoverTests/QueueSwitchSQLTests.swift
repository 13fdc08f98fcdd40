import Foundation
import LosslessJSON
import Testing

@testable import Cutover
@testable import Legacy

@Suite("The SQL of a queue's switch") struct QueueSwitchSQLTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// The profile that comes with Bailey.
    static func backgroundJobs() throws -> QueueProfile {
        let file = root.appendingPathComponent("mappings/profiles/background_jobs.yaml")
        return try QueueProfile(yaml: String(contentsOf: file, encoding: .utf8), file: "background_jobs.yaml")
    }

    @Test func thatOfBackgroundJobsIsTheReviewedOne() throws {
        let sql = try QueueSwitchSQL(queue: "jobs", profile: QueueSwitchSQLTests.backgroundJobs(), timezone: "UTC")
        let golden = QueueSwitchSQLTests.root.appendingPathComponent("Tests/CutoverTests/Golden/background_jobs.sql")
        let made = sql.install(roles: [])
        if ProcessInfo.processInfo.environment["BAILEY_WRITE_GOLDEN"] != nil { try Data(made.utf8).write(to: golden) }
        #expect(try String(contentsOf: golden, encoding: .utf8) == made)
    }

    @Test func theProfilesSchemaHasTheKeysThatTheReaderKnows() throws {
        let file = QueueSwitchSQLTests.root.appendingPathComponent("mappings/schema/profile.schema.json")
        let properties = try JSON(parsing: String(contentsOf: file, encoding: .utf8))["properties"]
        func keys(_ json: JSON?) -> Set<String> { Set(json?["properties"]?.object?.keys ?? []) }
        #expect(Set(properties?.object?.keys ?? []) == Set(QueueProfile.keys))
        let column = properties?["columns"]?["additionalProperties"]?["oneOf"]?.array?.last
        #expect(keys(column) == Set(QueueProfile.columnKeys))
        #expect(
            column?["properties"]?["kind"]?["enum"]?.array?.compactMap(\.string) == QueueKind.allCases.map(\.rawValue)
        )
        #expect(
            properties?["columns"]?["propertyNames"]?["enum"]?.array?.compactMap(\.string) == QueueProfile.columnNames
        )
        #expect(keys(properties?["hold"]) == Set(QueueHold.keys))
        let log = properties?["hold"]?["properties"]?["log"]
        #expect(keys(log) == Set(QueueLog.keys))
        #expect(keys(properties?["hold"]?["properties"]?["refuse"]?["items"]) == Set(QueueObstacle.keys))
        #expect(keys(properties?["hold"]?["properties"]?["retries"]) == Set(QueueHold.Retries.keys))
    }

    @Test func hostileNamesStayNames() throws {
        var profile = try QueueSwitchSQLTests.backgroundJobs()
        profile.statuses["queued"] = ["it's \\ \"pending\""]
        profile.columns["type"] = "the \"type\""
        let sql = try QueueSwitchSQL(queue: "jobs", profile: profile, timezone: "UTC").install(roles: ["o\"x"])
        #expect(sql.contains("E'it''s \\\\ \"pending\"'"))
        #expect(sql.contains("j.\"the \"\"type\"\"\""))
        #expect(sql.contains("TO \"o\"\"x\";"))
        profile.table = "tasks.\"$bailey$; DROP TABLE x"
        #expect(throws: Refusal.self) { try QueueSwitchSQL(queue: "jobs", profile: profile, timezone: "UTC") }
    }

    @Test(arguments: [
        ("held: bailey_held", "held: pending", "must be words that the table does not use otherwise"),
        ("  by: status", "  bye: status", "did you mean “by”?"),
        ("  by: status", "  by: queue", "must name a column as “queue”"),
        ("  attempts: retry_count", "", "“columns” must name “attempts”"),
        ("running: [running]", "", "which word means running"),
        ("backoff: 2", "backoff: 0.5", "“backoff” must be from 1 to 1000"),
        ("  order:", "  deletes: [other]\n  order:", "“deletes” may say success and failed"),
        ("  order:", "  ready: \"true; DROP TABLE x\"\n  order:", "“;” stands in it outside quotes"),
        ("  order:", "  log: {table: l, columns: {a: \"1 -- \"}}\n  order:", "a comment stands in it"),
        ("  order:", "  log: {table: l}\n  order:", "what is written into “l”"),
        ("  order:", "  refuse: {when: \"true\"}\n  order:", "must be a list of"),
        ("  order:", "  refuse: [{when: \"(\", because: a, advice: b}]\n  order:", "a bracket is not closed"),
        ("  order:", "  columns: {id: id}\n  order:", "belongs to a profile with “view”"),
        (
            "  started: started_at\n  finished: completed_at\n  due: next_retry_at\n  attempts: retry_count       # retries so far: 0 for a first attempt\n  max_attempts: max_retries\nstatuses:\n  queued: [pending]\n  running: [running]\n  success: [completed]\n  failed: [failed]\n# The columns hold times without a zone: NOW() in the session's zone.\nnaive_timestamps: true\n# How rows are kept from the worker while Airflow owns them. A CHECK constraint or an enum that forbids new words: use “by: due”.\nhold:\n  by: status\n  held: bailey_held\n  claimed: bailey_claimed",
            "  due: next_retry_at\n  attempts: retry_count\nstatuses: {queued: pending, running: running, success: completed, failed: failed}\nhold:\n  by: due\n  claimed: running",
            "would not be told from others"
        ),
        ("hold:", "view: SELECT * FROM {table}\nhold:", "must name the table's own"),
        (
            "  by: status\n  held: bailey_held\n  claimed: bailey_claimed", "  by: due\n  claimed: runing",
            "must be the first word of “running”"
        ),
    ])
    func aHoldThatCannotWork(_ old: String, _ new: String, _ message: String) throws {
        let file = QueueSwitchSQLTests.root.appendingPathComponent("mappings/profiles/background_jobs.yaml")
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(text.contains(old))
        let error = #expect(throws: (any Error).self) {
            try QueueProfile(yaml: text.replacing(old, with: new), file: "p.yaml")
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains(message))
    }

    @Test(arguments: [
        (
            "UPDATE tasks.background_jobs SET status = 'running' WHERE id IN (SELECT id … FOR UPDATE SKIP LOCKED)",
            "idle", "locks"
        ),
        (
            "SELECT * FROM \"tasks\".\"background_jobs\" WHERE status = 'pending' FOR UPDATE SKIP LOCKED", "idle",
            "lockless"
        ),
        (
            "SELECT * FROM tasks.background_jobs WHERE status = 'pending' FOR UPDATE SKIP LOCKED",
            "idle in transaction", "locks"
        ),
        ("SELECT count(*) FROM tasks.background_jobs", "idle", "unknown"),
        (
            "UPDATE tasks.old_background_jobs SET x = 1 WHERE id IN (SELECT id FOR UPDATE SKIP LOCKED)", "idle",
            "unknown"
        ),
    ])
    func whatStatementsTellOfWorkers(_ text: String, _ state: String, _ locking: String) {
        let statement = QueueWorkers.Statement(text: text, state: state, application: "worker")
        let workers = QueueWorkers(statements: [statement], sightings: 0, table: "tasks.background_jobs")
        #expect(workers.locking.rawValue == locking)
        #expect(workers.needDrain == (locking != "locks"))
        #expect(
            QueueWorkers(statements: [statement], sightings: 1, table: "tasks.background_jobs").locking == .lockless
        )
    }
}

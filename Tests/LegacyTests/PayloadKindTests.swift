import Foundation
import LosslessJSON
import Migration
import Postgres
import Schedules
import TestSupport
import Testing

@testable import Legacy

@Suite("What a payload is in its table, from a real PostgreSQL", .timeLimit(.minutes(2))) struct PayloadKindTests {
    private static let deep = "repeat('[', 600) || repeat(']', 600)"

    /// A column's type, what stands in it as SQL, and what is read.
    private static let table: [(type: String, value: String, kind: PayloadKind, read: JSON?)] = [
        ("jsonb", "'{\"a\": 110}'", .json, ["a": 110]), ("json", "'null'", .json, .null), ("text", "'[1]'", .json, [1]),
        ("text", "'null'", .json, .null), ("text", "NULL", .missing, .null), ("jsonb", "NULL", .missing, .null),
        ("bytea", "NULL", .missing, .null), ("text", "''", .text, ""),
        ("text", "'{''a'': (1,)}'", .text, "{'a': (1,)}"),
        ("xml", "'<order id=\"7\"/>'", .text, "<order id=\"7\"/>"), ("text", "'\\x6869'", .text, "\\x6869"),
        ("bytea", "'\\x6869'", .bytes, "\\x6869"), ("bytea", "'\\x7b7d'", .bytes, "\\x7b7d"),
        ("varchar(9)", "'nan'", .text, "nan"), ("text", "'a:1:{i:0;s:1:\"x\";}'", .text, "a:1:{i:0;s:1:\"x\";}"),
        ("text", deep, .deep, nil), ("json", "(\(deep))::json", .deep, nil), ("integer", "7", .json, 7),
        ("text[]", "'{a,b}'", .text, "{a,b}"), ("uuid", "'00000000-0000-0000-0000-00000000000a'", .text, nil),
        ("text", "E'\\u202e\\x1b[2J'", .text, "\u{202e}\u{1b}[2J"), ("text", "'\"\\ud800\"'", .text, "\"\\ud800\""),
    ]

    @Test func eachIsOfItsOwnKind() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        let text = try #require(QueueProfile.shipped["background_jobs"])
        for (number, row) in Self.table.enumerated() {
            let name = "jobs\(number)"
            try server.psql(
                url,
                """
                CREATE TABLE \(name) (id int PRIMARY KEY, job_type text, job_data \(row.type), status text, created_at timestamp,
                    started_at timestamp, completed_at timestamp, next_retry_at timestamp, retry_count int, max_retries int, job_id text);
                INSERT INTO \(name) (id, job_type, job_data, status, completed_at) VALUES (1, 't', \(row.value), 'completed', now())
                """
            )
            var profile = try QueueProfile(yaml: text, file: "p.yaml")
            profile.table = name
            let source = QueueSource(name: "q", url: try PostgresURL(url), profile: profile, timezone: "UTC")
            let recorded = try await QueueRuns(source: source, types: ["t"]) { .earliest }.recorded(limit: 9)
            let outcome = try #require(recorded.outcomes.first)
            #expect(outcome.argumentsKind == row.kind, "\(row.type) \(row.value)")
            if let read = row.read { #expect(outcome.arguments == read, "\(row.type) \(row.value)") }
            // It is kept as what it is.
            let kept = try Outcome(json: JSON(parsing: outcome.json.text()))
            #expect(kept.argumentsKind == row.kind && kept.arguments == outcome.arguments)
        }
    }

    /// The table that the runtime in Airflow and DAGs without a gate are tested by too; here from a history, in columns of text and of JSON.
    @Test(arguments: ["text", "json"]) func eachIsReadAsInAirflow(_ column: String) async throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/payloads.jsonl")
        let cases = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map {
            try JSON(parsing: String($0))
        }
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.psql(
            url,
            """
            CREATE TABLE jobs (id int PRIMARY KEY, job_type text, job_data \(column), status text, created_at timestamp,
                started_at timestamp, completed_at timestamp, next_retry_at timestamp, retry_count int, max_retries int, job_id text);
            CREATE FUNCTION add(number int, payload text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO jobs (id, job_type, job_data, status, completed_at)
                VALUES (number, 't', payload::\(column), 'completed', now());
            EXCEPTION WHEN invalid_text_representation OR statement_too_complex THEN RETURN; END $$
            """
        )
        let database = try await PostgresConnection(to: PostgresURL(url), readOnly: false)
        for (number, one) in cases.enumerated() {
            let text = try #require(one["text"]?.string)
            _ = try await database.query("SELECT add($1, $2)", [.integer(Int64(number)), .text(text)])
        }
        var profile = try QueueProfile(yaml: #require(QueueProfile.shipped["background_jobs"]), file: "p.yaml")
        profile.table = "jobs"
        let source = QueueSource(name: "q", url: try PostgresURL(url), profile: profile, timezone: "UTC")
        let outcomes = try await QueueRuns(source: source, types: ["t"]) { .earliest }.recorded(limit: 1000).outcomes
        #expect(column == "text" ? outcomes.count == cases.count : outcomes.count > 20)
        for outcome in outcomes {
            let one = cases[try #require(Int(outcome.run))]
            #expect(outcome.argumentsKind.rawValue == one["kind"]?.string, "\(one.text().prefix(80))")
            if outcome.argumentsKind != .json { #expect(outcome.arguments == one["text"]) }
        }
    }

    @Test func anOutcomeOfAnEarlierVersionIsJSON() throws {
        let key = Outcome.Key(entry: EntryID(source: "q", name: "t"), job: "1")
        var document = try #require(Outcome(key: key, side: .legacy, run: "1", state: .success).json.object)
        document["arguments_kind"] = nil
        #expect(try Outcome(json: .object(document)).argumentsKind == .json)
        document["arguments_kind"] = "anything"
        #expect(throws: StoredJSONError.self) { try Outcome(json: .object(document)) }
    }
}

import Foundation
import Legacy
import LosslessJSON
import Migration
import Postgres
import Schedules
import Settings
import Synchronization
import TestSupport
import Testing

@Suite("A queue table, read from a real PostgreSQL", .timeLimit(.minutes(2))) struct QueueSourceTests {
    private let zones = ZoneDatabase()

    private func profile(_ change: (inout QueueProfile) -> Void = { _ in }) throws -> QueueProfile {
        let text = try #require(QueueProfile.shipped["background_jobs"])
        var profile = try QueueProfile(yaml: text, file: "background_jobs.yaml")
        change(&profile)
        return profile
    }

    private func source(_ url: String, timezone: String? = "UTC", _ change: (inout QueueProfile) -> Void = { _ in })
        throws
        -> QueueSource
    {
        QueueSource(name: "q", url: try PostgresURL(url), profile: try profile(change), timezone: timezone)
    }

    private func loaded() throws -> (server: PostgresServer, url: String) {
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.load(fixture("handrolled_background_jobs.sql"), into: url)
        return (server, url)
    }

    @Test func aColumnOrATableThatIsNotThereIsNamedWithWhatIs() async throws {
        let (_, url) = try loaded()
        let column = await #expect(throws: PostgresError.self) {
            _ = try await source(url) { $0.columns["attempts"] = "tries" }.read(zones: zones)
        }
        let text = column?.description ?? ""
        for part in ["tasks.background_jobs", "“tries”", "“attempts”", "“background_jobs”", "retry_count (integer)"] {
            #expect(text.contains(part), "\(text)")
        }
        let table = await #expect(throws: PostgresError.self) {
            _ = try await source(url) { $0.table = "public.jobs" }.read(zones: zones)
        }
        let other = table?.description ?? ""
        #expect(other.contains("no table public.jobs") && other.contains("tasks.background_jobs"), "\(other)")
        let kind = await #expect(throws: PostgresError.self) {
            _ = try await source(url) { $0.columns["finished"] = "job_type" }.read(zones: zones)
        }
        #expect(kind?.description.contains("job_type (") == true, "\(kind as Any)")
    }

    /// A job that PostgreSQL can take no type out of: which expression it is, and how it lets that row be.
    @Test func aValueThatAnExpressionCannotTakeIsTold() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.psql(
            url,
            """
            CREATE TABLE jobs (id int, body json, status text);
            INSERT INTO jobs VALUES (1, '{"type": "a"}', 'done'), (2, '{"type": "a", "x": "\\u0000"}', 'done'), (3, NULL, 'done')
            """
        )
        func reading(_ expression: String) async throws -> SourceReading {
            let profile = try QueueProfile(
                yaml:
                    "profile: p\ntable: jobs\ncolumns: {id: id, type: {sql: \"\(expression)\"}, status: status}\nstatuses: {success: done}\n",
                file: "p.yaml"
            )
            return try await QueueSource(name: "q", url: PostgresURL(url), profile: profile, timezone: "UTC").read(
                zones: zones
            )
        }
        let spared = try await reading("body->>'type'")
        #expect(spared.entries.map(\.id.name) == ["a"] && spared.summary.found == 3)
        let line = try #require(spared.unread.first { $0.reason == "unreadable-row" })
        #expect(line.key == "jobs where id is 2", "\(line)")
        #expect(line.detail.contains("“type”: unsupported Unicode escape sequence"), "\(line)")
        // Where none can be read, the profile is wrong, and which expression it is and how it lets a row be is told.
        let error = await #expect(throws: PostgresError.self) {
            _ = try await reading("(coalesce(body->>'type', 'x') || id)::uuid")
        }
        let text = error?.description ?? ""
        for part in ["“type” ((coalesce(body->>'type', 'x') || id)::uuid)", "“p”", "CASE WHEN", "u0000"] {
            #expect(text.contains(part), "\(text)")
        }
        let read = try await reading("CASE WHEN strpos(body::text, chr(92) || 'u0000') = 0 THEN body->>'type' END")
        #expect(read.entries.map(\.id.name) == ["a"] && read.unread.map(\.reason) == ["no-job-type"])
    }

    /// Each column of a profile by an expression that takes all rows but one.
    @Test(arguments: [
        ("type", "CASE WHEN id = 2 THEN (body->>'type')::int::text ELSE body->>'type' END", "body->>'state'"),
        ("status", "body->>'type'", "CASE WHEN 1 / (id - 2) IS NOT NULL THEN body->>'state' END"),
        ("attempts", "(body->>'n')::int", "body->>'state'"), ("queued", "(body->>'at')::timestamptz", "body->>'state'"),
        ("started", "(body->>'at')::timestamptz", "body->>'state'"),
        ("finished", "(body->>'at')::timestamptz", "body->>'state'"),
        ("result", "(body->>'result')::json::text", "body->>'state'"),
        ("error", "(SELECT * FROM json_array_elements_text(body->'many'))", "body->>'state'"),
        ("payload", "(body->>'result')::json", "body->>'state'"),
    ])
    func aRowThatAnExpressionCannotTakeIsOneLine(meaning: String, sql: String, status: String) async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        let good =
            #"{"type": "a", "state": "done", "n": "1", "at": "2026-01-02T03:04:05Z", "result": "[1]", "many": [1]}"#
        let bad = #"{"type": "a", "state": "done", "n": "x", "at": "never", "result": "{", "many": [1, 2]}"#
        try server.psql(
            url,
            "CREATE TABLE jobs (id int, body json); INSERT INTO jobs VALUES (1, '\(good)'), (2, '\(bad)'), (3, '\(good)')"
        )
        var columns = ["id": "id", "type": "{sql: \"body->>'type'\"}", "status": "{sql: \"\(status)\"}"]
        if meaning != "status" { columns[meaning] = "{sql: \"\(sql)\"}" }
        let lines = columns.map { "  \($0.key): \($0.value)" }.joined(separator: "\n")
        let profile = try QueueProfile(
            yaml: "profile: p\ntable: jobs\ncolumns:\n\(lines)\nstatuses: {queued: new, success: done}\n",
            file: "p.yaml"
        )
        let source = try QueueSource(name: "q", url: PostgresURL(url), profile: profile, timezone: "UTC")
        let reading = try await source.read(zones: zones)
        #expect(reading.entries.map(\.id.name) == ["a"], "\(reading)")
        // What an import does not ask for does not stop it.
        let asked = !["result", "error", "payload"].contains(meaning)
        #expect(reading.unread.map(\.key) == (asked ? ["jobs where id is 2"] : []), "\(reading.unread)")
        let runs = QueueRuns(source: source, types: ["a"], pollMilliseconds: 50) { Instant(microseconds: 0) }
        let recorded = try await runs.recorded(limit: 10)
        #expect(Set(recorded.outcomes.map(\.run)) == ["1", "3"])
        #expect(recorded.unread.keys.sorted() == ["2"] && recorded.unread["2"]?.contains("“\(meaning)”") == true)
        // The same while it is watched.
        let seen = Mutex<[String]>([])
        let ready = Mutex(false)
        let work = Task {
            try await runs.watch(since: nil, ready: { ready.withLock { $0 = true } }) { event in
                switch event {
                case .run(let outcome, _): seen.withLock { $0.append("run \(outcome.run)") }
                case .unread(let record, _): seen.withLock { $0.append("unread \(record)") }
                case .silent(let why): seen.withLock { $0.append("silent: \(why)") }
                default: break
                }
            }
        }
        try await waitUntil("it watches") { ready.withLock { $0 } }
        let isFound = meaning != "finished"
        let stamp = isFound ? good : good.replacing("2026-01-02T03:04:05Z", with: "2999-01-02T03:04:05Z")
        try server.psql(url, "INSERT INTO jobs VALUES (4, '\(bad)'), (5, '\(stamp)')")
        if meaning == "status" { try server.psql(url, "UPDATE jobs SET id = 2 WHERE id = 4") }
        try await waitUntil("the job is seen") { seen.withLock { $0.contains("run 5") } }
        work.cancel()
        _ = try? await work.value
        let all = seen.withLock { $0 }
        #expect(all.contains { $0.hasPrefix("unread ") } && !all.contains { $0.hasPrefix("silent") }, "\(all)")
    }

    @Test func aDatabaseOfBytesIsReadAsFarAsTheyAreUTF8() async throws {
        let server = try PostgresServer.running()
        let name = "bytes_\(UUID().uuidString.prefix(8).lowercased())"
        let some = try server.database()
        try server.psql(
            some,
            "CREATE DATABASE \(name) ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        let url = some.split(separator: "/").dropLast().joined(separator: "/").replacing(":/", with: "://") + "/\(name)"
        try server.psql(
            url,
            """
            CREATE TABLE jobs (id int, type text, body text, status text);
            INSERT INTO jobs VALUES (1, 'mail', '{"a": 1}', 'done'), (2, E'ma\\xe9l', '{}', 'done'), (3, 'mail', E'{"a": "\\xe9"}', 'done')
            """
        )
        let profile = try QueueProfile(
            yaml:
                "profile: p\ntable: jobs\ncolumns: {id: id, type: type, payload: body, status: status}\nstatuses: {success: done}\n",
            file: "p.yaml"
        )
        let source = try QueueSource(name: "q", url: PostgresURL(url), profile: profile, timezone: "UTC")
        let read = try await source.read(zones: zones)
        #expect(read.entries.map(\.id.name) == ["mail"] && read.unread.map(\.reason) == ["no-utf8"])
        let outcomes = try await QueueRuns(source: source, types: ["mail"]) { .earliest }.recorded(limit: 9).outcomes
        let arguments: [JSON] = [["a": 1], ["a": "\u{FFFD}"]]
        #expect(outcomes.sorted { $0.run < $1.run }.map(\.arguments) == arguments)
    }

    @Test(arguments: [QueueHold.Retries.Counts.retries, .runs])
    func whatTheAttemptsCountIsHeeded(_ counts: QueueHold.Retries.Counts) async throws {
        let (server, url) = try loaded()
        let source = try source(url) { $0.hold?.retries?.counts = counts }
        let repetitions = counts == .runs ? "greatest(retry_count - 1, 0)" : "retry_count"
        let ended = "status IN ('completed', 'failed')"
        let sums = try server.psql(
            url,
            "SELECT job_type, avg(\(repetitions)) FILTER (WHERE \(ended))::float8 FROM tasks.background_jobs GROUP BY 1 HAVING count(*) FILTER (WHERE \(ended)) > 0 ORDER BY 1"
        ).split(separator: "\n").map { $0.split(separator: "|").map(String.init) }
        let read = try await source.read(zones: zones)
        for one in sums {
            let found = read.entries.first { $0.id.name == one[0] }?.history?.retriesPerRun
            #expect(abs((found ?? -1) - (Double(one[1]) ?? -2)) < 0.000_001, "\(one)")
        }
        let types = read.entries.map(\.id.name)
        let attempts = try await QueueRuns(source: source, types: types) { .earliest }.recorded(limit: 500).outcomes
            .map(
                \.attempts
            )
        let runs = counts == .runs ? "greatest(retry_count, 1)" : "retry_count + 1"
        let wanted = try server.psql(
            url,
            "SELECT \(runs) FROM tasks.background_jobs WHERE \(ended) AND completed_at IS NOT NULL"
        ).split(separator: "\n").map { Int($0) }
        #expect(!attempts.isEmpty && attempts.allSatisfy { wanted.contains($0) })
        #expect(Set(attempts.compactMap { $0 }).max() == wanted.compactMap { $0 }.max())
    }

    @Test func totalsAreThoseOfTheTablesOwnRows() async throws {
        let (server, url) = try loaded()
        let reading = try await source(url).read(zones: zones)
        let types = try server.psql(url, "SELECT DISTINCT job_type FROM tasks.background_jobs ORDER BY 1").split(
            separator: "\n"
        )
        #expect(reading.entries.map(\.id.name) == types.map(String.init))
        #expect(reading.summary.found == types.count && reading.unread.isEmpty)
        for entry in reading.entries {
            let history = try #require(entry.history)
            // Computed without aggregates for percentiles: the rows are sorted and the place is interpolated here.
            let rows = try server.psql(
                url,
                """
                SELECT extract(epoch FROM completed_at - started_at) FROM tasks.background_jobs
                WHERE job_type = '\(entry.id.name)' AND status IN ('completed', 'failed') AND completed_at >= started_at ORDER BY 1
                """
            )
            let seconds = rows.split(separator: "\n").compactMap { Double($0) }
            for (fraction, found) in [(0.5, history.p50), (0.95, history.p95)] {
                guard !seconds.isEmpty else {
                    #expect(found == nil)
                    continue
                }
                let place = fraction * Double(seconds.count - 1)
                let (low, high) = (Int(place.rounded(.down)), Int(place.rounded(.up)))
                let wanted = seconds[low] + (seconds[high] - seconds[low]) * (place - Double(low))
                #expect(abs((found ?? -1) - wanted) < 0.000_001, "\(entry.id) \(fraction)")
            }
            func number(_ sql: String) throws -> Double? {
                Double(
                    try server.psql(url, "SELECT \(sql) FROM tasks.background_jobs WHERE job_type = '\(entry.id.name)'")
                )
            }
            #expect(try Double(history.succeeded) == number("count(*) FILTER (WHERE status = 'completed')"))
            #expect(try Double(history.failed) == number("count(*) FILTER (WHERE status = 'failed')"))
            #expect(try Double(history.states.values.reduce(0, +)) == number("count(*)"))
            let retries = try number(
                "sum(retry_count) FILTER (WHERE status IN ('completed', 'failed'))::float8 / nullif(count(*) FILTER (WHERE status IN ('completed', 'failed')), 0)"
            )
            #expect(
                retries.map { abs($0 - (history.retriesPerRun ?? -1)) < 0.000_001 } ?? (history.retriesPerRun == nil),
                "\(entry.id)"
            )
            let last = try number("extract(epoch FROM max(completed_at))")
            #expect(last.map { Int64(($0 * 1_000_000).rounded()) } == history.last?.microseconds)
        }
        #expect(reading.summary.notes.contains { $0.detail.contains("status words seen: ") })
        #expect(reading.summary.system.hasPrefix("PostgreSQL "))
    }

    @Test func statusWordsAreTheProfilesAndUnknownOnesAreNamed() async throws {
        let (server, url) = try loaded()
        try server.psql(url, "UPDATE tasks.background_jobs SET status = 'done' WHERE status = 'completed'")
        let before = try await source(url).read(zones: zones)
        let note = try #require(before.summary.notes.first { $0.code == .unknownStatus })
        #expect(note.detail.contains("does not know done"))
        #expect(before.entries.allSatisfy { $0.history?.succeeded == 0 })
        let after = try await source(url) { $0.statuses["success"] = ["done", "completed"] }.read(zones: zones)
        #expect(!after.summary.notes.contains { $0.code == .unknownStatus })
        let total = Int(try server.psql(url, "SELECT count(*) FROM tasks.background_jobs WHERE status = 'done'"))
        #expect(after.entries.reduce(0) { $0 + ($1.history?.succeeded ?? 0) } == total)
    }

    @Test func rowsWithoutATypeAreAccountedForAndInfinityHarmsNothing() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.psql(
            url,
            """
            CREATE TABLE jobs (id int PRIMARY KEY, job_type text, job_data json, status text, created_at timestamp, started_at timestamp,
                completed_at timestamp, next_retry_at timestamp, retry_count int, max_retries int, job_id text);
            INSERT INTO jobs (id, job_type, status, started_at, completed_at) VALUES
                (1, NULL, 'completed', now(), now()), (2, '', 'completed', now(), now()),
                (3, 'a', 'completed', '-infinity', 'infinity'), (4, 'a', 'completed', '2026-01-01 00:00', '2026-01-01 00:00:03'),
                (5, 'a', NULL, NULL, NULL)
            """
        )
        let reading = try await source(url) { $0.table = "jobs" }.read(zones: zones)
        #expect(reading.summary.found == 3)
        #expect(reading.unread.map(\.reason) == ["no-job-type", "no-job-type"])
        let history = try #require(reading.entries.first?.history)
        #expect(history.p50 == 3 && history.runs == 2)
        #expect(history.states == ["completed": 2, "null": 1])
        #expect(history.last == Instant(iso8601: "2026-01-01T00:00:03Z"))
    }

    @Test func timesWithoutAZoneAreReadInTheZoneThatIsSet() async throws {
        let (server, url) = try loaded()
        let utc = try await source(url, timezone: "UTC").read(zones: zones)
        let moscow = try await source(url, timezone: "Europe/Moscow").read(zones: zones)
        let pairs = zip(utc.entries, moscow.entries).compactMap { pair -> Int64? in
            guard let first = pair.0.history?.last, let second = pair.1.history?.last else { return nil }
            return first.microseconds - second.microseconds
        }
        #expect(!pairs.isEmpty && pairs.allSatisfy { $0 == 3 * 3600 * 1_000_000 })
        let name = url.split(separator: "/").last.map(String.init) ?? ""
        try server.psql(url, "ALTER DATABASE \(name) SET timezone = 'Asia/Tokyo'")
        let unset = try await source(url, timezone: nil).read(zones: zones)
        #expect(unset.entries.first?.timezone == "Asia/Tokyo")
        #expect(unset.summary.notes.contains { $0.code == .zoneUnknown && $0.detail.contains("Asia/Tokyo") })
    }

    @Test func whatIsMissingOrForbiddenIsNamed() async throws {
        let (server, url) = try loaded()
        func refusal(_ source: QueueSource) async -> PostgresError? {
            await #expect(throws: PostgresError.self) { _ = try await source.read(zones: zones) }
        }
        let table = await refusal(try source(url) { $0.table = "tasks.nowhere" })
        #expect(table?.code == .missing && table?.description.contains("tasks.nowhere") == true)
        let column = await refusal(try source(url) { $0.columns["started"] = "begun" })
        #expect(column?.code == .missing && column?.description.contains("begun") == true)
        try server.psql(url, "DO $$ BEGIN CREATE ROLE reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        let poor = url.replacing("postgres@", with: "reader@")
        let rights = await refusal(try source(poor))
        #expect(rights?.code == .rights && rights?.description.contains("Grant the right") == true)
        try server.psql(url, "GRANT USAGE ON SCHEMA tasks TO reader; GRANT SELECT ON tasks.background_jobs TO reader")
        #expect(try await !source(poor).read(zones: zones).entries.isEmpty)
    }

    @Test func endedJobsBecomeOutcomesAndNewOnesAreSeen() async throws {
        let (server, url) = try loaded()
        let runs = QueueRuns(source: try source(url), types: ["send_email"], pollMilliseconds: 50) {
            Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1e6))
        }
        let recorded = try await runs.recorded(limit: 7).outcomes
        let wanted = try server.psql(
            url,
            """
            SELECT id FROM (SELECT id, completed_at FROM tasks.background_jobs WHERE job_type = 'send_email' AND status IN ('completed', 'failed')
            ORDER BY completed_at DESC LIMIT 7) t ORDER BY completed_at
            """
        ).split(separator: "\n").map(String.init)
        #expect(recorded.map(\.run) == wanted)
        #expect(recorded.allSatisfy { $0.arguments["to"]?.string?.contains("@") == true && $0.key.job == $0.run })
        let seen = Mutex<[Outcome]>([])
        let ready = Mutex(false)
        let work = Task {
            try await runs.watch(since: nil, ready: { ready.withLock { $0 = true } }) { event in
                if case .run(let outcome, _) = event { seen.withLock { $0.append(outcome) } }
            }
        }
        try await waitUntil("it watches") { ready.withLock { $0 } }
        try server.psql(
            url,
            """
            UPDATE tasks.background_jobs SET status = 'completed', started_at = now(), completed_at = now()
            WHERE id = (SELECT id FROM tasks.background_jobs WHERE job_type = 'send_email' ORDER BY id LIMIT 1)
            """
        )
        try await waitUntil("the job is seen") { seen.withLock { $0.count } == 1 }
        work.cancel()
        _ = try? await work.value
        #expect(seen.withLock { $0 }.first?.state == .success)
    }

    @Test func rowsThatAreHiddenOrNotThereAreSaid() async throws {
        let (server, url) = try loaded()
        func incomplete(_ reading: SourceReading) -> [String] {
            reading.summary.notes.filter { $0.code == .incompleteReading }.map(\.detail)
        }
        #expect(incomplete(try await source(url).read(zones: zones)).isEmpty)
        _ = try server.psql(
            url,
            """
            ALTER TABLE tasks.background_jobs ENABLE ROW LEVEL SECURITY;
            ALTER TABLE tasks.background_jobs FORCE ROW LEVEL SECURITY;
            CREATE TABLE public.other AS SELECT generate_series(1, 40) AS n; ANALYZE public.other;
            DO $$ BEGIN CREATE ROLE bailey_blind LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
            GRANT USAGE ON SCHEMA tasks TO bailey_blind; GRANT SELECT ON tasks.background_jobs TO bailey_blind;
            """
        )
        var blind = try #require(URLComponents(string: url))
        blind.user = "bailey_blind"
        let said = incomplete(try await source(try #require(blind.string)).read(zones: zones))
        #expect(said.contains { $0.contains("row security") })
        #expect(said.contains { $0.contains("nothing was found") && $0.contains("bailey_blind") }, "\(said)")
    }
}

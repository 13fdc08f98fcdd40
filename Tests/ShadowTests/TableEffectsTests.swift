import Foundation
import LosslessJSON
import Migration
import Schedules
import Shadow
import TestSupport
import Testing

@Suite("Rows that a body changes, beside those that legacy changed", .timeLimit(.minutes(3)))
struct TableEffectsTests {
    private static let python = ProcessInfo.processInfo.environment["BAILEY_CELERY_PYTHON"]
    private let server: PostgresServer
    private let folder = FileManager.default.temporaryDirectory.path + "/bailey-effects-\(UUID().uuidString)"

    init() throws { server = try PostgresServer.running() }

    private func engine(_ connections: [String: String]) -> EmbeddedEngine {
        let runner = BodyRunner(
            environments: ["lab": .init(python: Self.python ?? "python3", path: [], variables: [:])],
            connections: connections,
            directory: FileManager.default.temporaryDirectory.path,
            inherited: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"],
            guardProgram: baileyProgram
        )
        return EmbeddedEngine(
            runner: runner,
            parallelism: 4,
            effectsFolder: folder,
            now: { Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) },
            sleep: { _ in }
        )
    }

    private func table(_ name: String, _ key: [String], where condition: String? = nil, ignore: [String] = [])
        -> TableEffect
    {
        var table = TableEffect(connection: "shop", table: name.split(separator: ".").map(String.init), key: key)
        table.condition = condition.flatMap { SQLStatement.all($0).first }
        table.ignore = ignore
        return table
    }

    private func sql(_ text: String, _ tables: [TableEffect], _ parameters: JSON = [:]) -> TaskDefinition {
        let call = SQLCall(
            connection: "shop",
            statements: SQLStatement.all(text),
            parameters: parameters,
            environment: "lab"
        )
        var task = TaskDefinition(id: "a", body: .sql(call), shadow: .redirected)
        task.rows.tables = tables
        return task
    }

    private func psql(_ text: String, _ tables: [TableEffect], template: String) -> TaskDefinition {
        let words = ["sh", "-c", "psql -X -q -v ON_ERROR_STOP=1 -d \"$PLACE\" -c \"$0\" >&2", text]
        var task = TaskDefinition(id: "a", body: .command(CommandLine(arguments: words)), shadow: .redirected)
        task.rows.tables = tables
        task.rows.copy = DatabaseCopy(connection: "shop", template: template, variable: "PLACE")
        return task
    }

    private func effects(_ task: TaskDefinition, _ url: String, tick: String = "2026-11-29T23:30:00Z") async throws
        -> EffectFindings
    {
        let facts = RunFacts(tick: Instant(iso8601: tick), zone: try ZoneDatabase().zone("Europe/Berlin"))
        let run = try await engine(["shop": url]).run([task], payload: nil, facts: facts, run: "shop-1/2")
        #expect(run.tasks[0].state == .success, "\(String(describing: run.tasks[0].error))")
        return try #require(try run.tasks[0].rows?.get())
    }

    private static let totals = """
        CREATE TABLE totals (day date, city text, amount numeric(10, 2), loaded_at timestamptz DEFAULT now(),
            PRIMARY KEY (day, city));
        """

    @Test(.enabled(if: python != nil, "needs psycopg")) func sqlIsRolledBackOnceItsRowsAreRead() async throws {
        let url = try server.database()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try server.psql(
            url,
            Self.totals + """
                INSERT INTO totals VALUES ('2026-11-30', 'Bonn', 1.50), ('2026-11-30', 'Köln', 2), ('2026-11-30', 'Ulm', 3),
                    ('2026-11-29', 'Bonn', 9)
                """
        )
        let before = try server.psql(url, "SELECT * FROM totals ORDER BY day, city")
        let text = """
            DELETE FROM totals WHERE day = :day;
            INSERT INTO totals VALUES (:day, 'Bonn', 1.5), (:day, 'Köln', 2.01), (:day, 'Aachen', NULL)
            """
        let tables = [table("totals", ["day", "city"], where: "day = :date AND day = :day", ignore: ["loaded_at"])]
        let found = try await effects(sql(text, tables, ["day": "2026-11-30"]), url)
        #expect(try server.psql(url, "SELECT * FROM totals ORDER BY day, city") == before)
        #expect(found.differences.allSatisfy { $0.kind == .effects })
        #expect(
            found.differences.map(\.path) == ["totals", "totals[*]", "totals[*].amount", "totals[*]"],
            "\(found.differences.map(\.text))"
        )
        #expect(found.differences[0].text.contains("1 differ, 1 are only in legacy, 1 only in shadow"))
        #expect(found.differences[0].legacy == ["rows": 3, "only": 1])
        #expect(found.differences[1].legacy == nil)
        #expect(found.differences[1].shadow == ["day": "2026-11-30", "city": "Aachen", "amount": nil])
        #expect(found.differences[2].legacy?.text() == "2.00" && found.differences[2].shadow?.text() == "2.01")
        #expect(found.differences[3].legacy?["city"] == "Ulm" && found.differences[3].shadow == nil)

        // What does the same as legacy differs in nothing.
        let same = try await effects(
            sql("UPDATE totals SET loaded_at = 'epoch', amount = amount", tables, ["day": "2026-11-30"]),
            url
        )
        #expect(same.differences.isEmpty && same.told == ["totals: 3 rows in legacy, 3 in shadow, all alike"])
    }

    @Test func programsRunOnACopyOfTheirOwn() async throws {
        let (url, template) = (try server.database(), try server.database())
        let name = try #require(URL(string: template)?.lastPathComponent)
        for place in [url, template] {
            try server.psql(
                place,
                "CREATE TABLE jobs (id int PRIMARY KEY, note text); INSERT INTO jobs VALUES (2, 'b'), (10, 'c')"
            )
        }
        try server.psql(url, "INSERT INTO jobs VALUES (11, 'by legacy'); UPDATE jobs SET note = 'x' WHERE id = 2")
        let tables = [table("public.jobs", ["id"])]
        async let same = effects(
            psql(
                "INSERT INTO jobs VALUES (11, 'by legacy'); UPDATE jobs SET note = 'x' WHERE id = 2",
                tables,
                template: name
            ),
            url
        )
        async let other = effects(
            psql("DELETE FROM jobs WHERE id = 10; INSERT INTO jobs VALUES (-1, 'n')", tables, template: name),
            url
        )
        #expect(try await same.differences.isEmpty)
        #expect(
            try await other.differences.map(\.text).dropFirst() == [
                #"public.jobs has the row {"id":-1} only in shadow"#,
                #"public.jobs differs in “note” of the row {"id":2}"#,
                #"public.jobs has the row {"id":10} only in legacy"#,
                #"public.jobs has the row {"id":11} only in legacy"#,
            ]
        )
        #expect(try server.psql(template, "SELECT count(*) FROM jobs") == "2")
        let left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'bailey%'"
        #expect(try server.psql(url, left) == "0")
        // Those of a Bailey that was killed go with the next.
        let mark = "bailey shadow on \(ProcessInfo.processInfo.hostName)"
        try server.psql(url, "CREATE DATABASE bailey_shadow_4194300_dead")
        try server.psql(url, "COMMENT ON DATABASE bailey_shadow_4194300_dead IS '\(mark)'")
        _ = try await effects(psql("SELECT 1", tables, template: name), url)
        #expect(try server.psql(url, left) == "0")
        // A copy ends with the work that is cancelled.
        let slow = psql("SELECT pg_sleep(300)", tables, template: name)
        let engine = engine(["shop": url])
        let work = Task { try await engine.run([slow], payload: nil) }
        for _ in 0..<500 where try server.psql(url, left) == "0" { try await Task.sleep(for: .milliseconds(20)) }
        work.cancel()
        await #expect(throws: CancellationError.self) { _ = try await work.value }
        #expect(try server.psql(url, left) == "0")
    }

    /// The server's own full join says what differs.
    @Test func everyDifferingKeyIsFoundWhateverItHolds() async throws {
        let (url, template) = (try server.database(), try server.database())
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let name = try #require(URL(string: template)?.lastPathComponent)
        let rows = """
            CREATE TABLE odd (n bigint, word text, u uuid, at timestamptz, v double precision, j jsonb, b bytea, PRIMARY KEY (n, word, u, at));
            SELECT setseed(0.4);
            INSERT INTO odd SELECT n % 50 - 25, (ARRAY['', ' ', E'a\\tb', E'a\\nb', E'\\\\N', E'\\\\', 'ä', 'Z', 'a', 'é', '🐈', E'\\r', E'\\x01', 'ab'])[1 + n % 14] || (n / 700),
                md5(n::text)::uuid, '2026-11-29 23:59:59.5+00'::timestamptz + n * interval '1 day', n / 3.0, jsonb_build_object('n', n), decode(md5(n::text), 'hex')
            FROM generate_series(1, 4000) n;
            """
        for place in [url, template] { try server.psql(place, rows) }
        let change = """
            DELETE FROM odd WHERE hashtext(u::text) % 7 = 0; UPDATE odd SET v = v + 1 WHERE hashtext(u::text) % 5 = 0;
            UPDATE odd SET word = word || E'\\t' WHERE hashtext(u::text) % 11 = 0; INSERT INTO odd (n, word, u, at) SELECT n, 'new', md5(n::text)::uuid, 'infinity' FROM generate_series(-20, 20) n
            """
        let found = try await effects(psql(change, [table("odd", ["n", "word", "u", "at"])], template: name), url)
        try server.psql(template, change)
        try server.psql(template, "CREATE EXTENSION postgres_fdw")
        let other = try #require(URL(string: url)?.lastPathComponent)
        try server.psql(
            template,
            """
            CREATE SERVER l FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '\(server.port)', dbname '\(other)');
            CREATE USER MAPPING FOR postgres SERVER l OPTIONS (user 'postgres'); CREATE SCHEMA l; IMPORT FOREIGN SCHEMA public FROM SERVER l INTO l
            """
        )
        let truth = try server.psql(
            template,
            """
            SELECT count(*) FILTER (WHERE a.n IS NOT NULL AND b.n IS NOT NULL AND (a.v, a.j, a.b) IS DISTINCT FROM (b.v, b.j, b.b)) || ' differ, ' ||
                count(*) FILTER (WHERE b.n IS NULL) || ' are only in legacy, ' || count(*) FILTER (WHERE a.n IS NULL) || ' only in shadow'
            FROM l.odd a FULL JOIN odd b USING (n, word, u, at)
            """
        )
        let text = try #require(found.differences.first?.text)
        #expect(text.contains(truth), "\(text), and \(truth)")
        // All keys are in the file that is named.
        let file = try #require(text.split(separator: " are in ").last.map(String.init))
        let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
        let numbers = truth.split(separator: " ").compactMap { Int($0) }
        #expect(lines.count == numbers.reduce(0, +) && Set(lines).count == lines.count)
        #expect(lines.filter { $0.hasPrefix("shadow\t") }.count == numbers[2])
    }

    @Test func whatCannotBeComparedIsSaid() async throws {
        let (url, template) = (try server.database(), try server.database())
        let name = try #require(URL(string: template)?.lastPathComponent)
        for place in [url, template] {
            try server.psql(
                place,
                "CREATE TABLE t (id int, day date, v int); INSERT INTO t VALUES (1, '2026-11-30', 1), (1, '2026-12-01', 2), (2, NULL, 3), (2, '2026-12-03', 3)"
            )
        }
        let cases: [(TableEffect, String, String)] = [
            (table("nowhere", ["id"]), name, "no table nowhere"), (table("t", ["nr"]), name, "no column “nr”"),
            (table("t", ["id"], ignore: ["x"]), name, "no column “x”"),
            (table("t", ["id"]), name, "stands for several rows"),
            (table("t", ["id", "day"]), name, "no value in the key’s column “day”"),
            (table("t", ["id", "day"], where: "day > :since"), name, "names :since"),
            (table("t", ["id", "day"], where: "day > 7"), name, "operator does not exist"),
            (table("t", ["id", "day"]), "no_such_template", "no copy of the database “no_such_template”"),
        ]
        for (table, template, words) in cases {
            let run = try await engine(["shop": url]).run(
                [psql("UPDATE t SET v = 0", [table], template: template)],
                payload: nil
            )
            guard case .failure(let error)? = run.tasks[0].rows else {
                Issue.record("\(words): nothing was said")
                continue
            }
            #expect(error.description.contains(words), "\(error)")
        }
        let unnamed = try await engine([:]).run(
            [psql("SELECT 1", [table("t", ["id"])], template: name)],
            payload: nil
        )
        if case .failure(let error)? = unnamed.tasks[0].rows {
            #expect(error.description.contains("has no “shop”"))
        } else {
            Issue.record("nothing was said")
        }
        // A body that failed has no effects that could be compared.
        let failed = try await engine(["shop": url]).run(
            [psql("SELECT 1 / 0", [table("t", ["id", "day"], where: "id = 1")], template: name)],
            payload: nil
        )
        #expect(failed.tasks[0].state == .failed && failed.tasks[0].rows == nil)
    }

    @Test func theVerdictIsThatOfTheRows() async throws {
        let (url, template) = (try server.database(), try server.database())
        let name = try #require(URL(string: template)?.lastPathComponent)
        for place in [url, template] { try server.psql(place, "CREATE TABLE t (id int PRIMARY KEY)") }
        let entry = EntryID(source: "s", name: "e")
        func verdict(_ text: String, _ tables: [TableEffect]) async throws -> Comparison? {
            var task = psql(text + "; SELECT 1", tables, template: name)
            task.entry = entry
            let clock = PipelineClock(driver: entry, schedule: nil, timezone: "UTC", timetable: nil)
            let dag = DAGDefinition(id: "p", name: "p", clock: clock, entries: [entry], tasks: [task])
            let session = ShadowSession(pipelines: [dag], engine: EmbeddedShadow(engine(["shop": url])))
            let key = Outcome.Key(entry: entry, job: "1")
            return try await session.shadow(
                Outcome(key: key, side: .legacy, run: "1", state: .success, arguments: ["args": [], "kwargs": [:]])
            )
        }
        let same = try await verdict("SELECT 1", [table("t", ["id"])])
        #expect(
            same?.verdict == .match && same?.reason?.contains("effects compared: t: 0 rows") == true,
            "\(String(describing: same?.differences))"
        )
        let other = try await verdict("INSERT INTO t VALUES (1)", [table("t", ["id"])])
        #expect(other?.verdict == .mismatch && other?.differences.map(\.kind) == [.effects, .effects])
        let unknown = try await verdict("SELECT 1", [table("u", ["id"])])
        #expect(unknown?.verdict == .broken && unknown?.reason?.contains("no table u") == true)
    }
}

import Cutover
import Foundation
import Legacy
import Postgres
import TestSupport
import Testing

@Suite("What a queue's switch refuses, and that nothing was changed then", .timeLimit(.minutes(4)))
struct QueueRefusalTests {
    private func refusal(_ bench: QueueBench, _ url: String? = nil, profile: QueueProfile? = nil) async throws
        -> Refusal?
    {
        let schemas = "SELECT string_agg(nspname, ',' ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_'"
        let (before, rows) = (try bench.server.psql(bench.url, schemas), try bench.picture())
        let queue = try await bench.open(url, profile: profile)
        let cutover = QueueCutover(
            queue: queue,
            types: ["export"],
            pipeline: "p",
            share: 100,
            surroundings: try bench.surroundings("cutover")
        )
        let error = await #expect(throws: Refusal.self) {
            try await cutover.execute(try await cutover.plan(), roles: [], limit: 5)
        }
        #expect(try bench.server.psql(bench.url, schemas) == before)
        #expect(try bench.picture() == rows)
        return error
    }

    @Test(arguments: [
        (
            "varchar(50) CHECK (status IN ('pending', 'running', 'completed', 'failed'))",
            "forbidden by background_jobs_status_check"
        ),
        ("job_status", "not in enum job_status"), ("varchar(10)", "longer than the column"),
        ("varchar(50) CHECK (status = lower(status) AND length(status) < 12)", "forbidden by"),
    ])
    func aStatusColumnThatForbidsTheWords(_ type: String, _ found: String) async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder, status: type)
            try bench.add(3)
            let error = try await refusal(bench)
            #expect(error?.reason == .forbiddenStatus)
            #expect(error?.found.contains(found) == true, "\(error?.found ?? "")")
            #expect(error?.advice.contains("by: due") == true)
            // Deferring needs no new word.
            let file = QueueSwitchSQLTests.root.appendingPathComponent("mappings/profiles/background_jobs.yaml")
            let text = try String(contentsOf: file, encoding: .utf8).replacing("by: status", with: "by: due")
            let queue = try await bench.open(profile: QueueProfile(yaml: text, file: "due.yaml"))
            try await bench.cutOver(queue)
            let job = try bench.take("dag/1", 1)[0]
            #expect(try bench.finish(job, "dag/1", "success") == "success")
            try await bench.rollBack(queue)
            try await queue.uninstall()
        }
    }

    @Test func anApplicationsOwnTriggerThatForbidsTheWords() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.add(1)
            try bench.server.psql(
                bench.url,
                """
                CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'unheard of: %', new.status; END $$;
                CREATE TRIGGER no BEFORE UPDATE ON tasks.background_jobs FOR EACH ROW WHEN (new.status LIKE 'bailey%') EXECUTE FUNCTION no();
                """
            )
            let error = try await refusal(bench)
            #expect(error?.reason == .forbiddenStatus)
            #expect(error?.found.contains("unheard of: bailey_held") == true)
        }
    }

    @Test func noRightsAndThenTheAdministratorsScript() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.add(3)
            let role = "clerk_\(UUID().uuidString.prefix(8).lowercased())"
            try bench.server.psql(
                bench.url,
                "CREATE ROLE \(role) LOGIN; GRANT USAGE ON SCHEMA tasks TO \(role); GRANT SELECT ON tasks.background_jobs TO \(role)"
            )
            let own = bench.url.replacing("postgres@", with: "\(role)@")
            let error = try await refusal(bench, own)
            #expect(error?.reason == .noRights)
            #expect(error?.found.contains("TRIGGER on tasks.background_jobs") == true)
            #expect(error?.found.contains("CREATE in the database") == true)
            #expect(error?.advice.contains("--sql") == true)
            let queue = try await bench.open(own)
            let script = folder.appendingPathComponent("install.sql")
            try Data(queue.script(roles: [role]).utf8).write(to: script)
            for _ in 1...2 {
                let ended = try run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", bench.url, "-f", script.path)
                #expect(ended.status == 0, "\(ended.errors)")
            }
            #expect(try await queue.readiness().installation == .present)
            try await bench.cutOver(queue)
            #expect(try await queue.standing("export").held == 3)
            let job = try bench.server.psql(own, "SELECT job FROM bailey.take('jobs', 'export', 'dag/1', 1)")
            #expect(
                try bench.server.psql(own, "SELECT bailey.finish('jobs', '\(job)', 'dag/1', 'success', NULL)")
                    == "success"
            )
            try await bench.rollBack(queue)
            #expect(try await queue.standing("export").waiting == 2)
            // Everybody else may do nothing.
            let other = "other_\(UUID().uuidString.prefix(8).lowercased())"
            try bench.server.psql(bench.url, "CREATE ROLE \(other) LOGIN; GRANT USAGE ON SCHEMA bailey TO \(other)")
            #expect(throws: NotInTime.self) {
                try bench.server.psql(
                    bench.url.replacing("postgres@", with: "\(other)@"),
                    "SELECT * FROM bailey.take('jobs', 'export', 'x', 1)"
                )
            }
        }
    }

    @Test func aMissingColumnAndAMissingTable() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.server.psql(bench.url, "ALTER TABLE tasks.background_jobs RENAME retry_count TO tries")
            let error = try await refusal(bench)
            #expect(error?.reason == .missingColumn)
            #expect(error?.found.contains("no column retry_count, which the profile names as attempts") == true)
            var profile = bench.profile
            profile.table = "tasks.elsewhere"
            #expect(try await refusal(bench, profile: profile)?.found == "there is no table tasks.elsewhere")
        }
    }

    @Test func aProfileThatDoesNotSayHowToHold() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            var profile = bench.profile
            profile.hold = nil
            let error = await #expect(throws: Refusal.self) { try await bench.open(profile: profile) }
            #expect(error?.reason == .noHold)
        }
    }

    @Test func aDatabaseThatIsReadOnlyByDefault() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            let name = bench.url.split(separator: "/").last.map(String.init) ?? ""
            try bench.server.psql(bench.url, "ALTER DATABASE \(name) SET default_transaction_read_only = on")
            #expect(try await refusal(bench)?.reason == .readOnly)
        }
    }

    @Test func aSchemaOfAnotherVersionOrOfSomebodyElse() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            try bench.server.psql(bench.url, "CREATE SCHEMA bailey; CREATE TABLE bailey.switch (mine int)")
            #expect(try await refusal(bench)?.reason == .foreignSchema)
            try bench.server.psql(bench.url, "DROP SCHEMA bailey CASCADE")
            let queue = try await bench.open()
            try await queue.install()
            try bench.server.psql(bench.url, "UPDATE bailey.version SET version = 7")
            #expect(try await refusal(bench)?.reason == .foreignSchema)
            let error = await #expect(throws: Refusal.self) { try await queue.uninstall() }
            #expect(error?.reason == .foreignSchema)
        }
    }

    @Test func aServerThatIsNotThere() async throws {
        try await withFolder { folder in
            let bench = try QueueBench(folder)
            let error = await #expect(throws: PostgresError.self) {
                try await bench.open("postgresql://x@127.0.0.1:1/x")
            }
            #expect(error?.code == .unreachable)
        }
    }
}

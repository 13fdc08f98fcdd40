import Foundation
import LosslessJSON
import TestSupport
import Testing

@Suite("bailey, with systems that fail it", .timeLimit(.minutes(2))) struct SystemsTests {
    /// Runs commands, expects the status and the words, and that no output shows the word `hidden-word`.
    private func refused(
        redis: String? = nil,
        postgres: String? = nil,
        by commands: [[String]] = [["import", "--json"], ["doctor", "--json"]],
        _ wanted: String...
    ) async throws {
        try await withFolder { folder in
            var bailey = Bailey(in: folder)
            try bailey.settle(redis: redis, postgres: postgres)
            for words in commands {
                let ended = try await bailey.start(words).ended(within: 60)
                let all = ended.output + ended.errors
                #expect(ended.status == 3, "\(words): \(all)")
                for text in wanted { #expect(all.contains(text), "\(words): \(all)") }
                #expect(!all.contains("hidden-word"), "\(words)")
                if words == ["doctor", "--json"] {
                    let checks = try JSON(parsing: ended.output)["checks"]?.array
                    #expect(checks?.contains { $0["ok"] == false } == true)
                }
            }
            #expect(bailey.leftovers().isEmpty)
        }
    }

    @Test func nobodyThere() async throws {
        try await refused(
            redis: "redis://u:hidden-word@127.0.0.1:1/0",
            "Redis at redis://127.0.0.1:1/0",
            "connecting",
            "See whether Redis runs there"
        )
        try await refused(
            postgres: "postgresql://u:hidden-word@127.0.0.1:1/d",
            "PostgreSQL at postgresql://127.0.0.1:1/d",
            "connecting"
        )
        try await refused(redis: "redis+socket:///nowhere/s?virtual_host=1", "redis+socket:///nowhere/s")
    }

    @Test func aServerOfAnotherKind() async throws {
        let port = try PostgresServer.running().port
        try await refused(redis: "redis://:hidden-word@127.0.0.1:\(port)/0", "Redis at redis://127.0.0.1:\(port)/0")
        try await withRedis { server in
            try await refused(
                postgres: "postgresql://u:hidden-word@127.0.0.1:\(server.port)/d",
                by: [["import"]],
                "PostgreSQL at"
            )
            // Neither side says anything more here, so each waits for its ten seconds. Plain text where TLS is wanted:
            try await refused(
                redis: "rediss://:hidden-word@127.0.0.1:\(server.port)/0",
                by: [["import"]],
                "Redis at rediss://"
            )
        }
    }

    @Test func wrongPasswordsAndRights() async throws {
        try await withRedis(password: "right-word") { server in
            try await refused(
                redis: "redis://:hidden-word@127.0.0.1:\(server.port)/0",
                "AUTH",
                "Check the user and password"
            )
            try await refused(redis: "redis://127.0.0.1:\(server.port)/0", "Check the user and password")
            try server.cli("ACL", "SETUSER", "blind", "on", ">hidden-word", "+ping", "+auth", "+select")
            try await refused(
                redis: "redis://blind:hidden-word@127.0.0.1:\(server.port)/0",
                "the user may not do this"
            )
        }
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.psql(url, jobsTable)
        try server.psql(
            url,
            """
            DO $$ BEGIN CREATE ROLE locked LOGIN PASSWORD 'right'; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
            DO $$ BEGIN CREATE ROLE blind LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$
            """
        )
        try await refused(
            postgres: url.replacing("postgres@", with: "locked:hidden-word@"),
            "password authentication failed"
        )
        try await refused(
            postgres: url.replacing("postgres@", with: "blind:hidden-word@"),
            "permission denied",
            "Grant the right"
        )
    }

    @Test func aTableOrColumnThatIsNotThere() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        try await refused(postgres: url, "there is no table tasks.background_jobs", "Write the right one as “table”")
        try server.psql(url, jobsTable)
        try server.psql(url, "ALTER TABLE tasks.background_jobs RENAME started_at TO begun_at")
        try await refused(postgres: url, "has no column “started_at”")
    }

    @Test func whatCannotBeReadIsListedAndTheRestIsImported() async throws {
        try await withRedis(password: "hidden-word") { server in
            try server.addEntry("good")
            try server.addEntry("moon", schedule: #"{"__type__":"lunar"}"#)
            try server.cli("HSET", "redbeat:torn", "definition", "{oops")
            try server.cli(
                "HSET",
                "redbeat:odd-meta",
                "definition",
                redbeatDefinition("odd-meta"),
                "meta",
                "{\"last_run_at\":"
            )
            try server.cli("HSET", "redbeat:bytes", "definition", "{\"name\":\"\u{1}\"}")
            try server.cli("ZADD", "redbeat::schedule", "1", "redbeat:gone")
            var bailey = Bailey(in: server.folder)
            try bailey.settle(redis: server.url)
            let ended = try await bailey.run("import", "--json")
            #expect(ended.status == 0, "\(ended.errors)")
            #expect(!(ended.output + ended.errors).contains("hidden-word"))
            let inventory = try JSON(parsing: ended.output)
            let reasons = Dictionary(
                uniqueKeysWithValues: (inventory["unread"]?.array ?? []).map {
                    ($0["key"]?.string ?? "", $0["reason"]?.string ?? "")
                }
            )
            #expect(
                reasons == [
                    "redbeat:moon": "unknown-schedule", "redbeat:torn": "malformed-json",
                    "redbeat:odd-meta": "malformed-json",
                    "redbeat:bytes": "malformed-json", "redbeat:gone": "dangling",
                ]
            )
            #expect(inventory["entries"]?.array?.map { $0["id"]?.string } == ["s/good"])
            #expect(inventory["sources"]?.array?.first?["found"]?.int == 6)
            let people = try await bailey.run("import")
            for key in reasons.keys { #expect(people.output.contains(key), "\(key)") }
            // The plan goes on with what was read, and names what was not.
            let plan = try await bailey.run("plan")
            #expect(plan.output.contains("s/good") && plan.output.contains("redbeat:torn"))
            #expect(plan.status == 0 || plan.status == 1)
        }
    }

    /// A database file that cannot grow, and DAG files that cannot be written whole.
    @Test func aFullDiskLeavesTheOldDAGFile() async throws {
        try await withRedis { server in
            try server.addEntry("big", args: "[1]")
            var bailey = Bailey(in: server.folder)
            try bailey.settle(redis: server.url)
            #expect(try await bailey.run("import").status == 0)
            #expect(try await bailey.run("generate").status == 0)
            let dags = server.folder.path + "/dags"
            let names = Set(try FileManager.default.contentsOfDirectory(atPath: dags))
            let old = FileManager.default.contents(atPath: dags + "/s__big.py")
            try server.addEntry("big", args: "[\"\(String(repeating: "x", count: 200_000))\"]")
            #expect(try await bailey.run("import").status == 0)
            // The state's shared memory needs 32 KiB; a program that ignores the signal gets the error.
            let ended = try await bailey.run(
                "generate",
                wrapper: ["prlimit", "--fsize=100000", "env", "--ignore-signal=XFSZ"]
            )
            #expect(ended.status == 3, "\(ended.errors)")
            #expect(ended.errors.contains("s__big.py") && ended.errors.contains("unchanged"), "\(ended.errors)")
            #expect(FileManager.default.contents(atPath: dags + "/s__big.py") == old)
            #expect(Set(try FileManager.default.contentsOfDirectory(atPath: dags)) == names)
            #expect(bailey.leftovers().isEmpty)
            #expect(try await bailey.run("generate").output.contains("updated  dags/s__big.py"))
        }
    }

    /// Whether this machine lets us mount a file system of our own.
    private static var mayMount: Bool {
        let probe = try? Running(["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"]).ended()
        return probe?.status == 0
    }

    /// The same on a file system that is really full: it has room for the old file and not for the new one beside it.
    @Test(.enabled(if: mayMount)) func aFileSystemThatIsFullLeavesTheOldDAGFile() async throws {
        try await withRedis { server in
            try server.addEntry("big", args: "[1]")
            var bailey = Bailey(in: server.folder)
            try bailey.settle(redis: server.url)
            #expect(try await bailey.run("import").status == 0)
            #expect(try await bailey.run("generate").status == 0)
            let folder = server.folder.path
            let old = FileManager.default.contents(atPath: folder + "/dags/s__big.py")
            try server.addEntry("big", args: "[\"\(String(repeating: "x", count: 200_000))\"]")
            #expect(try await bailey.run("import").status == 0)
            // The small file system is seen by this one program alone; what it leaves is copied out.
            let script = """
                cp -a "$0/dags" "$0/before" && mount -t tmpfs -o size=100k none "$0/dags" && cp -a "$0/before/." "$0/dags" || exit 99
                "$@"; status=$?
                cp -a "$0/dags" "$0/after"; exit $status
                """
            let ended = try await bailey.run("generate", wrapper: ["unshare", "-m", "sh", "-c", script, folder])
            #expect(ended.status == 3, "\(ended.errors)")
            #expect(ended.errors.contains("s__big.py") && ended.errors.contains("No space left"), "\(ended.errors)")
            #expect(FileManager.default.contents(atPath: folder + "/after/s__big.py") == old)
            #expect(
                try Set(FileManager.default.contentsOfDirectory(atPath: folder + "/after"))
                    == Set(FileManager.default.contentsOfDirectory(atPath: folder + "/before"))
            )
        }
    }
}

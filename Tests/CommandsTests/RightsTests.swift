import Foundation
import LosslessJSON
import TestSupport
import Testing

@Suite("The least rights, with real users that have no more", .timeLimit(.minutes(10))) struct RightsTests {
    /// The lines that `doctor --rights` prints for a command.
    private func lines(_ bailey: Bailey, _ command: String, last: Bool = false) async throws -> [String] {
        let printed = try await bailey.run("doctor", "--rights", "--json")
        #expect(printed.status == 0, "\(printed.errors)")
        let needs = try JSON(parsing: printed.output)["needs"]?.array ?? []
        let found = needs.filter { $0["commands"]?.string?.contains(command) == true }
        return ((last ? found.last : found.first)?["lines"]?.array ?? []).compactMap(\.string)
    }

    @Test(arguments: [["import"], ["shadow", "--from-history"], ["status"]])
    func aRedisUserWithExactlyThese(words: [String]) async throws {
        try await withRedis { server in
            for name in ["a", "b"] {
                try server.addEntry(name, task: name)
                try server.addResults(0..<2, task: name)
            }
            var bailey = Bailey(in: server.folder)
            try bailey.settle(redis: server.url)
            #expect(try await bailey.run("import").status == 0)
            let line = try #require(await lines(bailey, words[0] == "import" ? "import" : words[0]).first)
            let rights = line.split(separator: " ").map(String.init).dropFirst(3)
            func user(without right: String? = nil) throws {
                let rules = rights.filter { $0 != right }.map { $0.replacing("PASSWORD", with: "x") }
                let made = try Running(["redis-cli", "-s", server.socket, "ACL", "SETUSER", "bailey"] + rules).ended()
                #expect(made.output.contains("OK"), "\(made.output)")
            }
            try bailey.settle(redis: server.url.replacing("redis://", with: "redis://bailey:x@"))
            try user()
            let done = try await bailey.start(words).ended(within: 60)
            #expect([0, 1].contains(done.status), "\(done.status) \(done.errors)")
            #expect(!(done.output + done.errors).contains("NOPERM"), "\(done.errors)")
            // What one step needs only where there is a switch, or a lock, is tried with those in the tests of the switch.
            let elsewhere: Set<String> =
                switch words[0] {
                case "status": ["+hmget", "+exists", "+pttl", "+evalsha"]
                // It works on the inventory that is there.
                case "shadow": ["+zrange", "+smembers", "+hmget"]
                default: []
                }
            for right in rights where right.hasPrefix("+") && !elsewhere.contains(right) {
                try user(without: right)
                let less = try await bailey.start(words).ended(within: 60)
                let said = less.output + less.errors
                #expect(less.status != 0 || words[0] == "status", "\(words) without \(right): \(said)")
                #expect(said.contains("may not do this"), "\(words) without \(right): \(said)")
            }
        }
    }

    @Test func aPostgresUserWithExactlyThese() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.psql(url, jobsTable)
        let name = String(url.split(separator: "/").last ?? "")
        try server.psql(
            url,
            "DO $$ BEGIN CREATE ROLE bailey LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; REVOKE CONNECT ON DATABASE \(name) FROM PUBLIC"
        )
        try await withFolder { folder in
            var bailey = Bailey(in: folder)
            try bailey.settle(postgres: url.replacing("postgres@", with: "bailey@"))
            let grants = try await lines(bailey, "import")
            #expect(grants.count == 3)
            for grant in grants { try server.psql(url, grant) }
            let done = try await bailey.run("import")
            #expect(done.status == 0, "\(done.errors)")
            for grant in grants {
                let revoked = grant.replacing("GRANT", with: "REVOKE").replacing(" TO ", with: " FROM ")
                try server.psql(url, revoked)
                let less = try await bailey.run("import")
                #expect(less.status == 3, "without \(grant): \(less.output)")
                #expect(less.errors.contains("permission denied"), "without \(grant): \(less.errors)")
                try server.psql(url, grant)
            }
            #expect(try await bailey.run("import").status == 0)
        }
    }
}

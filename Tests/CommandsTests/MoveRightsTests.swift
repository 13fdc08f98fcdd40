import Foundation
import LosslessJSON
import TestSupport
import Testing

@Suite("The least rights on a queue for each step of a move", .timeLimit(.minutes(10))) struct MoveRightsTests {
    private static let override = ["--override", "a test", "--reason", "nothing was compared here"]

    /// The printed grants for a command.
    private func grants(_ bailey: Bailey) async throws -> [String] {
        let printed = try await bailey.run("doctor", "--rights", "--json")
        let needs = try JSON(parsing: printed.output)["needs"]?.array ?? []
        let found = needs.last { $0["commands"]?.string?.contains("cutover") == true }
        return (found?["lines"]?.array ?? []).compactMap(\.string)
    }

    /// Each right alone: `GRANT SELECT, UPDATE ON t` is two.
    private func single(_ grants: [String]) -> [String] {
        grants.flatMap { grant -> [String] in
            guard let on = grant.firstRange(of: " ON ") else { return [grant] }
            let words = grant[..<on.lowerBound].dropFirst("GRANT ".count).split(separator: ",")
            return words.map { "GRANT \($0.trimmingCharacters(in: .whitespaces))\(grant[on.lowerBound...])" }
        }
    }

    @Test func aPostgresUserWithExactlyTheseMovesAQueue() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        let name = String(url.split(separator: "/").last ?? "")
        try server.psql(url, jobsTable)
        try server.psql(
            url,
            """
            DO $$ BEGIN CREATE ROLE mover LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
            REVOKE CONNECT ON DATABASE \(name) FROM PUBLIC;
            """
        )
        try await withFolder { folder in
            var bailey = Bailey(in: folder)
            try bailey.settle(postgres: url.replacing("postgres@", with: "mover@"))
            let all = single(try await grants(bailey)).map { $0.replacing(" TO bailey", with: " TO mover") }
            #expect(all.count >= 6, "\(all)")
            func grant(without: String? = nil) throws {
                for line in all { try server.psql(url, line) }
                guard let without else { return }
                try server.psql(
                    url,
                    without.replacing("GRANT", with: "REVOKE").replacing(" TO ", with: " FROM ")
                )
            }
            try grant()
            let imported = try await bailey.run("import")
            #expect(imported.status == 0, "\(imported.errors)")
            let plan = try JSON(parsing: try await bailey.run("plan", "--json").output)
            let pipeline = try #require(plan["pipelines"]?.array?.first?["pipeline"]?.string, "\(plan.text())")
            let steps = [
                ["status"], ["cutover", pipeline, "--execute"] + Self.override, ["watch", "--once"],
                ["rollback", pipeline, "--execute"],
            ]
            func walk() async throws -> (statuses: [Int32], said: String) {
                var statuses: [Int32] = []
                var said = ""
                for words in steps {
                    let ended = try await bailey.start(words).ended(within: 120)
                    statuses.append(ended.status)
                    said += ended.output + ended.errors
                }
                return (statuses, said)
            }
            let whole = try await walk()
            #expect(whole.statuses == [0, 0, 0, 0], "\(whole.said)")
            #expect(!whole.said.contains("permission denied"), "\(whole.said)")
            for right in all {
                // What an installation left is taken away, so that each walk installs anew.
                try server.psql(
                    url,
                    """
                    DO $$ DECLARE t record; BEGIN
                        FOR t IN SELECT tgrelid::regclass AS place, tgname FROM pg_trigger WHERE tgname LIKE 'bailey%' AND NOT tgisinternal LOOP
                            EXECUTE format('DROP TRIGGER %I ON %s', t.tgname, t.place);
                        END LOOP;
                    END $$;
                    DROP SCHEMA IF EXISTS bailey CASCADE;
                    """
                )
                try grant(without: right)
                let less = try await walk()
                #expect(less.statuses.contains { $0 != 0 }, "without \(right): \(less.said)")
                #expect(less.said.contains("permission denied"), "without \(right): \(less.said)")
                try grant()
            }
        }
    }
}

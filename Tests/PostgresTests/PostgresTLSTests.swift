import Foundation
import Postgres
import TestSupport
import Testing

/// The words for what goes wrong with TLS, from a real PostgreSQL with certificates of all kinds.
@Suite("TLS to PostgreSQL: which parameter trusts the certificate", .timeLimit(.minutes(3))) struct PostgresTLSTests {
    private func refusal(_ url: String) async throws -> PostgresError {
        let error = await #expect(throws: PostgresError.self, "\(url)") {
            _ = try await PostgresConnection(to: PostgresURL(url))
        }
        return try #require(error)
    }

    @Test func eachFaultNamesTheParameterThatMendsIt() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        try await withFolder { folder in
            let authority = try Authority(in: folder)
            try authority.signAll()
            let full = "\(url)?sslmode=verify-full&sslrootcert=\(authority.file)"
            let none = try await refusal(full)
            #expect(none.code == .unreachable && none.advice.contains("speaks no TLS there"), "\(none)")
            // What is served, the URL, and what is said of it; nothing where a session comes about.
            let table: [(served: String, url: String, words: [String])] = [
                ("good", full, []),
                ("good", "\(url)?sslmode=require", []),
                ("good", "\(url)?sslmode=verify-full", ["sslrootcert=FILE"]),
                ("good", "\(url)?sslmode=verify-full&sslrootcert=/nowhere.pem", ["sslrootcert=FILE"]),
                ("good", "\(url)?sslmode=verify-full&sslrootcert=\(authority.path("not.pem"))", ["sslrootcert=FILE"]),
                ("good", "\(url)?sslmode=verify-full&sslrootcert=\(authority.path("good.pem"))", ["sslrootcert=FILE"]),
                ("named", full, ["does not match host name", "sslmode=verify-ca"]),
                ("named", "\(url)?sslmode=verify-ca&sslrootcert=\(authority.file)", []),
                ("over", full, ["certificate verify failed", "one that is over must be renewed at the server"]),
                ("over", "\(url)?sslmode=require", []),
            ]
            var served = ""
            for row in table {
                if row.served != served {
                    try await server.serveTLS(
                        certificate: authority.path("\(row.served).pem"),
                        key: authority.path("\(row.served).key")
                    )
                    served = row.served
                }
                if row.words.isEmpty {
                    let postgres = try await PostgresConnection(to: PostgresURL(row.url))
                    let used = try await postgres.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
                    #expect(try used.first?.bool("ssl") == true, "\(row)")
                } else {
                    let error = try await refusal(row.url)
                    #expect(error.code == .unreachable, "\(error)")
                    for word in row.words { #expect(error.description.contains(word), "\(row.served): \(error)") }
                }
            }
            try await server.serveTLS(certificate: nil, key: nil)
        }
    }
}

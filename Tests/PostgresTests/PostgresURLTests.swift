import Foundation
import Postgres
import TestSupport
import Testing

@Suite("URLs of PostgreSQL as frameworks write them", .timeLimit(.minutes(3))) struct PostgresURLTests {
    /// With what stands behind the real server's URL, and in place of its scheme.
    private func rows(_ scheme: String, _ parameters: String, _ sql: String) async throws -> String? {
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.psql(
            url,
            "CREATE SCHEMA \"My App\"; CREATE TABLE \"My App\".t (n int); INSERT INTO \"My App\".t VALUES (7)"
        )
        let text = url.replacing("postgresql://", with: scheme + "://") + parameters
        return try await PostgresConnection(to: PostgresURL(text)).query(sql).first?["v"]
    }

    @Test(arguments: ["postgres", "psql", "pgsql", "postgis", "postgresql+psycopg", "POSTGRES"])
    func schemes(scheme: String) async throws {
        #expect(try await rows(scheme, "", "SELECT 1 AS v") == "1")
    }

    @Test(arguments: [
        "?schema=My%20App", "?schema=My%20App&connection_limit=5&pool_timeout=2&pgbouncer=true",
        "?currentSchema=My%20App",
        "?options=-c%20search_path%3D%22My%5C%20App%22", "?connect_timeout=3&schema=My%20App&sslmode=prefer",
    ]) func aSchemaIsWhereTablesAreLookedFor(parameters: String) async throws {
        #expect(try await rows("postgresql", parameters, "SELECT n AS v FROM t") == "7")
    }

    @Test(arguments: [
        "?conn_max_age=600", "?conn_max_age=600&conn_health_checks=true&disable_server_side_cursors=1",
        "?prepared_statement_cache_size=0", "?application_name=mine&connection_limit=1",
    ]) func whatOnlyTheApplicationNeedsIsLeftOut(parameters: String) async throws {
        #expect(try await rows("postgres", parameters, "SELECT 1 AS v") == "1")
        // What Bailey sets for its own session holds all the same.
        let sql = "SELECT current_setting('default_transaction_read_only') AS v"
        #expect(try await rows("postgres", parameters, sql) == "on")
    }

    @Test func theSessionStaysReadOnlyWhateverTheURLSays() async throws {
        let url = try PostgresServer.running().database() + "?options=-c%20default_transaction_read_only%3Doff"
        let postgres = try await PostgresConnection(to: PostgresURL(url))
        let error = await #expect(throws: PostgresError.self) { try await postgres.query("CREATE TABLE t (n int)") }
        #expect(error?.state == "25006")
    }

    @Test func aParameterThatNobodyKnowsIsNamed() throws {
        let error = #expect(throws: PostgresError.self) { try PostgresURL("postgres://u:hidden@h/d?shema=public") }
        #expect(error?.code == .badURL)
        #expect(error?.found.contains("“shema”") == true)
        #expect(error?.description.contains("hidden") == false)
    }

    @Test func whoWantsTLSAndGetsNoneIsToldWhichParameterDecides() async throws {
        let url = try PostgresServer.running().database() + "?sslmode=require"
        let error = await #expect(throws: PostgresError.self) { _ = try await PostgresConnection(to: PostgresURL(url)) }
        #expect(error?.advice.contains("sslrootcert") == true, "\(error as Any)")
    }
}

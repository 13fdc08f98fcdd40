import Foundation
import Testing
import Warehouse

@Suite("Which warehouse it is, and how its tables are made") struct WarehouseServerTests {
    private static let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "Golden"
    )

    private func server(_ version: String, _ number: Int, hasSegments: Bool = false) throws(WarehouseError)
        -> WarehouseServer
    {
        try WarehouseServer(version: version, number: number, hasSegments: hasSegments, address: "a")
    }

    @Test func theProductIsFoundFromItsOwnWords() throws {
        let known: [(String, Int, String, WarehouseServer.Grammar)] = [
            (
                "PostgreSQL 15.20 (Debian 15.20-1.pgdg120+1) on x86_64-pc-linux-gnu, compiled by gcc", 150_020,
                "PostgreSQL 15.20", .postgres
            ),
            (
                "PostgreSQL 9.4.26 (Greenplum Database 6.25.3 build commit:abc Open Source) on x86_64", 90_426,
                "Greenplum Database 6.25.3", .classic
            ),
            (
                "PostgreSQL 12.12 (Greenplum Database 7.1.0 build commit:abc Open Source) on x86_64", 120_012,
                "Greenplum Database 7.1.0", .modern
            ),
            (
                "PostgreSQL 9.4.26 (Greengage Database 6.27.0 build dev) on x86_64", 90_426,
                "Greengage Database 6.27.0",
                .classic
            ),
            (
                "PostgreSQL 14.4 (Cloudberry Database 1.6.0 build 1) on x86_64", 140_004, "Cloudberry Database 1.6.0",
                .modern
            ),
            (
                "PostgreSQL 14.4 (Apache Cloudberry 2.0.0-incubating build 1) on x86_64", 140_004,
                "Apache Cloudberry 2.0.0", .modern
            ),
            // A development version says 9.4 and can what 12 can.
            (
                "PostgreSQL 9.4.20 (Greenplum Database 7.0.0-alpha.0 build dev) on x86_64", 120_000,
                "Greenplum Database 7.0.0", .modern
            ),
        ]
        for (version, number, name, grammar) in known {
            let found = try server(version, number)
            #expect(found.name == name)
            #expect(found.grammar == grammar, "\(version)")
        }
        let other = try server("PostgreSQL 14.4 (SynxDB 4.0) on x86_64", 140_004, hasSegments: true)
        #expect(other.grammar == .modern)
        #expect(other.name.hasPrefix("a relative of Greenplum"))
    }

    @Test func whatIsTooOldOrUnknownIsRefusedInWords() {
        for (version, number, word) in [
            ("PostgreSQL 9.6.24 on x86_64", 90_624, "too old"),
            ("PostgreSQL 8.3.23 (Greenplum Database 5.28.0) on x86_64", 80_323, "too old"),
            ("PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC, Redshift 1.0.12103", 80_002, "does not know"),
            ("CockroachDB CCL v23.1.11", 130_000, "does not know"),
        ] {
            let error = #expect(throws: WarehouseError.self) { try server(version, number) }
            #expect(error?.kind == .server)
            #expect(error?.description.contains(word) == true, "\(version)")
            #expect(error?.description.contains("Take PostgreSQL 10") == true)
        }
    }

    /// PostgreSQL's are run for real; of Greenplum and its relatives the text is all that is tested. Set `BAILEY_WRITE_GOLDEN=1` to write
    /// them anew, and read the difference.
    @Test(arguments: [
        ("postgresql", WarehouseLayout(.postgres)), ("postgresql_monthly", WarehouseLayout(.postgres, isMonthly: true)),
        ("greenplum6", WarehouseLayout(.classic)), ("greenplum7", WarehouseLayout(.modern)),
    ])
    func theSQLIsTheReviewedOne(_ name: String, _ layout: WarehouseLayout) throws {
        let month = try #require(WarehouseMonth(day: "2026-12-31"))
        let made = layout.script(schema: "bailey_history", from: month)
        let file = WarehouseServerTests.golden.appendingPathComponent("\(name).sql")
        if ProcessInfo.processInfo.environment["BAILEY_WRITE_GOLDEN"] == "1" { try Data(made.utf8).write(to: file) }
        #expect(try String(contentsOf: file, encoding: .utf8) == made)
    }

    /// What Greenplum 6 has no grammar for, by its vendor's documents.
    @Test func theClassicGrammarHasNothingThatItsServersDoNotKnow() throws {
        let month = try #require(WarehouseMonth(day: "2026-11-30"))
        let made = WarehouseLayout(.classic).script(schema: "s", from: month).uppercased()
        for word in ["ON CONFLICT", "USING AO", "PARTITION OF", "GENERATED", "JSONB", "INDEX IF NOT"] {
            #expect(!made.contains(word), "\(word)")
        }
        #expect(made.components(separatedBy: "DISTRIBUTED BY").count - 1 == 9)
        #expect(made.components(separatedBy: "DISTRIBUTED REPLICATED").count - 1 == 4)
    }
}

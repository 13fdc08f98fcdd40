import Foundation
import LosslessJSON
import Postgres
import TestSupport
import Testing
import Warehouse

@Suite("Writing to a warehouse, on a real PostgreSQL", .timeLimit(.minutes(5))) struct WarehouseWritingTests {
    private func entries(_ url: String) throws -> [String] {
        try PostgresServer.running().psql(url, "SELECT entry FROM history.tick ORDER BY entry COLLATE \"C\"").split(
            separator: "\n"
        ).map(String.init)
    }

    @Test(arguments: WarehouseBench.allCases)
    func aPartIsReplacedAsAWhole(_ bench: WarehouseBench) async throws {
        let url = try await bench.database()
        let warehouse = try await bench.ready(url)
        #expect(warehouse.missing.isEmpty)
        let hostile = "s/Ж'\"\\{},\u{0}\n$1; DROP TABLE tick"
        let first = Fires("fired a", ["s/1", "s/2", hostile])
        let other = Fires("fired b", day: "2027-02-01", (0..<2500).map { "t/\($0)" })
        try await warehouse.write([first, other])
        #expect(try entries(url).count == 2504, "a line end in a name makes two lines of it")
        let known = try await warehouse.parts(of: "fired")
        #expect(known == ["fired a": first.part, "fired b": other.part])
        // Another day, other rows.
        let second = Fires("fired a", day: "2026-12-01", digest: "2", ["s/2", "s/3"])
        try await warehouse.write([second], over: [first])
        #expect(try entries(url).filter { $0.hasPrefix("s/") } == ["s/2", "s/3"])
        #expect(try await warehouse.parts(named: ["fired a"]).values.first == second.part)
        // It is no more.
        try await warehouse.replace([second.part], by: [], in: [.tick]) { _ in }
        #expect(try entries(url).count == 2500)
        #expect(try await warehouse.parts(of: "fired").keys.sorted() == ["fired b"])
        if bench == .segments {
            let server = try PostgresServer.running()
            let spread = try server.psql(url, "SELECT count(DISTINCT tableoid) FROM history.tick")
            #expect(spread == "4")
        }
        if bench == .monthly {
            let months = try PostgresServer.running().psql(
                url,
                "SELECT count(*) FROM pg_inherits WHERE inhparent = 'history.tick'::regclass"
            )
            #expect(months == "3")
        }
    }

    @Test(arguments: WarehouseBench.allCases)
    func whatIsCutInTheMiddleLeavesNothingAndIsContinued(_ bench: WarehouseBench) async throws {
        let url = try await bench.database()
        let warehouse = try await bench.ready(url)
        let first = Fires("fired a", ["s/1"])
        try await warehouse.write([first])
        let second = Fires("fired b", (0..<3000).map { "t/\($0)" })
        let server = try PostgresServer.running()
        let error = await #expect(throws: (any Error).self) {
            try await warehouse.replace([], by: [second.part], in: [.tick]) { stage in
                for (place, row) in second.rows.enumerated() {
                    // A thousand rows have reached the server by then.
                    if place == 2000 {
                        try server.psql(
                            url,
                            """
                            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                            WHERE application_name = 'bailey' AND datname = current_database()
                            """
                        )
                    }
                    try await stage.add(row)
                }
            }
        }
        #expect((error as? PostgresError)?.code == .closed, "\(String(describing: error))")
        #expect(try entries(url) == ["s/1"])
        let again = try await bench.open(url)
        #expect(try await again.parts(of: "fired").keys.sorted() == ["fired a"])
        try await again.write([second])
        #expect(try entries(url).count == 3001)
    }

    @Test func twoThatWriteTheSameAtOnceLeaveItOnce() async throws {
        let url = try await WarehouseBench.plain.database()
        let one = try await WarehouseBench.plain.ready(url)
        let two = try await WarehouseBench.plain.open(url)
        let fires = Fires("fired a", ["s/1", "s/2"])
        async let first: Void = one.write([fires], over: [fires])
        async let second: Void = two.write([fires], over: [fires])
        _ = try await (first, second)
        #expect(try entries(url) == ["s/1", "s/2"])
    }

    @Test func lookingChangesNothing() async throws {
        let url = try await WarehouseBench.plain.database()
        let warehouse = try await WarehouseBench.plain.open(url, writes: false)
        #expect(warehouse.lacksSchema)
        #expect(warehouse.missing == WarehouseTable.allCases)
        #expect(warehouse.lacks.isEmpty)
        #expect(try await warehouse.parts(of: "fired").isEmpty)
        let error = await #expect(throws: PostgresError.self) {
            try await warehouse.prepare(identity: "one", day: WarehouseBench.day)
        }
        #expect(error?.state == "25006")
        let schemas = try PostgresServer.running().psql(
            url,
            "SELECT count(*) FROM pg_namespace WHERE nspname = 'history'"
        )
        #expect(schemas == "0")
    }

    @Test func missingRightsAreNamedAndNothingIsTried() async throws {
        let server = try PostgresServer.running()
        let url = try await WarehouseBench.plain.database()
        let name = "u\(url.split(separator: "/").last ?? "")"
        try server.psql(url, "CREATE ROLE \(name) LOGIN")
        let theirs = url.replacing("postgres@", with: "\(name)@")
        let looked = try await WarehouseBench.plain.open(theirs, writes: false)
        #expect(looked.lacks.count == 1)
        #expect(looked.lacks.first?.hasPrefix("GRANT CREATE ON DATABASE") == true)
        let error = await #expect(throws: WarehouseError.self) {
            try await WarehouseBench.plain.open(theirs).prepare(identity: "one", day: WarehouseBench.day)
        }
        #expect(error?.kind == .rights)
        // What the words say is enough.
        try server.psql(url, try #require(looked.lacks.first))
        let granted = try await WarehouseBench.plain.open(theirs)
        try await granted.prepare(identity: "one", day: WarehouseBench.day)
        try await WarehouseBench.plain.open(theirs).write([Fires("fired a", ["s/1"])])
        // Tables of somebody else's.
        let other = try await WarehouseBench.plain.database()
        _ = try await WarehouseBench.plain.ready(other)
        let theirOther = other.replacing("postgres@", with: "\(name)@")
        try server.psql(
            other,
            "GRANT USAGE ON SCHEMA history TO \(name); GRANT SELECT ON history.export_state TO \(name)"
        )
        let closed = try await WarehouseBench.plain.open(theirOther, writes: false)
        #expect(closed.lacks.map { $0.prefix(29) } == ["GRANT SELECT, INSERT, DELETE "])
        try server.psql(other, try #require(closed.lacks.first))
        try await WarehouseBench.plain.open(theirOther).write([Fires("fired a", ["s/1"])])
    }

    @Test func aSchemaOfSomebodyElseIsLeftAlone() async throws {
        let server = try PostgresServer.running()
        let url = try await WarehouseBench.plain.database()
        try server.psql(url, "CREATE SCHEMA history; CREATE TABLE history.run (n int)")
        let error = await #expect(throws: WarehouseError.self) { try await WarehouseBench.plain.open(url) }
        #expect(error?.kind == .foreign)
        let own = try await WarehouseBench.plain.database()
        _ = try await WarehouseBench.plain.ready(own)
        let other = await #expect(throws: WarehouseError.self) {
            try await WarehouseBench.plain.open(own, identity: "two")
        }
        #expect(other?.description.contains("another Bailey's state writes there") == true)
        try server.psql(own, "DROP TABLE history.tick CASCADE")
        let gone = await #expect(throws: WarehouseError.self) { try await WarehouseBench.plain.open(own) }
        #expect(gone?.description.contains("of its tables tick are gone") == true)
        try server.psql(own, "UPDATE history.export_state SET value = '9' WHERE name = 'version'")
        let newer = await #expect(throws: WarehouseError.self) { try await WarehouseBench.plain.open(own) }
        #expect(newer?.description.contains("have the form 9") == true)
    }

    /// The SQL that an administrator runs makes what the export would.
    @Test(arguments: [false, true]) func whatIsPrintedIsWhatIsMade(_ isMonthly: Bool) async throws {
        let bench: WarehouseBench = isMonthly ? .monthly : .plain
        let url = try await bench.database()
        let month = try #require(WarehouseMonth(day: WarehouseBench.day))
        let script = WarehouseLayout(.postgres, isMonthly: isMonthly).script(schema: "history", from: month)
        try PostgresServer.running().psql(url, script)
        let warehouse = try await bench.ready(url)
        #expect(warehouse.missing.isEmpty)
        #expect(warehouse.layout.isMonthly == isMonthly)
        try await warehouse.write([Fires("fired a", ["s/1"]), Fires("fired b", day: "2026-12-01", ["s/2"])])
        #expect(try entries(url) == ["s/1", "s/2"])
    }
}

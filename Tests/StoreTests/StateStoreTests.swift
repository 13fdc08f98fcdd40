import Foundation
import GRDB
import LosslessJSON
import Migration
import Schedules
import Store
import TestSupport
import Testing

@Suite("Bailey's own state", .timeLimit(.minutes(3))) struct StateStoreTests {
    private func comparison(_ number: Int, note: String = "") -> Comparison {
        let key = Outcome.Key(entry: EntryID(source: "s", name: "e"), job: "\(number)")
        let outcome = Outcome(key: key, side: .legacy, run: "\(number)\(note)", state: .success)
        return Comparison(key: key, pipeline: "p", legacy: outcome, shadow: nil, verdict: .match)
    }

    /// The tables and indexes of a file.
    private func schema(_ path: String) throws -> [String] {
        try DatabaseQueue(path: path).read { database in
            try String.fetchAll(
                database,
                sql: "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name"
            )
            .map { $0.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
        }
    }

    @Test func aStoreOfTheFirstVersionIsBroughtUpToDateWithItsData() async throws {
        try await withFolder { folder in
            let old = folder.path + "/old.sqlite"
            let sql = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
                "Fixtures/state-1.sql"
            )
            let text = try String(contentsOf: sql, encoding: .utf8)
            try await DatabaseQueue(path: old).write { try $0.execute(sql: text) }
            let store = try StateStore(path: old)
            let inventory = try #require(try store.latestInventory())
            #expect(inventory.entries.map(\.id.description) == ["jobs/export_data", "scheduler/update-feature-store"])
            #expect(inventory.entries.last?.raw.contains { $0.field == "definition" } == true)
            #expect(try store.comparisons().map(\.verdict) == [.match, .mismatch])
            // What a new store has, an old one has after opening.
            let new = folder.path + "/new/deep/state.sqlite"
            _ = try StateStore(path: new)
            #expect(try schema(old) == schema(new))
            // Opening again changes nothing.
            #expect(try StateStore(path: old).comparisons().count == 2)
        }
    }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test func nobodyElseReadsIt() async throws {
        try await withFolder { folder in
            let path = folder.path + "/own/state.sqlite"
            umask(0)
            defer { umask(0o022) }
            let store = try StateStore(path: path)
            try store.save([comparison(1)], at: Instant(seconds: 1))
            #expect(try mode(folder.path + "/own") == 0o700)
            for end in ["", "-wal", "-shm"] { #expect(try mode(path + end) == 0o600, "\(end)") }
            // One of an earlier version, which left it to the mask.
            for end in ["", "-wal", "-shm"] { #expect(chmod(path + end, 0o666) == 0) }
            let again = try StateStore(path: path)
            #expect(try again.comparisons().count == 1)
            for end in ["", "-wal", "-shm"] { #expect(try mode(path + end) == 0o600, "\(end)") }
        }
    }

    @Test func whatANewerBaileyHasWrittenIsLeftAlone() async throws {
        try await withFolder { folder in
            let path = folder.path + "/state.sqlite"
            try StateStore(path: path).save([comparison(1)], at: Instant(seconds: 1))
            try await DatabaseQueue(path: path).write {
                try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('99 what is not known yet')")
            }
            let error = try #require(throws: StoreError.self) { try StateStore(path: path) }
            #expect(
                error.description.contains("newer Bailey") && error.description.contains("99 what is not known yet")
            )
            #expect(!error.description.contains("disk is full"))
        }
    }

    @Test func aComparisonTakesThePlaceOfTheOneOfTheSameRun() async throws {
        try await withFolder { folder in
            let store = try StateStore(path: folder.path + "/state.sqlite")
            try store.save([comparison(1), comparison(2)], at: Instant(microseconds: 0))
            try store.save([comparison(1, note: "again")], at: Instant(microseconds: 1))
            #expect(Set(try store.comparisons().compactMap(\.legacy?.run)) == ["1again", "2"])
            try store.save((0..<30).map { comparison($0) }, at: Instant(microseconds: 2))
            #expect(try store.comparisons(limitPerPipeline: 7).count == 7)
        }
    }

    @Test func theTenLatestInventoriesAreKept() async throws {
        try await withFolder { folder in
            let path = folder.path + "/state.sqlite"
            let store = try StateStore(path: path)
            for number in 1...12 { try store.save(Inventory(readAt: Instant(microseconds: Int64(number) * 1_000_000))) }
            #expect(try store.latestInventory()?.readAt == Instant(microseconds: 12_000_000))
            let count = try await DatabaseQueue(path: path).read {
                try Int.fetchOne($0, sql: "SELECT count(*) FROM inventory")
            }
            #expect(count == 10)
        }
    }

    @Test func whatIsNoStoreIsRefusedByName() async throws {
        try await withFolder { folder in
            let path = folder.path + "/state.sqlite"
            try Data("this is not a database, it is a text that somebody put here".utf8).write(
                to: URL(fileURLWithPath: path)
            )
            let error = #expect(throws: StoreError.self) { try StateStore(path: path) }
            #expect(error?.description.contains(path) == true)
        }
    }

    @Test func twoProcessesWriteAtOnceAndNothingIsLost() async throws {
        try await withRedis { server in
            var bailey = Bailey(in: server.folder)
            try bailey.settle(redis: server.url)
            for task in ["a", "b"] {
                try server.addEntry(task, task: task)
                try server.addResults(0..<40, task: task)
            }
            // The first opening makes the tables; both race for that too.
            let imports = try [bailey.start(["import"]), bailey.start(["import"])]
            for process in imports {
                let ended = try await process.ended(within: 60)
                #expect(ended.status == 0, "\(ended.errors)")
            }
            let shadows = try ["s__a", "s__b"].map { try bailey.start(["shadow", "--from-history", $0]) }
            for process in shadows {
                let ended = try await process.ended(within: 60)
                #expect(ended.status == 0, "\(ended.errors)")
            }
            let store = try StateStore(path: server.folder.path + "/.bailey/state.sqlite")
            #expect(try store.comparisons(pipeline: "s__a").count == 40)
            #expect(try store.comparisons(pipeline: "s__b").count == 40)
        }
    }

    @Test func aStoreWhoseWriterWasKilledIsWhole() async throws {
        try await withRedis { server in
            var bailey = Bailey(in: server.folder)
            try bailey.settle(redis: server.url)
            try server.addEntry("a", task: "a")
            try server.addResults(0..<3000, task: "a")
            #expect(try await bailey.run("import").status == 0)
            let path = server.folder.path + "/.bailey/state.sqlite"
            let reader = try DatabasePool(path: path)
            var kept = 0
            for killAt in [1, 100, 200] {
                let writer = try bailey.start(["shadow", "--from-history", "--limit", "3000"])
                // Each run rewrites what is there, so progress is seen by the time of writing.
                let before =
                    try await reader.read { try String.fetchOne($0, sql: "SELECT max(compared_at) FROM comparison") }
                    ?? ""
                // Without a pause: the writer is quick.
                var count = 0
                let end = Date(timeIntervalSinceNow: 60)
                while count < killAt, writer.isRunning, Date() < end {
                    count = try await reader.read { database in
                        try Int.fetchOne(
                            database,
                            sql: "SELECT count(*) FROM comparison WHERE compared_at > ?",
                            arguments: [before]
                        ) ?? 0
                    }
                }
                writer.signal(SIGKILL)
                #expect(writer.ended().status == SIGKILL, "it ended before it was killed")
                let store = try StateStore(path: path)
                count = try store.comparisons(limitPerPipeline: 3000).count
                #expect(count >= max(kept, killAt))
                kept = count
                let check = try await reader.read { try String.fetchOne($0, sql: "PRAGMA integrity_check") }
                #expect(check == "ok")
            }
            let ended = try await bailey.run("shadow", "--from-history", "--limit", "3000")
            #expect(ended.status == 0, "\(ended.errors)")
            #expect(try StateStore(path: path).comparisons(limitPerPipeline: 3000).count == 3000)
        }
    }
}

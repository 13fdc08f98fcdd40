import Foundation
import Legacy
import LosslessJSON
import Migration
import Redis
import Schedules
import Synchronization
import TestSupport
import Testing

@Suite("Celery's results, read from a real Redis", .timeLimit(.minutes(2))) struct CeleryRunsTests {
    private let zones = ZoneDatabase()

    private func entry(_ name: String, _ task: String, _ args: JSON = [], _ kwargs: JSON = [:]) -> LegacyEntry {
        LegacyEntry(id: EntryID(source: "s", name: name), kind: .redbeat, task: task, args: args, kwargs: kwargs)
    }

    private func runs(_ server: RedisServer, _ entries: [LegacyEntry]) throws -> CeleryRuns {
        CeleryRuns(url: try RedisURL(server.url), entries: entries, zones: zones) { Instant(microseconds: 5) }
    }

    /// How many keys of results there are, told by redis-cli.
    private func count(_ server: RedisServer) throws -> Int {
        try server.cli("KEYS", "celery-task-meta-*").split(separator: "\n").count
    }

    @Test func aRunBelongsToTheOneEntryThatMakesItsCall() async throws {
        try await withRedis { server in
            try server.load(fixture("07_results_ext.redis"))
            let entries = [
                entry("sum", "lab.add", [1, 1]), entry("twelve", "lab.add", [2, 10], .null),
                entry("bad", "lab.boom", ["bad thing"], .null),
                entry("again", "lab.retry", .null), entry("nap", "lab.sleep", [1]), entry("nap too", "lab.sleep", [1]),
            ]
            let recorded = try await runs(server, entries).recorded(limit: 50)
            let total = recorded.outcomes.count + recorded.unattributed.values.reduce(0, +)
            #expect(try total == count(server))
            let byEntry = Dictionary(grouping: recorded.outcomes, by: \.key.entry.name)
            #expect(byEntry["sum"]?.count == 3)
            #expect(byEntry["sum"]?.allSatisfy { $0.result == 2 && $0.state == .success && $0.attempts == 1 } == true)
            #expect(byEntry["twelve"]?.map(\.run) == ["6fb3171d-3f26-4019-a9eb-cc79ac4e8cad"])
            #expect(byEntry["twelve"]?.first?.end == Instant(iso8601: "2026-11-23T07:06:06.672819Z"))
            #expect(byEntry["again"]?.first?.attempts == 2)
            let twins = recorded.unattributed.filter { $0.key.contains("“nap” and “nap too” make the same call") }
            #expect(twins.values.reduce(0, +) == 2)
            let failed = try #require(byEntry["bad"]?.first)
            #expect(failed.state == .failed && failed.result == nil)
            #expect(failed.error?.type == "ValueError" && failed.error?.message == "bad thing")
            #expect(failed.error?.detail?.contains("Traceback") == true)
        }
    }

    @Test func recordsWithoutATaskNameSayWhatToSet() async throws {
        try await withRedis { server in
            try server.load(fixture("06_results_noext.redis"))
            try server.cli("SET", "celery-task-meta-torn", "{\"status\": \"SUCC")
            let recorded = try await runs(server, [entry("sum", "lab.add", [1, 1])]).recorded(limit: 50)
            #expect(recorded.outcomes.isEmpty)
            #expect(try recorded.unattributed.values.reduce(0, +) == count(server))
            #expect(recorded.unattributed["not a JSON record of Celery's"] == 1)
            #expect(recorded.unattributed.contains { $0.key.contains("result_extended") && $0.value > 3 })
        }
    }

    @Test func oneOddRecordIsOneLineAndTheRestGoesOn() async throws {
        try await withRedis { server in
            func record(_ id: String, _ result: String) throws {
                try server.cli(
                    "SET",
                    "celery-task-meta-\(id)",
                    #"{"status": "SUCCESS", "result": \#(result), "traceback": null, "date_done": "2026-01-01T00:00:00+00:00", "#
                        + #""name": "lab.add", "args": [1, 1], "kwargs": {}, "retries": 0, "task_id": "\#(id)"}"#
                )
            }
            // What only Python calls JSON is a value like any other.
            try record("nan", "NaN")
            try record("infinity", "[Infinity, -Infinity, 1e400]")
            try record("plain", "2")
            // Half a character is spelled out; the others are no JSON at all.
            try record("half", #""\ud800""#)
            try server.cli("SET", "celery-task-meta-closed", "\u{80}\u{4}pickled")
            try server.cli("SET", "celery-task-meta-deep", String(repeating: "[", count: 100_000))
            let recorded = try await runs(server, [entry("sum", "lab.add", [1, 1])]).recorded(limit: 50)
            let results = Dictionary(uniqueKeysWithValues: recorded.outcomes.map { ($0.run, $0.result?.text()) })
            #expect(
                results == [
                    "nan": "NaN", "infinity": "[Infinity,-Infinity,1e400]", "plain": "2", "half": #""\\ud800""#,
                ]
            )
            #expect(recorded.unread.keys.sorted() == ["closed", "deep"])
            #expect(recorded.unattributed == ["not a JSON record of Celery's": 2])
        }
    }

    @Test func theLatestRunsOfEachEntryAreKept() async throws {
        try await withRedis { server in
            for second in 10..<40 {
                try server.cli(
                    "SET",
                    "celery-task-meta-\(second)",
                    #"{"status":"SUCCESS","result":\#(second),"date_done":"2026-01-01T00:00:\#(second)","name":"t","args":[],"kwargs":{},"task_id":"\#(second)"}"#
                )
            }
            let recorded = try await runs(server, [entry("e", "t")]).recorded(limit: 5)
            #expect(recorded.outcomes.map(\.run) == ["35", "36", "37", "38", "39"])
            #expect(recorded.older.values.map { $0 } == [25])
            let history = try await runs(server, [entry("e", "t")]).histories(limit: 5).entries.values.first
            #expect(history?.runs == 5 && history?.succeeded == 5)
            #expect(history?.last == Instant(iso8601: "2026-01-01T00:00:39Z"))
        }
    }

    @Test func aRunIsSeenAsItEnds() async throws {
        try await withRedis { server in
            let seen = Mutex<[Outcome]>([])
            let ready = Mutex(false)
            let runs = try runs(server, [entry("e", "t")])
            let work = Task {
                try await runs.watch(since: nil, ready: { ready.withLock { $0 = true } }) { event in
                    if case .run(let outcome, _) = event { seen.withLock { $0.append(outcome) } }
                }
            }
            try await waitUntil("it listens") { ready.withLock { $0 } }
            func publish(_ status: String) throws {
                try server.endTask(
                    "x",
                    #"{"status":"\#(status)","result":1,"date_done":"2026-01-01T00:00:00","name":"t","args":[],"kwargs":{},"task_id":"x"}"#
                )
            }
            try publish("STARTED")
            try publish("SUCCESS")
            try await waitUntil("the run is seen") { seen.withLock { !$0.isEmpty } }
            work.cancel()
            _ = try? await work.value
            let outcome = try #require(seen.withLock { $0 }.first)
            #expect(outcome.start == Instant(microseconds: 5) && outcome.state == .success && outcome.run == "x")
        }
    }
}

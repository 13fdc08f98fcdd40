import Foundation
import LosslessJSON
import Migration
import Redis
import Schedules
import Synchronization
import TestSupport
import Testing

@testable import Legacy

@Suite("What Celery stores, read as its own client reads it", .timeLimit(.minutes(2))) struct CeleryStoredResultTests {
    private let zones = ZoneDatabase()
    private let entry = LegacyEntry(
        id: EntryID(source: "s", name: "sum"),
        kind: .redbeat,
        task: "lab.add",
        args: [1, 1],
        kwargs: [:]
    )

    /// Records as Celery's own backend stored them, with what the runtime in Python reads of each (test_results.py).
    private func cases() throws -> [JSON] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("shadow/tests/celery/stored_results.json")
        let text = HalfSurrogates.spelled(Array(try Data(contentsOf: file)))
        return try #require(try JSON(parsing: text).array)
    }

    /// JSON that may hold half a surrogate pair.
    private func value(_ text: String) throws -> JSON { try JSON(parsing: HalfSurrogates.spelled(Array(text.utf8))) }

    @Test func whatABackendStoresIsReadAsItWasWritten() throws {
        let reader = CeleryResultRecord(entries: [entry], zones: zones)
        let cases = try cases()
        #expect(cases.count > 15)
        for one in cases {
            let name = try #require(one["name"]?.string)
            let stored = try #require(one["stored"]?.string.flatMap { Data(base64Encoded: $0) })
            switch reader.read(Array(stored), started: nil) {
            case .unread(let reason):
                let closed = try #require(one["closed"]?.string, "\(name): \(reason)")
                #expect(reason.hasPrefix(closed), "\(name)")
            case .outcome(let outcome):
                #expect(one["closed"] == nil, "\(name)")
                #expect(outcome.key.entry == entry.id)
                #expect(outcome.end == Instant(iso8601: "2026-11-29T10:00:00Z"))
                let states = ["SUCCESS": RunState.success, "FAILURE": .failed, "REVOKED": .cancelled]
                #expect(outcome.state == one["status"]?.string.flatMap { states[$0] }, "\(name)")
                if let error = one["error"] {
                    #expect(
                        outcome.error?.type == error[0]?.string && outcome.error?.message == error[1]?.string,
                        "\(name)"
                    )
                } else {
                    let text = try #require(one["as"]?.string)
                    let wanted = try value(text)
                    #expect(outcome.result?.text(.canonical) == wanted.text(.canonical), "\(name)")
                }
            case .started, .otherArguments, .unattributed, .indistinct: Issue.record("\(name) is nobody's")
            }
        }
    }

    @Test func whatIsCompressedIsReadWholeOrNotAtAll() throws {
        let whole = try #require(
            try cases().first { $0["name"] == "by gzip" }?["stored"]?.string.flatMap { Data(base64Encoded: $0) }
        )
        for length in 0..<whole.count {
            guard case .unread = CeleryStoredResult(Array(whole.prefix(length))) else {
                Issue.record("\(length) bytes of \(whole.count) were read")
                return
            }
        }
    }

    @Test(arguments: ["acme:", "acme", "a*[b]?:"]) func resultsWithAPrefixAreFoundAndNobodyElses(prefix: String)
        async throws
    {
        try await withRedis { server in
            let record =
                #"{"status":"SUCCESS","result":2,"date_done":"2026-11-29T10:00:00","name":"lab.add","args":[1,1],"kwargs":{},"task_id":"ID"}"#
            func write(_ beginning: String, _ id: String) throws {
                try server.endTask(id, record.replacing("ID", with: id), beginning: beginning)
            }
            let beginnings = prefix == "acme" ? ["acme_"] : [prefix, "\(prefix)_"]
            let runs = CeleryRuns(
                url: try RedisURL(server.url),
                keys: CeleryResultKeys(settings: [
                    "result_backend_transport_options": ["global_keyprefix": .string(prefix)]
                ]),
                entries: [entry],
                zones: zones
            ) { Instant(microseconds: 5) }
            let seen = Mutex<[String]>([])
            let ready = Mutex(false)
            let work = Task {
                try await runs.watch(since: nil, ready: { ready.withLock { $0 = true } }) { event in
                    if case .run(let outcome, _) = event { seen.withLock { $0.append(outcome.run) } }
                }
            }
            try await waitUntil("it listens") { ready.withLock { $0 } }
            // Of other applications in the same database.
            try write("", "plain")
            try write("acmeX:", "other")
            try write("ab:", "glob")
            for (number, beginning) in beginnings.enumerated() { try write(beginning, "\(number)") }
            try await waitUntil("all are seen") { seen.withLock { $0.count } >= beginnings.count }
            work.cancel()
            _ = try? await work.value
            let ids = beginnings.indices.map { "\($0)" }
            #expect(seen.withLock { $0 }.sorted() == ids)
            #expect(try await runs.recorded(limit: 9).outcomes.map(\.run).sorted() == ids)
        }
    }
}

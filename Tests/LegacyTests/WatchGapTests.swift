import Foundation
import Legacy
import LosslessJSON
import Migration
import Postgres
import Redis
import Schedules
import Synchronization
import TestSupport
import Testing

/// What a watching told.
private final class Told: Sendable {
    let runs = Mutex<[Outcome]>([])
    let gaps = Mutex<[String]>([])
    let silences = Mutex<[String]>([])
    let unread = Mutex<[String]>([])
    let leftOut = Mutex<[String]>([])
    let isReady = Mutex(false)

    func take(_ event: LegacyEvent) {
        switch event {
        case .run(let outcome, _): runs.withLock { $0.append(outcome) }
        case .gap(_, _, let reason): gaps.withLock { $0.append(reason) }
        case .silent(let why): silences.withLock { $0.append(why) }
        case .unread(let record, _): unread.withLock { $0.append(record) }
        case .leftOut(let reason): leftOut.withLock { $0.append(reason) }
        case .clock, .current: break
        }
    }

    func has(_ run: String) -> Bool { runs.withLock { $0.contains { $0.run == run } } }
    var ids: Set<String> { runs.withLock { Set($0.map(\.run)) } }

    /// Watches for the time of the body.
    func watching(
        _ source: some LegacyRuns,
        since: Instant? = nil,
        _ take: @escaping @Sendable (LegacyEvent) async throws -> Void = { _ in },
        _ body: () async throws -> Void
    ) async throws {
        let work = Task {
            try await source.watch(since: since, ready: { self.isReady.withLock { $0 = true } }) { event in
                try await take(event)
                self.take(event)
            }
        }
        try await waitUntil("it watches") { self.isReady.withLock { $0 } }
        do { try await body() } catch {
            work.cancel()
            _ = try? await work.value
            throw error
        }
        work.cancel()
        _ = try? await work.value
    }
}

private let clock: @Sendable () -> Instant = { Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1e6)) }

@Suite("What ends while nobody watches a queue table", .timeLimit(.minutes(3))) struct QueueWatchGapTests {
    private func loaded() throws -> (server: PostgresServer, url: String, runs: QueueRuns) {
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.load(fixture("handrolled_background_jobs.sql"), into: url)
        let profile = try QueueProfile(
            yaml: try #require(QueueProfile.shipped["background_jobs"]),
            file: "background_jobs.yaml"
        )
        let source = QueueSource(name: "q", url: try PostgresURL(url), profile: profile, timezone: "UTC")
        return (server, url, QueueRuns(source: source, types: ["send_email"], pollMilliseconds: 50, now: clock))
    }

    /// The ids of jobs that are about to end, and the statement that ends one.
    private func jobs(_ server: PostgresServer, _ url: String, _ count: Int) throws -> [String] {
        try server.psql(
            url,
            """
            UPDATE tasks.background_jobs SET status = 'running', started_at = now(), completed_at = NULL WHERE id IN (
                SELECT id FROM tasks.background_jobs WHERE job_type = 'send_email' ORDER BY id LIMIT \(count))
            RETURNING id
            """
        ).split(separator: "\n").map(String.init).filter { $0.count == 36 }
    }

    private func ends(_ id: String, stamp: String = "now()", status: String = "completed") -> String {
        "UPDATE tasks.background_jobs SET status = '\(status)', completed_at = \(stamp) WHERE id = '\(id)'"
    }

    @Test func aServerThatStartsAnewIsWatchedOnFromWhereItWas() async throws {
        let (server, url, runs) = try loaded()
        let ids = try jobs(server, url, 3)
        let told = Told()
        try await told.watching(runs) {
            try server.psql(url, ends(ids[0]))
            try await waitUntil("the first is seen") { told.has(ids[0]) }
            try server.stopped {}
            // Before anybody has connected again.
            try server.psql(url, ends(ids[1]))
            try await waitUntil("the one after the restart is seen") { told.has(ids[1]) }
            try server.psql(
                url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            try server.psql(url, ends(ids[2]))
            try await waitUntil("the one after the lost connection is seen") { told.has(ids[2]) }
        }
        #expect(told.ids == Set(ids))
        #expect(told.silences.withLock { !$0.isEmpty })
        #expect(told.gaps.withLock { $0.count == 2 && $0.allSatisfy { $0.contains("the connection was lost") } })
    }

    @Test func whatEndedWhileNobodyWatchedIsGivenFirst() async throws {
        let (server, url, runs) = try loaded()
        let ids = try jobs(server, url, 2)
        let since = clock()
        try server.psql(url, ends(ids[0]))
        let told = Told()
        try await told.watching(runs, since: since) {
            try await waitUntil("the one of before is seen") { told.has(ids[0]) }
            try server.psql(url, ends(ids[1]))
            try await waitUntil("the one of now is seen") { told.has(ids[1]) }
        }
    }

    @Test func aLastLookThatFailsIsAGap() async throws {
        let (server, url, runs) = try loaded()
        let ids = try jobs(server, url, 1)
        let told = Told()
        // Somebody has the table locked when the watching ends: what had ended without a stamp before is seen by nobody.
        let session = "BEGIN; LOCK TABLE tasks.background_jobs; SELECT pg_sleep(60)"
        let locks = Task.detached { _ = try? server.psql(url, session) }
        try await told.watching(runs) {
            try await waitUntil("it is locked") {
                (try? server.psql(
                    url,
                    "SELECT count(*) FROM pg_locks WHERE relation = 'tasks.background_jobs'::regclass AND granted AND mode = 'AccessExclusiveLock'"
                )).map { $0.contains("1") } ?? false
            }
        }
        try server.psql(
            url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()"
        )
        await locks.value
        #expect(!told.has(ids[0]))
        #expect(told.gaps.withLock { $0 } == ["the last look, at the end of the watching, took longer than 5 s"])
    }

    @Test func aServerThatIsGoneAtTheLastLookIsAGap() async throws {
        let (server, url, runs) = try loaded()
        _ = try jobs(server, url, 1)
        let told = Told()
        try await told.watching(runs) {
            try server.psql(url, "ALTER TABLE tasks.background_jobs RENAME TO elsewhere")
            try await waitUntil("it misses the table") { told.silences.withLock { !$0.isEmpty } }
        }
        let last = told.gaps.withLock { $0.last ?? "" }
        #expect(last.contains("the last look, at the end of the watching, failed: "))
    }

    @Test func aJobThatEndsAgainIsGivenAgain() async throws {
        let (server, url, runs) = try loaded()
        let ids = try jobs(server, url, 1)
        let told = Told()
        try await told.watching(runs) {
            try server.psql(url, ends(ids[0], status: "failed"))
            try await waitUntil("its failure is seen") { told.has(ids[0]) }
            try server.psql(url, "UPDATE tasks.background_jobs SET status = 'pending' WHERE id = '\(ids[0])'")
            try server.psql(url, ends(ids[0]))
            try await waitUntil("its success is seen") { told.runs.withLock { $0.count } == 2 }
        }
        #expect(told.runs.withLock { $0.map(\.state) } == [.failed, .success])
    }

    @Test func whatIsCommittedLateOrNotStampedIsSeen() async throws {
        let (server, url, runs) = try loaded()
        let ids = try jobs(server, url, 3)
        let told = Told()
        try await told.watching(runs) {
            // Stamped a minute before anybody but its own transaction sees it.
            try server.psql(url, ends(ids[0], stamp: "now() - interval '60 seconds'"))
            try server.psql(url, ends(ids[1], stamp: "NULL", status: "failed"))
            try server.psql(url, ends(ids[2], stamp: "'infinity'"))
            try await waitUntil("all are seen", seconds: 40) { told.ids == Set(ids) }
        }
        #expect(told.runs.withLock { $0.count } == 3)
        #expect(told.runs.withLock { $0.filter { $0.end == nil }.count } == 2)
    }
}

@Suite("What ends while nobody hears Celery", .timeLimit(.minutes(3))) struct CeleryWatchGapTests {
    private func runs(_ server: RedisServer, most: Int = 100_000) throws -> CeleryRuns {
        let entry = LegacyEntry(id: EntryID(source: "s", name: "e"), kind: .redbeat, task: "t", args: [], kwargs: [:])
        return CeleryRuns(
            url: try RedisURL(server.url),
            entries: [entry],
            zones: ZoneDatabase(),
            most: most,
            now: clock
        )
    }

    private func record(_ id: String, done: Instant, status: String = "SUCCESS") -> String {
        #"{"status":"\#(status)","result":1,"date_done":"\#(done.iso8601)","name":"t","args":[],"kwargs":{},"task_id":"\#(id)"}"#
    }

    @Test func moreThanIsTakenIsReadAgain() async throws {
        try await withRedis { server in
            let told = Told()
            let isHeld = Mutex(true)
            try await told.watching(
                try runs(server, most: 50),
                since: nil,
                { event in
                    guard case .run = event else { return }
                    while isHeld.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(10)) }
                }
            ) {
                let lines = (0..<500).flatMap { number in
                    let text = JSON.string(record("r\(number)", done: clock())).text()
                    return [
                        "SET celery-task-meta-r\(number) \(text)", "PUBLISH celery-task-meta-r\(number) \(text)",
                    ]
                }
                let file = server.folder.appendingPathComponent("commands")
                try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: file)
                try server.load(file)
                isHeld.withLock { $0 = false }
                try await waitUntil("all are seen") { told.ids.count == 500 }
            }
            #expect(told.gaps.withLock { $0.contains("more messages came than were taken") })
        }
    }

    @Test func workersWhoseClockIsBehindAreFoundInAGap() async throws {
        try await withRedis { server in
            let told = Told()
            let behind: Int64 = -300
            try await told.watching(try runs(server)) {
                try server.endTask("a", record("a", done: clock().adding(seconds: behind)))
                try await waitUntil("the first is seen") { told.has("a") }
                // Stored and never heard, as in the moment in which a connection is lost.
                try server.cli("SET", "celery-task-meta-b", record("b", done: clock().adding(seconds: behind)))
                try server.cli("CLIENT", "KILL", "TYPE", "pubsub")
                try await waitUntil("the one of the gap is seen") { told.has("b") }
            }
            #expect(told.gaps.withLock { !$0.isEmpty })
        }
    }

    @Test func theDurationIsByTheWorkersOwnClock() async throws {
        try await withRedis { server in
            let told = Told()
            let began = clock().adding(seconds: -3600)
            try await told.watching(try runs(server)) {
                let stamp = Double(began.microseconds) / 1e6
                let event: JSON = [
                    "type": "task-started", "uuid": "a", "timestamp": .number(JSONNumber(stamp)),
                ]
                let envelope: JSON = ["body": .string(event.text()), "content-encoding": "utf-8"]
                try server.cli("PUBLISH", "/0.celeryev/task.started", envelope.text())
                try server.endTask("a", record("a", done: began.adding(seconds: 7)))
                try await waitUntil("the run is seen") { told.has("a") }
            }
            let outcome = try #require(told.runs.withLock { $0.first })
            #expect(abs((outcome.duration ?? -1) - 7) < 0.001)
            // It began when it was seen to, not an hour ago.
            #expect((outcome.start ?? began) > began.adding(seconds: 3000))
        }
    }

    @Test func aRecordThatNobodyCanReadIsTold() async throws {
        try await withRedis { server in
            let told = Told()
            try await told.watching(try runs(server)) {
                try server.endTask("p", "\u{80} a pickle")
                try server.endTask("a", record("a", done: clock()))
                try await waitUntil("the run after it is seen") { told.has("a") }
            }
            #expect(told.unread.withLock { $0 } == ["p"])
        }
    }

    @Test func aRunThatNobodyCanTellWhoseItIsIsLeftOutInWords() async throws {
        try await withRedis { server in
            let told = Told()
            let entries = ["e", "twin"].map {
                LegacyEntry(id: EntryID(source: "s", name: $0), kind: .redbeat, task: "t", args: [], kwargs: [:])
            }
            let runs = CeleryRuns(url: try RedisURL(server.url), entries: entries, zones: ZoneDatabase(), now: clock)
            try await told.watching(runs) {
                try server.endTask("a", record("a", done: clock()))
                try server.endTask("b", #"{"status":"SUCCESS","result":1,"task_id":"b"}"#)
                // One of a task that no entry calls is nobody's loss.
                try server.endTask("c", record("c", done: clock()).replacing(#""name":"t""#, with: #""name":"u""#))
                try await waitUntil("both are left out") { told.leftOut.withLock { $0.count } == 2 }
            }
            let reasons = told.leftOut.withLock { $0 }
            #expect(reasons[0].contains("“e” and “twin” make the same call") && reasons[1] == CeleryRuns.nameless)
        }
    }

    /// Redis publishes to everybody, whatever database they are in.
    @Test func whatAnotherDatabasePublishesIsNobodysRun() async throws {
        try await withRedis { server in
            let told = Told()
            try await told.watching(try runs(server)) {
                try server.endTask("theirs", record("theirs", done: clock()), database: 1)
                try server.endTask("unread", "\u{80} a pickle", database: 1)
                try server.endTask("ours", record("ours", done: clock()))
                try await waitUntil("the run after them is seen") { told.has("ours") }
            }
            #expect(told.ids == ["ours"])
            #expect(told.unread.withLock { $0 } == [])
            #expect(
                told.leftOut.withLock { $0.count == 2 && $0.allSatisfy { $0.contains("another one of that Redis") } }
            )
        }
    }
}

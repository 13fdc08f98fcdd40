import Foundation
import GRDB
import LosslessJSON
import Migration
import Planning
import Schedules
import Settings
import Store
import TestSupport
import Testing

@testable import Legacy

/// What people write, and what Bailey itself has kept.
@Suite("No foreign value hurts a reader: files and state", .timeLimit(.minutes(60))) struct WrittenReadersTests {
    private let zones = ZoneDatabase()

    private static let settings = """
        version: 1
        sources:
          scheduler: {kind: redbeat, url: "redis://:${PW:-x}@localhost:6379/0", prefix: "redbeat:", timezone: Europe/Berlin, max_interval: 300}
          jobs:
            kind: queue
            url: postgresql://app@localhost/app?sslmode=require
            profile: background_jobs
            statuses: {queued: [waiting], success: [done]}
        target:
          airflow: {url: "http://localhost:8080", version: "3", dags_folder: dags, user: a, password: "${HOME}"}
        shadow: {parallelism: 4, timeout: 90m, pools: {a: 3}}
        environments: {app: {python: python3, path: [src], env: {A: "${HOME}"}}}
        alerts:
          - webhook: "https://hooks.example.org/x"
          - email: {relay: "mail:25", from: a@example.org, to: [b@example.org]}
          - command: [notify, "-u"]
            env: {TOKEN: "${HOME}"}
        ignore:
          - {entry: "scheduler/*", reason: "not ours"}
        policy:
          compared_ticks: 20
          coverage: 95%
        """

    private static let policy = """
        compared_ticks: 20
        in_a_row: 10
        coverage: 95%
        clean_ticks: 20
        tolerate:
          - {kind: duration, path: "$.a[0]", approver: Ada Brown, because: the new workers are slower}
        slowest_ratio: 2
        rehearsal: {required: true, within: 7d}
        hours: {zone: Europe/Berlin, days: [mon-thu], from: "09:00", until: "15:00"}
        approvals:
          - {entry: scheduler/old-sync, approver: Ada Brown, because: hourly is enough}
        rollback: {failed_runs: 2, late_by: 15m, mismatch: true}
        """

    private static let mapping = """
        pipeline: data-sync
        schedule: {crontab: "*/15 2-6 * * 1-5", timezone: Europe/Berlin}
        owner: data
        tags: [a, b]
        sla: 30m
        max_active_runs: 1
        missed_ticks: every
        tasks:
          first:
            entry: scheduler/update
            python: {callable: "app.tasks:update", environment: app, args: [1, {a: 2.50}], kwargs: {k: v}}
            timeout: 90s
            retries: 3
            retry_delay: 10s
            retry_backoff: 2.0
            retry_max_delay: 1h
            pool: a
            priority: 5
            produces: ["s3://bucket/key"]
            compare:
              ignore:
                - {name: time, path: $.measured_at, because: every run measures}
          second: {command: [run, "--all"], after: [first], when: {task: first, path: "$.n", equals: 1}, shadow: pure, redirect: {A: b}}
          jobs: {entry: jobs/export, python: {callable: "app:job"}, limit: 10}
        """

    private func bytes(_ texts: [String]) -> [[UInt8]] { texts.map { Array($0.utf8) } }

    @Test func settingsMappingsPoliciesAndProfiles() throws {
        let kinds = [
            SourceKind(name: "redbeat"), SourceKind(name: "celery"),
            SourceKind(name: "queue", required: ["profile": "background_jobs"]),
        ]
        let profile = try #require(QueueProfile.shipped["background_jobs"])
        // As they stand they are read to their ends.
        _ = try WorkspaceSettings(yaml: Self.settings, file: "b.yaml", environment: ["HOME": "/h"], kinds: kinds)
        _ = try CutoverPolicy(YAMLNode(yaml: Self.policy, file: "b.yaml"), zones: zones)
        _ = try Mapping(yaml: Self.mapping, file: "m.yaml")
        let corpus = bytes([Self.settings, Self.policy, Self.mapping, profile])
        try Drive(name: "YAML", corpus: corpus, share: 0.5).run { input in
            let text = String(decoding: input, as: UTF8.self)
            func told(_ read: () throws -> Void) -> Bool {
                do { try read() } catch { return !"\(error)".isEmpty }
                return true
            }
            return told {
                let settings = try WorkspaceSettings(
                    yaml: text,
                    file: "b.yaml",
                    environment: ["HOME": "/h"],
                    kinds: kinds
                )
                _ = try settings.policy.map { try CutoverPolicy($0, zones: zones) }
            }
                && told {
                    _ = try CutoverPolicy(YAMLNode(yaml: text, file: "b.yaml"), zones: zones)
                }
                && told { _ = try Mapping(yaml: text, file: "m.yaml") }
                && told {
                    let profile = try QueueProfile(yaml: text, file: "p.yaml")
                    _ = profile.statements(timezone: "UTC")
                    _ = profile.takingOrder
                }
        }
    }

    private func inventory() -> Inventory {
        var entry = LegacyEntry(id: EntryID(source: "s", name: "a"), kind: .redbeat, task: "t", args: [1])
        entry.timezone = "UTC"
        entry.lastRun = Instant(seconds: 1_795_392_000)
        entry.schedule = try? Schedule(redbeat: ["__type__": "interval", "every": 60, "relative": false])
        entry.notes = [EntryNote(.zoneUnknown, "x")]
        entry.history = RunHistory(runs: 3, succeeded: 2, failed: 1, caveats: ["c"])
        var inventory = Inventory(readAt: Instant(seconds: 1_795_392_000))
        inventory.add([entry])
        return inventory
    }

    private func comparison() -> Comparison {
        let key = Outcome.Key(entry: EntryID(source: "s", name: "a"), tick: Instant(seconds: 1_795_392_000))
        var legacy = Outcome(key: key, side: .legacy, run: "r", state: .failed, arguments: .string("x"), attempts: 1)
        legacy.argumentsKind = .text
        legacy.error = RunError(type: "E", message: "m", detail: "d", module: "x", arguments: [1])
        legacy.start = Instant(seconds: 1_795_392_000)
        legacy.end = Instant(seconds: 1_795_392_001)
        var comparison = Comparison(
            key: key,
            pipeline: "p",
            legacy: legacy,
            shadow: legacy,
            verdict: .mismatch,
            reason: "r"
        )
        comparison.differences = [Difference(kind: .state, legacy: 1, shadow: nil, text: "t")]
        comparison.ignored = [IgnoredDifference(rule: "r", difference: comparison.differences[0])]
        return comparison
    }

    private func rehearsal() -> Rehearsal {
        Rehearsal(
            pipeline: "p",
            at: Instant(seconds: 1_795_392_000),
            steps: [Rehearsal.Step(name: "n", seconds: 1.5, passed: true, detail: "d")]
        )
    }

    /// Whether it lies in a year of four digits: an offset can lead a text out of them.
    private func isOfAYear(_ instant: Instant) -> Bool { Instant(iso8601: instant.iso8601) == instant }

    @Test func documentsOfTheState() throws {
        let corpus = [inventory().json, comparison().json, rehearsal().json].map { Array($0.text().utf8) }
        try Drive(name: "documents", corpus: corpus).run { input in
            guard let json = try? JSON(parsing: input) else { return true }
            if let read = try? Inventory(json: json), isOfAYear(read.readAt) {
                guard (try? Inventory(json: read.json)) != nil else { return false }
            }
            if let read = try? Comparison(json: json) {
                _ = (read.legacy?.duration, read.shadow?.duration)
                guard (try? Comparison(json: JSON(parsing: read.json.text()))) != nil else { return false }
            }
            if let read = try? Rehearsal(json: json), isOfAYear(read.at) {
                guard (try? Rehearsal(json: read.json)) != nil else { return false }
            }
            if let entry = try? LegacyEntry(json: json["entries"]?[0] ?? .null) {
                _ = entry.schedule?.words(in: .utc)
                _ = entry.lastRun?.iso8601
            }
            return true
        }
    }

    /// The same, read back from a file in which somebody has written.
    @Test func stateThatSomebodyHasWrittenIn() throws {
        try withFolderNow { folder in
            let path = folder.appendingPathComponent("state.sqlite").path
            let store = try StateStore(path: path)
            try store.save(inventory())
            try store.save([comparison()], at: Instant(seconds: 1_795_392_100))
            try store.save(rehearsal())
            try store.archive(["a": 1], pipeline: "p", at: Instant(seconds: 1_795_392_100))
            try store.keepUnsent(["a": 1], identity: "i")
            let database = try DatabaseQueue(path: path)
            try database.inDatabase { try $0.execute(sql: "PRAGMA synchronous = OFF") }
            let texts = try database.read { database in
                try database.tablesWithText().flatMap { table, column in
                    try String.fetchAll(database, sql: "SELECT \(column) FROM \(table) WHERE \(column) IS NOT NULL").map
                    {
                        Array("\(table) \(column) \($0)".utf8)
                    }
                }
            }
            #expect(texts.count > 8)
            try Drive(name: "the state's file", corpus: texts, share: 0.1).run { input in
                let words = String(decoding: input, as: UTF8.self).split(separator: " ", maxSplits: 2)
                try database.write { database in
                    guard words.count == 3,
                        try database.tablesWithText().contains(where: { $0.0 == words[0] && $0.1 == words[1] })
                    else { return }
                    let kept = try Row.fetchOne(database, sql: "SELECT rowid FROM \(words[0]) LIMIT 1")?[0] as Int64?
                    guard let kept else { return }
                    try? database.execute(
                        sql: "UPDATE \(words[0]) SET \(words[1]) = ? WHERE rowid = ?",
                        arguments: [String(words[2]), kept]
                    )
                }
                func told(_ read: () throws -> Void) -> Bool {
                    do { try read() } catch { return !"\(error)".isEmpty }
                    return true
                }
                return told { _ = try store.latestInventory() } && told { _ = try store.rehearsals(pipeline: "p") }
                    && told { _ = try store.unsentAlerts() } && told { _ = try store.archive(pipeline: "p") }
                    && told { _ = try store.pipelinesKept() } && told { _ = try store.journal(pipeline: "p") }
                    && told { _ = try store.comparedPipelines() } && told { _ = try store.retirements() }
                    && told { _ = try store.summary(pipeline: "p", form: "") }
            }
        }
    }

    private func withFolderNow(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "bailey-readers-\(UUID().uuidString)"
        )
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }
}

extension Database {
    /// The columns that hold text.
    fileprivate func tablesWithText() throws -> [(String, String)] {
        try String.fetchAll(
            self,
            sql: "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%migrations'"
        )
        .flatMap { table in
            try Row.fetchAll(self, sql: "SELECT name, type FROM pragma_table_info('\(table)')").compactMap { row in
                (row["type"] as String).uppercased() == "TEXT" ? (table, row["name"] as String) : nil
            }
        }
    }
}

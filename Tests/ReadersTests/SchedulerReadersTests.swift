import Foundation
import LosslessJSON
import Migration
import Schedules
import Testing

@testable import Legacy

/// Manifests, rows of pg_cron and of queues, and the crons that stand in them.
@Suite("No foreign value hurts a reader: other schedulers", .timeLimit(.minutes(60))) struct SchedulerReadersTests {
    private let zones = ZoneDatabase()
    private let now = Instant(seconds: 1_795_392_000)

    private func bytes(_ texts: [String]) -> [[UInt8]] { texts.map { Array($0.utf8) } }

    /// Whether an entry is kept as what it is, and its first ticks are found.
    private func isWhole(_ entry: LegacyEntry) throws -> Bool {
        guard let schedule = entry.schedule else { return true }
        guard try Schedule(stored: entry.scheduleSource) == schedule else { return false }
        let zone = (try? zones.zone(entry.timezone ?? "UTC")) ?? .utc
        let ticks = Array(schedule.ticks(after: now, in: zone).prefix(3))
        return zip(ticks, ticks.dropFirst()).allSatisfy { $0 < $1 } && !schedule.timetableJSON.isNull
    }

    @Test func manifests() throws {
        let texts = [
            "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a, namespace: b}\nspec:\n  schedule: \"*/5 1-6 * * mon\"\n  timeZone: Europe/Berlin\n  suspend: true\n  startingDeadlineSeconds: 10\n  concurrencyPolicy: Forbid\n  jobTemplate: {spec: {backoffLimit: 2, template: {spec: {containers: [{image: i, command: [a, -p, b], env: [{name: X, value: y}]}]}}}}\n",
            "kind: List\nitems:\n- kind: CronJob\n  metadata: {name: c}\n  spec: {schedule: \"@every 1h30m\"}\n---\nkind: CronJob\nmetadata: {name: {{ x }}}\n---\n{\"kind\": \"CronJobList\", \"items\": [{\"metadata\": {\"name\": \"d\"}, \"spec\": {\"schedule\": \"CRON_TZ=UTC 5/15 * * * *\"}}]}\n",
        ]
        try Drive(name: "manifests", corpus: bytes(texts), share: 0.5).run { input in
            var manifests = Manifests()
            manifests.add(String(decoding: input, as: UTF8.self), file: "m.yaml")
            for found in manifests.found {
                switch found {
                case .unread(_, let reason, let detail):
                    guard !reason.isEmpty, !detail.isEmpty else { return false }
                case .job(let json, let place):
                    let record = CronJobRecord(source: "s", job: json, place: place, zone: nil, zones: zones)
                    do throws(CronJobRecord.Unread) {
                        let entry = try record.entry()
                        guard (try? isWhole(entry)) == true else { return false }
                    } catch {
                        guard !error.reason.isEmpty, !error.detail.isEmpty else { return false }
                    }
                }
            }
            return true
        }
    }

    @Test func rowsOfPgCron() throws {
        let rows = [
            #"{"jobid": 1, "schedule": "0 0 */2 * mon", "command": "VACUUM", "nodename": "localhost", "nodeport": 5432, "database": "d", "username": "u", "active": true, "jobname": "a"}"#,
            #"{"jobid": 2, "schedule": "30 seconds", "command": "SELECT dblink('password=x')", "database": "d", "username": "u", "active": false, "jobname": null}"#,
            #"{"jobid": 3, "schedule": "0 0 $ * *", "command": "a; b", "nodename": "h", "nodeport": 1, "username": "u"}"#,
        ]
        try Drive(name: "pg_cron", corpus: bytes(rows), share: 0.5).run { input in
            guard let json = try? JSON(parsing: input) else { return true }
            let record = PgCronRecord(source: "s", job: json, version: (1, 6), zone: "UTC", isNamedOnce: true)
            switch record.read() {
            case .success(let entry): return (try? isWhole(entry)) == true
            case .failure(let unread): return !unread.record.reason.isEmpty && !unread.record.detail.isEmpty
            }
        }
    }

    @Test func rowsThatRecur() throws {
        let rows = [
            #"{"schedule": "0 2 * * mon-fri", "zone": "Asia/Kolkata"}"#, #"{"schedule": "every 5 minutes"}"#,
            #"{"schedule": "every day at 9:30"}"#,
            #"{"schedule": "I", "minutes": "15", "next": "2030-01-01T00:00:00.5Z"}"#,
            #"{"schedule": "Q", "next": "2030-02-28T23:59:59Z"}"#, #"{"schedule": "C", "cron": "*/5 1-3/2 * 1,2 *"}"#,
            #"{"schedule": "* * * * * */10"}"#, #"{"schedule": "0 0 L * * Europe/Berlin"}"#,
        ]
        try Drive(name: "recurring", corpus: bytes(rows), share: 0.5).run { input in
            guard let json = try? JSON(parsing: input), let members = json.object?.members else { return true }
            let row = members.reduce(into: [String: String]()) { $0[$1.key] = $1.value.string ?? $1.value.text() }
            for dialect in QueueRecurring.Dialect.allCases {
                do throws(RecurringSchedule.Unknown) {
                    let found = try RecurringSchedule(dialect: dialect, row: row, zone: nil, zones: zones).read()
                    var entry = LegacyEntry(id: EntryID(source: "s", name: "a"), kind: .recurringJob, task: "t")
                    (entry.schedule, entry.scheduleSource) = (found.schedule, found.schedule.storedJSON)
                    entry.timezone = found.zone
                    guard (try? isWhole(entry)) == true else { return false }
                } catch {
                    guard !error.reason.isEmpty else { return false }
                }
            }
            return true
        }
    }
}

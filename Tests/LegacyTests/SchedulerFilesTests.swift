import Foundation
import LosslessJSON
import Migration
import Schedules
import TestSupport
import Testing

@testable import Legacy
@testable import Settings

/// Crontabs and manifests, as files.
@Suite("Schedules that stand in files") struct SchedulerFilesTests {
    private let zones = ZoneDatabase()

    private func settings(_ kind: String, _ files: [String], _ own: [String: String] = [:], zone: String? = nil)
        -> SourceSettings
    {
        var settings = SourceSettings(name: "s", kind: kind, url: "")
        (settings.files, settings.own, settings.timezone) = (files, own, zone)
        return settings
    }

    private func write(_ text: String, _ name: String, in folder: URL) throws {
        let path = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: path)
    }

    private static let crontab = #"""
        SHELL=/bin/bash
        PATH=/opt/bin:/bin
        DB_PASSWORD=hidden-word
        30 2 * * * /opt/app/nightly.sh --all
        */5 * * * * cd /srv/app && python3 manage.py send_mail >/dev/null 2>&1
        0 0 * * 0 mail -s "hi \% there" a@b%Dear all,%bye
        0 1 * * * psql postgresql://u:hidden-word@h/d -c 'select 1'
        @reboot /opt/start
        5/15 * * * * x
        CRON_TZ=Europe/Berlin
        30 2 * * * /opt/app/nightly.sh --all
        CRON_TZ=Mars/Olympus
        0 0 * * * y

        """#

    @Test func everyLineOfACrontabIsAccountedFor() async throws {
        try await withFolder { folder in
            try write(SchedulerFilesTests.crontab, "tab", in: folder)
            let system = CrontabSystem(settings("crontab", ["tab"]), folder: folder.path)
            let reading = try await system.read(zones: zones)
            #expect(reading.summary.found == 8 && reading.entries.count == 6)
            #expect(reading.unread.map(\.reason) == ["no-crontab-line", "unknown-zone"])
            #expect(reading.unread.map(\.key) == ["tab:9", "tab:13"])
            let tasks = Dictionary(grouping: reading.entries, by: \.task)
            #expect(tasks.keys.sorted() == ["mail", "manage.py", "nightly.sh", "psql", "start"])
            #expect(tasks["nightly.sh"]?.map(\.timezone) == [nil, "Europe/Berlin"])
            let mail = try #require(tasks["mail"]?.first)
            #expect(
                mail.options["command"] == #"mail -s "hi % there" a@b"# && mail.options["input"] == "Dear all,\nbye\n"
            )
            #expect(mail.options["shell"] == "/bin/bash" && mail.options["path"] == "/opt/bin:/bin")
            let start = try #require(tasks["start"]?.first)
            #expect(start.schedule == nil && start.notes.contains { $0.code == .scheduleUnsupported })
            #expect(reading.summary.notes.contains { $0.code == .zoneUnknown })
            // No secret is kept, of a line or of what stands above it.
            var inventory = Inventory(readAt: Instant(seconds: 0))
            inventory.sources = [reading.summary]
            inventory.add(reading.entries)
            let raw = reading.entries.flatMap(\.raw).map { String(decoding: $0.bytes, as: UTF8.self) }.joined()
            #expect(!(inventory.json.text() + raw).contains("hidden-word"))
            #expect(tasks["psql"]?.first?.hidesSecret == true && mail.hidesSecret == false)
            // Names stay when lines move.
            let lines = SchedulerFilesTests.crontab.split(separator: "\n")
            try write((lines.prefix(3) + lines[3..<8].reversed()).joined(separator: "\n") + "\n", "tab", in: folder)
            let moved = try await system.read(zones: zones)
            #expect(Set(moved.entries.map(\.id)).isSubset(of: reading.entries.map(\.id)) && moved.entries.count == 5)
        }
    }

    @Test func usersStandWhereTheNameOrASettingSaysSo() async throws {
        try await withFolder { folder in
            try write("17 * * * * root run-parts /etc/cron.hourly\n", "etc/crontab", in: folder)
            try write("17 * * * * root run-parts /etc/cron.hourly\n", "tab", in: folder)
            for (files, own, user) in [
                (["etc/crontab"], [:], "root"), (["tab"], ["users": "true"], "root"), (["tab"], [:], nil),
                (["etc/crontab"], ["users": "false"], nil),
            ] as [([String], [String: String], String?)] {
                let reading = try await CrontabSystem(settings("crontab", files, own), folder: folder.path).read(
                    zones: zones
                )
                #expect(reading.entries.first?.options["user"]?.string == user)
            }
        }
    }

    private static let manifests = """
        # first
        apiVersion: batch/v1
        kind: CronJob
        metadata: {name: report, namespace: shop}
        spec:
          schedule: "30 2 * * *"
          timeZone: Europe/Berlin
          concurrencyPolicy: Replace
          startingDeadlineSeconds: 100
          jobTemplate:
            spec:
              backoffLimit: 2
              template:
                spec:
                  containers:
                  - name: c
                    image: shop/report:1
                    command: [report, --token=hidden-word]
                    env: [{name: TOKEN, value: hidden-word}]
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: x}
        ---
        kind: CronJob
        metadata:
          name: {{ .Release.Name }}-x
        spec: {schedule: "* * * * *"}
        ---
        kind: CronJob
        metadata: {name: filled}
        spec: {schedule: "{{ .Values.cron }}"}
        ---
        apiVersion: v1
        kind: List
        items:
        - apiVersion: batch/v1beta1
          kind: CronJob
          metadata: {name: old}
          spec: {schedule: "@every 90m", suspend: true, jobTemplate: {spec: {template: {spec: {containers: [{image: i}, {image: j}]}}}}}
          status: {lastScheduleTime: "2026-11-29T02:30:00Z"}
        - {apiVersion: batch/v9, kind: CronJob, metadata: {name: later}, spec: {schedule: "* * * * *"}}
        - {kind: CronJob, metadata: {name: sunday}, spec: {schedule: "0 0 * * 7"}}
        - {kind: CronJob, metadata: {name: zoned}, spec: {schedule: "CRON_TZ=Asia/Tokyo 0 4 * * *"}}
        - {kind: CronJob, metadata: {name: old}, spec: {schedule: "* * * * *"}}
        - {kind: CronJob, metadata: {generateName: a-}, spec: {schedule: "* * * * *"}}
        - {kind: CronJob, metadata: {name: empty}}
        ---
        {"apiVersion": "batch/v1", "kind": "CronJobList", "items": [{"metadata": {"name": "listed"}, "spec": {"schedule": "*/5 * * * *"}}]}
        """

    @Test func everyCronJobIsAccountedFor() async throws {
        try await withFolder { folder in
            try write(SchedulerFilesTests.manifests, "m/a/b.yaml", in: folder)
            try write("not looked at", "m/readme.md", in: folder)
            let system = KubernetesSystem(settings("kubernetes", ["m"]), folder: folder.path)
            let reading = try await system.read(zones: zones)
            #expect(reading.entries.map(\.id.name) == ["listed", "old", "shop/report", "zoned"])
            #expect(
                reading.entries.count + reading.unread.count == reading.summary.found && reading.summary.found == 11
            )
            #expect(
                reading.unread.map(\.reason) == [
                    "helm-template", "helm-template", "unknown-api", "bad-cron", "named-twice", "no-name", "no-spec",
                ]
            )
            let report = try #require(reading.entries.first { $0.task == "report" })
            #expect(report.timezone == "Europe/Berlin" && report.options["image"] == "shop/report:1" && report.enabled)
            #expect(report.options["runs"] == "report --token=…" && report.options["environment"] == ["TOKEN"])
            #expect(
                report.notes.contains {
                    $0.code == .overlapDiffers && $0.detail.contains("Replace") && $0.detail.contains("100 s")
                }
            )
            #expect(report.notes.contains { $0.code == .runsElsewhere && $0.detail.contains("tried again 2 times") })
            let old = try #require(reading.entries.first { $0.task == "old" })
            #expect(
                try !old.enabled && old.schedule == .interval(Interval(seconds: 5400))
                    && old.lastRun?.iso8601 == "2026-11-29T02:30:00Z"
            )
            #expect(old.notes.contains { $0.detail.contains("2 containers at once") })
            #expect(reading.entries.first { $0.task == "zoned" }?.timezone == "Asia/Tokyo")
            let kept = reading.entries.map {
                $0.json.text() + $0.raw.map { String(decoding: $0.bytes, as: UTF8.self) }.joined()
            }.joined()
            #expect(!kept.contains("hidden-word"))
        }
    }

    /// What is not there, or is something else, is unknown, and not nothing.
    @Test func filesThatCannotBeReadAreErrors() async throws {
        try await withFolder { folder in
            try Data([0x7F, 0, 1]).write(to: folder.appendingPathComponent("binary"))
            try write("Dear aunt,\nI am well.\n", "letter", in: folder)
            try FileManager.default.createDirectory(
                at: folder.appendingPathComponent("none"),
                withIntermediateDirectories: true
            )
            for files in [["nowhere"], ["binary"], ["letter"], ["none"]] {
                await #expect(throws: UnusableSource.self, "\(files)") {
                    _ = try await CrontabSystem(settings("crontab", files), folder: folder.path).read(zones: zones)
                }
            }
            for files in [["nowhere"], ["binary"], ["none"]] {
                await #expect(throws: UnusableSource.self, "\(files)") {
                    _ = try await KubernetesSystem(settings("kubernetes", files), folder: folder.path).read(
                        zones: zones
                    )
                }
            }
            let empty = try await KubernetesSystem(settings("kubernetes", ["letter"]), folder: folder.path).read(
                zones: zones
            )
            #expect(empty.summary.notes.contains { $0.code == .incompleteReading })
        }
    }
}

import Foundation
import LosslessJSON
import Migration
import Operations
import Planning
import Reports
import Schedules
import Settings
import Testing

@testable import Legacy

/// Crontabs, rows of Django's tables, mappings for many items, bodies that are SQL, variables of a launch, bundles, and what a look found.
@Suite("No foreign value hurts a reader: what came later", .timeLimit(.minutes(60))) struct LaterReadersTests {
    private let zones = ZoneDatabase()
    private let now = Instant(seconds: 1_795_392_000)

    private func bytes(_ texts: [String]) -> [[UInt8]] { texts.map { Array($0.utf8) } }

    @Test func crontabs() throws {
        let files = [
            "MAILTO=\"a@b\"\nCRON_TZ=Europe/Berlin\n# c\n*/5 1-6,9 * jan,feb mon-fri redis-cli -h h -n 3 flushdb >/dev/null 2>&1\n@daily x %a\\%b\n@reboot y\n",
            "0 0 1 1 * redis-cli --scan --pattern 'a*' | xargs redis-cli -u redis://h:6379/2 del\n30 2 29 2 7 celery -A app purge -f\n",
            "SHELL=/bin/sh\n17 * * * * root cd / && run-parts /etc/cron.hourly\n*/7 */5 */3 */2 */2 z\r\n",
        ]
        let place = DangerousCommand.Place(host: "h", port: 6379, database: 0)
        let judge = CrontabJudge(zones: zones, now: now, kept: [(place, "RedBeat")], looked: [place])
        try Drive(name: "crontabs", corpus: bytes(files), share: 0.5).run { input in
            let text = String(decoding: input, as: UTF8.self)
            let lines = text.split(separator: "\n").count
            for name in ["tab", "/etc/crontab"] {
                do throws(NoCrontab) {
                    let file = try CrontabFile(text, file: name)
                    let judged = judge.judge(file)
                    // Each line that runs something, or cannot be read, is judged.
                    guard judged.lines.count == file.lines.count + file.unread.count, judged.lines.count <= lines else {
                        return false
                    }
                } catch {
                    guard !error.description.isEmpty else { return false }
                }
            }
            return true
        }
    }

    @Test func rowsOfDjango() throws {
        let row: JSON = [
            "task": [
                "id": 7, "name": "n", "task": "app.t", "args": "[1, 2.50]", "kwargs": "{\"a\": 1}", "queue": "q",
                "exchange": nil, "routing_key": nil, "expires": "2027-01-01T00:00:00+00:00", "enabled": true,
                "last_run_at": "2026-11-23T07:20:41.092254+00:00", "total_run_count": 3, "priority": 5,
                "expire_seconds": 60, "headers": "{}", "one_off": false, "start_time": nil, "description": "",
            ],
            "interval": ["id": 1, "every": 10, "period": "seconds"],
            "crontab": [
                "id": 1, "minute": "*/5", "hour": "1-3", "day_of_week": "mon", "day_of_month": "*",
                "month_of_year": "*",
                "timezone": "Europe/Paris",
            ],
            "solar": ["id": 1, "event": "sunrise", "latitude": 1, "longitude": 2],
            "clocked": ["id": 1, "clocked_time": "2027-01-01T00:00:00+00:00"],
        ]
        try Drive(name: "rows of Django", corpus: bytes([row.text()])).run { input in
            guard let json = try? JSON(parsing: input) else { return true }
            for kind in DjangoBeatRow.Kind.allCases {
                let made = DjangoBeatRow(
                    task: json["task"] ?? .null,
                    schedules: json[kind.rawValue].map { [kind: $0] } ?? [:],
                    source: "d",
                    zone: "UTC",
                    zones: zones
                )
                switch made.read() {
                case .success(let entry):
                    _ = entry.schedule?.words(in: .utc)
                    let isCounted: Bool = if case .rrule? = entry.schedule { true } else { false }
                    if !isCounted { _ = entry.schedule.map { Array($0.ticks(after: now, in: .utc).prefix(2)) } }
                    guard (try? LegacyEntry(json: JSON(parsing: entry.json.text()))) != nil else { return false }
                case .failure(let unread):
                    guard !unread.record.reason.isEmpty, !unread.record.detail.isEmpty else { return false }
                }
            }
            return true
        }
    }

    private static let mapping = """
        pipeline: "copy-${item.name}"
        for_each: [{name: a, table: t1, n: 1}, {name: b, table: t2, n: 2.50}]
        schedule: {crontab: "0 4 * * *", timezone: Europe/Berlin}
        params: {day: {type: string, default: "2026-01-01"}}
        x-common: &common {retries: 2, retry_delay: 10s}
        tasks:
          clean:
            <<: *common
            sql: {connection: w, text: "DELETE FROM m.${item.table} WHERE d = :day::date; -- :x", params: {day: {previous_tick: date}}}
            shadow: observe
          load:
            copy:
              from: {connection: s, text: "SELECT id, at FROM x WHERE at >= :since"}
              to: {connection: w, table: "m.${item.table}", columns: [id, at]}
              params: {since: {previous_tick: iso}}
              window: {column: at, from: {previous_tick: iso}, until: {tick: iso}}
            after: [clean]
          call: {http: {connection: a, url: /x, json: {n: {from: load, path: $.rows}, p: {param: day}}, expect: [200]}, after: [load]}
          wait: {wait_for: {pipeline: other, task: t, within: 2h, every: 5m}}
        """

    @Test func mappingsForManyItems() throws {
        #expect(try Mapping.all(yaml: Self.mapping, file: "m.yaml").count == 2)
        let list = "[{name: a, table: t1}, {name: b, table: t2}]"
        let filed = Self.mapping.replacing(
            "[{name: a, table: t1, n: 1}, {name: b, table: t2, n: 2.50}]",
            with: "{file: items.yaml}"
        )
        try Drive(name: "mappings for many", corpus: bytes([Self.mapping, filed, list]), share: 0.4).run { input in
            let text = String(decoding: input, as: UTF8.self)
            // Once as the mapping, once as the file that one names.
            for (yaml, items) in [(text, list), (filed, text)] {
                do throws(SettingsError) {
                    let found = try Mapping.all(yaml: yaml, file: "m.yaml") { $0 == "items.yaml" ? items : nil }
                    guard !found.isEmpty || yaml.contains("for_each") else { return false }
                } catch {
                    guard !error.problems.isEmpty else { return false }
                }
            }
            return true
        }
    }

    @Test func statementsOfSQL() throws {
        let texts = [
            "SELECT ':a', \"b:c\", $$:d$$, $tag$ :e $tag$, E'\\':f', 1::int -- :g\n/* :h /* :i */ */ FROM t WHERE x = :day; VACUUM",
            "INSERT INTO t VALUES (:a, :b, '::', :c::jsonb); DELETE FROM t WHERE a[1:2] = :z",
        ]
        try Drive(name: "SQL", corpus: bytes(texts), share: 0.5).run { input in
            let text = String(decoding: input, as: UTF8.self)
            let statements = SQLStatement.all(text)
            return statements.allSatisfy { statement in
                // Texts and names by turns, and no name that is none.
                statement.parts.count % 2 == 1
                    && statement.parameters.allSatisfy {
                        !$0.isEmpty && $0.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" }
                    }
            }
        }
    }

    @Test func variablesOfALaunch() throws {
        let record = LaunchRecord(
            windows: [
                LaunchRecord.Window(from: now, until: now.adding(seconds: 60), cause: .launch),
                LaunchRecord.Window(from: now.adding(seconds: 90), until: nil, cause: .launch),
            ],
            by: "Ada",
            at: now,
            session: "s"
        )
        try Drive(name: "a launch", corpus: bytes([record.text])).run { input in
            guard let read = LaunchRecord(text: String(decoding: input, as: UTF8.self)) else { return true }
            return LaunchRecord(text: read.text) == read
        }
    }

    @Test func bundles() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bailey-bundle-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let head = #"{"bailey":"bundle","version":1,"made_at":"2026-11-29T00:00:00Z","by":"0.1","pipelines":["p"]}"#
        let parts = [
            ("bundle.json", head), ("inventory.json", "{}"), ("plan.json", "{}"),
            (
                "pipelines/p/comparisons.jsonl",
                #"{"id":1,"form":"f","verdict":"match","counts":true,"comparison":{"verdict":"match","pipeline":"p"}}"#
                    + "\n"
            ),
            ("pipelines/p/report.json", #"{"match":1,"verdict":"match"}"#),
            ("pipelines/p/policy.json", #"{"evaluation":{"holds":true,"lines":[{"verdict":"pass"}]}}"#),
            ("journal.jsonl", "{\"id\":1}\n"),
            ("MANIFEST.sha256", String(repeating: "0", count: 64) + "  bundle.json\n"),
        ]
        let path = folder.appendingPathComponent("b.tar").path
        try Drive(name: "bundles", corpus: [parts.flatMap { Self.part($0, $1) }], share: 0.1).run { input in
            // A head whose sum is wrong ends the reading: so that what it says is read, it is made right.
            var tar = input
            for at in stride(from: 0, to: max(0, tar.count - 511), by: 512)
            where tar[at + 257..<at + 262].elementsEqual("ustar".utf8) {
                Self.seal(&tar, at)
            }
            try Data(tar + [UInt8](repeating: 0, count: 1024)).write(to: URL(fileURLWithPath: path))
            let verdict = try BundleVerification.verify(path, digest: nil)
            return !verdict.holds && !verdict.faults.contains { $0.isEmpty } && verdict.faults.count < 250
        }
    }

    private static func part(_ name: String, _ text: String) -> [UInt8] {
        var head = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, _ at: Int) { head.replaceSubrange(at..<at + text.utf8.count, with: text.utf8) }
        put(name, 0)
        let size = String(text.utf8.count, radix: 8)
        put(String(repeating: "0", count: 11 - size.count) + size, 124)
        put("0", 156)
        put("ustar", 257)
        put("00", 263)
        seal(&head, 0)
        return head + Array(text.utf8) + [UInt8](repeating: 0, count: (512 - text.utf8.count % 512) % 512)
    }

    private static func seal(_ tar: inout [UInt8], _ at: Int) {
        tar.replaceSubrange(at + 148..<at + 156, with: [UInt8](repeating: 0x20, count: 8))
        let sum = String(tar[at..<at + 512].reduce(0) { $0 + Int($1) }, radix: 8)
        let text = String(repeating: "0", count: max(0, 6 - sum.count)) + sum
        tar.replaceSubrange(at + 148..<at + 156, with: Array(text.utf8.prefix(6)) + [0, 0x20])
    }

    /// What a look found stands in settings that are read as they were meant, whatever prefixes and tables are called.
    @Test func settingsOfWhatWasFound() throws {
        let texts = ["redbeat:", "schema.table name", "a: [b, *c]", "x\n  url: y", "${HOME}", "it's \"quoted\" # no"]
        try Drive(name: "settings of a look", corpus: bytes(texts), share: 0.5).run { input in
            let text = String(decoding: input, as: UTF8.self)
            var systems: [DiscoveredSystem] = []
            for blocked in [nil, text] as [String?] {
                var system = DiscoveredSystem(
                    what: "RedBeat",
                    kind: "redbeat",
                    address: "redis://h/0",
                    place: text,
                    certainty: .certain,
                    evidence: [text],
                    amount: 1,
                    unit: "entries",
                    outlook: .moves,
                    advice: text
                )
                system.reference = "redis://h/0"
                system.settings = [DiscoveredSystem.Setting("prefix", text)]
                system.blocked = blocked
                systems.append(system)
            }
            let found = Discovery(at: now, systems: systems)
            _ = (found.json.text(), found.textLines())
            guard let root = try? YAMLNode(yaml: found.settings, file: "b.yaml"),
                case .scalar(let read, _)? = root.child("sources")?.child("scheduler")?.child("prefix")?.content
            else {
                // A text that no YAML can hold, or that is nothing, is no setting.
                return text.isEmpty || text.unicodeScalars.contains { $0.properties.generalCategory == .control }
            }
            // The environment is not asked here: what would be a variable is written so that it is none.
            return read.replacing("$${", with: "${") == text && !(text.contains("${") && read == text)
        }
    }
}

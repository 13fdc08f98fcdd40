import Cutover
import Foundation
import Legacy
import LosslessJSON
import Migration
package import Operations
import Schedules
import Settings

extension SystemKind {
    /// The one line by which the almanac becomes a legacy system.
    package static let almanac = SystemKind(
        SourceKind(name: "almanac", keys: ["secret"]),
        bridge: { source, _, around in
            AlmanacBridge(source: source.name, almanac: Almanac(path: source.url), surroundings: around)
        },
        make: { source, _ in AlmanacSystem(source) }
    )
}

/// How an almanac is read.
struct AlmanacSystem: LegacySystem {
    let settings: SourceSettings
    var almanac: Almanac { Almanac(path: settings.url) }

    init(_ settings: SourceSettings) { self.settings = settings }

    var name: String { settings.name }

    func read(zones: ZoneDatabase) async throws -> SourceReading {
        try Task.checkCancellation()
        let document = try almanac.read()
        let members = document["entries"]?.object?.members ?? []
        var reading = SourceReading(
            summary: SourceSummary(
                name: name,
                kind: "almanac",
                system: "Almanac 1",
                address: "file",
                found: members.count
            ),
            entries: [],
            unread: []
        )
        for member in members {
            guard let task = member.value["task"]?.string else {
                reading.unread.append(
                    UnreadRecord(source: name, key: member.key, reason: "no-task", detail: "it names no task")
                )
                continue
            }
            let minute = member.value["minute"]?.string ?? "0"
            var entry = LegacyEntry(
                id: EntryID(source: name, name: member.key),
                kind: .recurring,
                task: task,
                enabled: member.value["enabled"]?.bool ?? true,
                schedule: try Almanac.schedule(minute: minute),
                scheduleSource: Almanac.crontab(minute: minute),
                timezone: "UTC"
            )
            entry.raw = [
                RawRecord(key: Array(member.key.utf8), field: "definition", bytes: Array(member.value.text().utf8))
            ]
            reading.entries.append(entry)
        }
        return reading
    }

    func runs(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant) throws
        -> any LegacyRuns
    {
        AlmanacRuns(almanac: almanac, source: name, entries: Set(entries.map(\.id)), now: now)
    }

    var dagSource: DAGSource {
        .own(
            DAGSource.GateClass(
                module: "almanac.airflow",
                name: "AlmanacGate",
                requirement: "almanac",
                leadsTo: "the almanac's file"
            )
        )
    }

    func connection(_ role: ConnectionRole) throws -> SourceConnection {
        guard role == .source else { throw UnusableSource("an almanac sends no messages") }
        return SourceConnection(
            type: "generic",
            host: nil,
            port: nil,
            login: nil,
            schema: nil,
            extra: ["path": .string(almanac.path)],
            password: nil,
            address: "the almanac's file"
        )
    }

    func rights() -> [NeededRights] {
        [NeededRights(commands: "import, shadow", lines: ["GRANT SELECT ON almanac TO bailey;"])]
    }

    var secrets: [String] { settings.own["secret"].map { [$0] } ?? [] }
}

/// The runs that an almanac keeps.
struct AlmanacRuns: LegacyRuns {
    let almanac: Almanac
    let source: String
    let entries: Set<EntryID>
    let now: @Sendable () -> Instant

    func recorded(limit: Int) async throws -> RecordedRuns {
        var outcomes: [Outcome] = []
        for run in try almanac.read()["runs"]?.array ?? [] where run["by"]?.string == "legacy" {
            let entry = EntryID(source: source, name: run["entry"]?.string ?? "")
            guard entries.contains(entry), let tick = run["tick"]?.string.flatMap({ Instant(iso8601: $0) }) else {
                continue
            }
            outcomes.append(
                Outcome(
                    key: Outcome.Key(entry: entry, tick: tick),
                    side: .legacy,
                    run: run["id"]?.string ?? "",
                    state: .success,
                    start: tick,
                    end: tick
                )
            )
        }
        var runs = RecordedRuns(outcomes: outcomes)
        runs.runs = outcomes.map { ObservedRun(entry: $0.key.entry, run: $0.run, ended: $0.end ?? now()) }
        return runs
    }

    func watch(
        since: Instant?,
        ready: @escaping @Sendable () async -> Void,
        handle: @escaping @Sendable (LegacyEvent) async throws -> Void
    ) async throws {
        await ready()
        while true {
            try await Task.sleep(for: .milliseconds(50))
            for outcome in try await recorded(limit: 50).outcomes {
                let run = ObservedRun(entry: outcome.key.entry, run: outcome.run, ended: outcome.end ?? now())
                try await handle(.run(outcome, run))
            }
            try await handle(.current(now()))
        }
    }
}

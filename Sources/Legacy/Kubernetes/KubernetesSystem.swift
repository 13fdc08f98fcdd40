public import Migration
public import Schedules
public import Settings

/// The CronJobs of a cluster, by their manifests: no cluster is asked. Read, planned and generated; who suspends one is a person.
public struct KubernetesSystem: LegacySystem {
    private let settings: SourceSettings
    private let folder: String

    /// The system of a source.
    ///
    /// - Parameter folder: that of `bailey.yaml`, from which paths begin.
    public init(_ settings: SourceSettings, folder: String) { (self.settings, self.folder) = (settings, folder) }

    public var name: String { settings.name }

    public func rights() -> [NeededRights] { [] }

    public var secrets: [String] { [] }

    public func read(zones: ZoneDatabase) async throws -> SourceReading {
        if let zone = settings.timezone { _ = try zones.zone(zone) }
        let files = try SourceFiles(source: name, names: settings.files, folder: folder).read(
            endings: [".yaml", ".yml", ".json"]
        )
        var manifests = Manifests()
        for file in files {
            try Task.checkCancellation()
            manifests.add(file.text, file: file.name)
        }
        var reading = SourceReading(
            summary: SourceSummary(
                name: name,
                kind: "kubernetes",
                system: "CronJobs in \(files.count == 1 ? "a file" : "\(files.count) files")",
                address: settings.files.joined(separator: ", "),
                found: manifests.found.count
            ),
            entries: [],
            unread: []
        )
        var places: [EntryID: String] = [:]
        for found in manifests.found {
            switch found {
            case .unread(let place, let reason, let detail):
                reading.unread.append(UnreadRecord(source: name, key: place, reason: reason, detail: detail))
            case .job(let json, let place):
                let record = CronJobRecord(source: name, job: json, place: place, zone: settings.timezone, zones: zones)
                do throws(CronJobRecord.Unread) {
                    let entry = try record.entry()
                    if let first = places[entry.id] {
                        throw CronJobRecord.Unread(
                            reason: "named-twice",
                            detail: "\(entry.id.name) stands in \(first) too, and a cluster has one of a name"
                        )
                    }
                    places[entry.id] = place
                    reading.entries.append(entry)
                } catch {
                    let named = (try? record.name()).map { " \($0)" } ?? ""
                    reading.unread.append(
                        UnreadRecord(source: name, key: place + named, reason: error.reason, detail: error.detail)
                    )
                }
            }
        }
        reading.entries.sort { $0.id < $1.id }
        reading.summary.notes = notes(reading)
        return reading
    }

    private func notes(_ reading: SourceReading) -> [EntryNote] {
        var notes = [
            EntryNote(
                .noSwitch,
                "manifests say what a cluster is to run, not what it ran, and no switch moves CronJobs: they can be planned and generated, and are moved by hand"
            )
        ]
        if reading.entries.contains(where: { $0.timezone == nil }) {
            notes.append(
                EntryNote(
                    .zoneUnknown,
                    "a CronJob without timeZone is due in the zone of the cluster's controller, which manifests do not tell; set “timezone” of source \(name) (UTC is assumed)"
                )
            )
        }
        if reading.summary.found == 0 {
            notes.append(EntryNote(.incompleteReading, "its files hold no CronJob: are they the right ones?"))
        }
        return notes
    }

    public func runs(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant)
        -> any LegacyRuns
    {
        NoRuns(now: now)
    }

    public func observerDefects(in inventory: Inventory) -> [EntryID: [String]] {
        unobserved(inventory, "manifests hold no record of runs, so there is nothing to compare with")
    }

    public var dagSource: DAGSource { .unswitched }

    public func connection(_ role: ConnectionRole) throws -> SourceConnection {
        throw UnusableSource("source \(name) is read from files, which no Airflow connection leads to")
    }

    public func byHand(_ entries: [LegacyEntry]) -> String? {
        let names = entries.map(\.id.name).joined(separator: ", ")
        return "write suspend: true into the CronJob\(entries.count > 1 ? "s" : "") \(names) and apply it"
    }
}

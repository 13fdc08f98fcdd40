import LosslessJSON
import Migration
import Schedules

/// Everything that says in which zone an application's schedules are read, and what follows of it.
///
/// RedBeat stores a crontab without a zone. Whatever writes a `meta` writes the application's zone into it: beat at each run, beat at
/// its start for static entries, the application when it creates an entry.
struct RedBeatZones {
    /// Who wrote a meta.
    private enum Writer: String {
        case run = "beat at a run"
        case start = "beat at its start"
        case application = "the application that created the entry"
    }

    private struct Sighting {
        var key: String
        var entry: EntryID?
        var zone: Zone
        var at: Instant
        var writer: Writer
    }

    private var sightings: [Sighting] = []

    /// Notes what one key's meta says, whether an entry came of it or not.
    mutating func note(_ record: RedBeatRecord, _ stored: RedBeatRecord.Stored, name: String, zones: ZoneDatabase) {
        var entry: EntryID?
        if case .entry(let read) = record { entry = read.id }
        guard let time = try? RedBeatBytes.lastRun(stored.meta, zones: zones), time.isNamed,
            // What is parked was written by Bailey.
            time.instant < RedBeatBytes.parking
        else { return }
        let writer: Writer = RedBeatBytes.isOfAFire(stored.meta) ? .run : stored.isStatic ? .start : .application
        sightings.append(Sighting(key: name, entry: entry, zone: time.zone, at: time.instant, writer: writer))
    }

    /// Gives every entry its zone, and says what contradicts it. A contradiction that nothing explains stops the plan of the entry.
    func settle(
        _ reading: inout SourceReading,
        configured: Zone?,
        workers: [CeleryWorkers.Answer],
        zones: ZoneDatabase
    ) {
        let name = reading.summary.name
        let told = workersZones(workers, zones)
        let byBeat = sightings.filter { $0.writer != .application }
        let evidence = byBeat.isEmpty ? sightings : byBeat
        let written = RedBeatZones.distinct(evidence.map(\.zone))
        var chosen = configured ?? (told.count == 1 ? told[0].zone : nil)
        func summarize(_ code: FindingCode, _ detail: String) {
            reading.summary.notes.append(EntryNote(code, detail))
        }
        if let configured, let other = told.first(where: { !$0.zone.keepsSameTime(as: configured) }) {
            let why = "bailey.yaml says \(configured.name), and worker \(other.worker) says \(other.zone.name)"
            return contradict(
                &reading,
                zone: configured,
                "\(why). Set “timezone” of source \(name) to what the application has"
            )
        }
        if configured == nil, told.count > 1 {
            let said = told.map { "\($0.worker) says \($0.zone.name)" }.joined(separator: ", ")
            return contradict(&reading, zone: nil, "live workers disagree: \(said). Set “timezone” of source \(name)")
        }
        if chosen == nil {
            guard written.count < 2 else {
                let why =
                    "\(shown(evidence)), and an application has one zone. Set “timezone” of source \(name) in bailey.yaml"
                return contradict(&reading, zone: nil, why)
            }
            chosen = written.first
            if chosen == nil {
                summarize(
                    .zoneUnknown,
                    "no entry has run yet, and no meta names a zone; set “timezone” of source \(name) in bailey.yaml (UTC is assumed)"
                )
            } else if byBeat.isEmpty {
                summarize(
                    .zoneUnknown,
                    "no entry has run yet; \(shown(evidence)), which is taken. Set “timezone” of source \(name) if beat's is another"
                )
            }
        }
        for index in reading.entries.indices { reading.entries[index].timezone = chosen?.name }
        guard let chosen else { return }
        let source: String? = configured == nil ? told.isEmpty ? nil : "live workers say" : "bailey.yaml says"
        let others = sightings.filter { !$0.zone.keepsSameTime(as: chosen) }
        guard !others.isEmpty else { return }
        let said = source.map { "\($0) \(chosen.name), but " } ?? "\(chosen.name) is taken, but "
        summarize(.zoneDisagrees, said + shown(others))
        // Workers may have been changed and beat not, so that they alone explain nothing that beat has written; together with a person, or
        // with what beat wrote last, they do.
        let latestChosen = byBeat.filter { $0.zone.keepsSameTime(as: chosen) }.map(\.at).max()
        let sinceChosen = byBeat.filter { $0.zone.keepsSameTime(as: chosen) }.map(\.at).min()
        for other in others {
            guard let id = other.entry, let index = reading.entries.firstIndex(where: { $0.id == id }) else { continue }
            let seen = "\(said)its meta of \(other.at.iso8601) is in \(other.zone.name) (\(other.writer.rawValue))"
            // An application whose zone was changed keeps the old one in what has not run since.
            let isOlder =
                sinceChosen.map { first in
                    others.filter { $0.writer != .application }.allSatisfy { $0.at < first }
                } ?? false
            let isConfirmed =
                !told.isEmpty && (configured != nil || latestChosen.map { other.at < $0 } ?? (byBeat.isEmpty))
            let explained = isConfirmed || isOlder || other.writer == .application
            reading.entries[index].notes.append(
                explained
                    ? EntryNote(
                        .zoneDisagrees,
                        "\(seen): the application's zone was changed, or another program wrote it"
                    )
                    : EntryNote(
                        .zoneContradicted,
                        configured == nil
                            ? "\(seen). Set “timezone” of source \(name) in bailey.yaml to what beat's application has"
                            : "\(seen). Correct “timezone” of source \(name), or run bailey import while its workers run, which are asked"
                    )
            )
        }
    }

    /// Stops the plan of all entries of the source.
    private func contradict(_ reading: inout SourceReading, zone: Zone?, _ why: String) {
        reading.summary.notes.append(EntryNote(.zoneDisagrees, why))
        for index in reading.entries.indices {
            reading.entries[index].timezone = zone?.name
            reading.entries[index].notes.append(EntryNote(.zoneContradicted, why))
        }
    }

    /// The zones that workers have, each once, with one who says so.
    private func workersZones(_ workers: [CeleryWorkers.Answer], _ zones: ZoneDatabase) -> [(
        worker: String, zone: Zone
    )] {
        var found: [(worker: String, zone: Zone)] = []
        for worker in workers {
            // Celery reads no timezone as UTC, unless enable_utc is false: then it is the machine's, which nobody tells. What is no name is
            // an object of the application's, which is told in no words.
            let told = worker.settings["timezone"] ?? .null
            let isUTC = told.isNull && worker.settings["enable_utc"]?.bool != false
            guard let name = told.string ?? (isUTC ? "UTC" : nil), let zone = try? zones.zone(name) else { continue }
            if !found.contains(where: { $0.zone.keepsSameTime(as: zone) }) { found.append((worker.worker, zone)) }
        }
        return found
    }

    private static func distinct(_ zones: [Zone]) -> [Zone] {
        zones.reduce(into: []) { found, zone in
            if !found.contains(where: { $0.keepsSameTime(as: zone) }) { found.append(zone) }
        }
    }

    /// `beat at a run wrote Europe/Berlin (3 keys, the latest redbeat:a at …)`.
    private func shown(_ sightings: [Sighting]) -> String {
        let groups = Dictionary(grouping: sightings) { "\($0.writer.rawValue) wrote \($0.zone.name)" }
        return groups.sorted { $0.key < $1.key }.map { words, group in
            let latest = group.max { $0.at < $1.at }
            let when = latest.map { ", the latest \($0.key) at \($0.at.iso8601)" } ?? ""
            return "\(words) (\(group.count) \(group.count == 1 ? "key" : "keys")\(when))"
        }.joined(separator: " and ")
    }
}

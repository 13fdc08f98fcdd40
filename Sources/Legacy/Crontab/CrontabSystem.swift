import LosslessJSON
public import Migration
public import Schedules
public import Settings

/// Crontabs as files. Read, planned and generated; who takes a line out of a crontab is a person.
public struct CrontabSystem: LegacySystem {
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
        let files = try SourceFiles(source: name, names: settings.files, folder: folder).read()
        var reading = SourceReading(
            summary: SourceSummary(
                name: name,
                kind: "crontab",
                system: files.count == 1 ? "a crontab" : "\(files.count) crontabs",
                address: files.map(\.name).joined(separator: ", "),
                found: 0
            ),
            entries: [],
            unread: []
        )
        var names = EntryNames()
        let hasUsers = settings.own["users"].map { ["true", "yes", "True"].contains($0) }
        for file in files {
            let crontab: CrontabFile
            do throws(NoCrontab) { crontab = try CrontabFile(file.text, file: file.name, hasUsers: hasUsers) } catch {
                throw UnusableSource("source \(name): \(error.description)")
            }
            for line in crontab.unread {
                reading.unread.append(
                    UnreadRecord(
                        source: name,
                        key: "\(file.name):\(line.number)",
                        reason: "no-crontab-line",
                        detail: ShownCommand.of(line.reason)
                    )
                )
            }
            for line in crontab.lines { add(line, of: file.name, &names, to: &reading, zones) }
        }
        reading.summary.found = reading.entries.count + reading.unread.count
        reading.summary.notes = notes(reading)
        reading.entries.sort { $0.id < $1.id }
        return reading
    }

    private func add(
        _ line: CrontabFile.Line,
        of file: String,
        _ names: inout EntryNames,
        to reading: inout SourceReading,
        _ zones: ZoneDatabase
    ) {
        let place = "\(file):\(line.number)"
        if let zone = line.timezone {
            do throws(ScheduleError) { _ = try zones.zone(zone) } catch {
                reading.unread.append(
                    UnreadRecord(source: name, key: place, reason: error.code.rawValue, detail: error.message)
                )
                return
            }
        }
        let parts = line.parts
        let task = CommandName.of(parts.command)
        var entry = LegacyEntry(
            id: EntryID(source: name, name: names.unique(task, of: [file, line.user ?? "", line.command])),
            kind: .commandLine,
            task: task,
            schedule: line.cron.map { .cron($0) },
            timezone: line.timezone ?? settings.timezone
        )
        // A secret is kept nowhere: what holds one is only shown.
        let isSecret = ShownCommand.hidesSomething(of: line.command)
        func kept(_ text: String) -> String { isSecret ? ShownCommand.of(text) : text }
        var options: [(String, JSON)] = [("command", .string(kept(parts.command))), ("place", .string(place))]
        if isSecret { options.append(("hidden", true)) }
        if let input = parts.input { options.append(("input", .string(kept(input)))) }
        if let user = line.user { options.append(("user", .string(user))) }
        if let shell = line.variables["SHELL"] { options.append(("shell", .string(shell))) }
        if let path = line.variables["PATH"] { options.append(("path", .string(path))) }
        entry.options = .object(JSONObject(options))
        entry.raw = [RawRecord(key: Array(place.utf8), field: nil, bytes: Array(kept(line.text).utf8))]
        entry.notes = notes(line)
        reading.entries.append(entry)
    }

    private func notes(_ line: CrontabFile.Line) -> [EntryNote] {
        var notes: [EntryNote] = []
        if line.cron == nil {
            notes.append(
                EntryNote(.scheduleUnsupported, "it runs when the machine starts, and no clock says when that is")
            )
        }
        if line.timezone != nil {
            notes.append(
                EntryNote(
                    .zoneUnknown,
                    "CRON_TZ stands above it, which cronie reads; Debian's cron does not know it, and would run it in the machine's own zone"
                )
            )
        }
        // Their values may be secrets, and are not kept.
        let others = line.variables.keys.filter { !["SHELL", "PATH", "MAILTO", "MAILFROM"].contains($0) }.sorted()
        notes.append(
            EntryNote(
                .runsElsewhere,
                "cron runs it as \(line.user.map { "the user \($0)" } ?? "the crontab's owner") on the crontab's machine, in that user's home"
                    + (others.isEmpty ? "" : ", with \(others.joined(separator: ", ")) set above it")
                    + "; a DAG runs it as Airflow's worker on the worker's machine"
            )
        )
        notes.append(
            EntryNote(
                .overlapDiffers,
                "cron starts it again while a run of it is still under way; a DAG waits, with one run at a time (max_active_runs)"
            )
        )
        return notes
    }

    private func notes(_ reading: SourceReading) -> [EntryNote] {
        var notes = [
            EntryNote(
                .noSwitch,
                "no switch moves a crontab's lines, and cron keeps no record of runs: they can be planned and generated, and are moved by hand"
            )
        ]
        if reading.entries.contains(where: { $0.timezone == nil && $0.schedule != nil }) {
            notes.append(
                EntryNote(
                    .zoneUnknown,
                    "cron reads its lines in the zone of its machine, which no crontab tells; set “timezone” of source \(name) (UTC is assumed)"
                )
            )
        }
        return notes
    }

    public func runs(of entries: [LegacyEntry], zones: ZoneDatabase, now: @escaping @Sendable () -> Instant)
        -> any LegacyRuns
    {
        NoRuns(now: now)
    }

    public func observerDefects(in inventory: Inventory) -> [EntryID: [String]] {
        unobserved(inventory, "cron keeps no record of runs, so there is nothing to compare with")
    }

    public var dagSource: DAGSource { .unswitched }

    public func connection(_ role: ConnectionRole) throws -> SourceConnection {
        throw UnusableSource("source \(name) is read from files, which no Airflow connection leads to")
    }

    public func byHand(_ entries: [LegacyEntry]) -> String? {
        let places = entries.compactMap { $0.options["place"]?.string }
        return "comment \(places.isEmpty ? "the line" : places.joined(separator: " and ")) out in the crontab"
    }
}

import LosslessJSON
import Migration
import Postgres
import Schedules

/// The rows by which a queue puts jobs in line again and again: entries with times of their own, beside its job types.
extension QueueSource {
    /// Adds what the profile says of them; nothing where it says nothing, or the database has no such table.
    func addRecurring(
        _ connection: PostgresConnection,
        to reading: inout SourceReading,
        zones: ZoneDatabase
    ) async throws {
        guard let recurring = profile.recurring else { return }
        let parts = profile.table.split(separator: ".").map(String.init)
        let table = (parts.count > 1 ? [parts[0]] : []) + [recurring.table]
        let quoted = table.map(PostgresConnection.identifier).joined(separator: ".")
        let there = try await connection.query("SELECT to_regclass($1::text) IS NOT NULL AS there", [.text(quoted)])
        guard try there.first?.bool("there") == true else { return }
        let rows = try await connection.query(
            "SELECT to_jsonb(rows)::text AS row FROM (\(profile.filled(recurring.query))) AS rows ORDER BY 1"
        )
        if recurring.dialect == .code, !rows.isEmpty {
            reading.summary.notes.append(
                EntryNote(
                    .scheduleUnsupported,
                    "\(table.joined(separator: ".")) names \(rows.count) that recur, and when they are due stands in the application's code: write their schedules into mappings"
                )
            )
        }
        let clock = try await connection.query("SELECT extract(epoch FROM now())::float8 AS now").first
        let now = try clock?.double("now").flatMap(QueueSource.instant)
        var taken: Set<String> = []
        for row in rows {
            reading.summary.found += 1
            let json = try JSON(parsing: row.text("row"))
            let fields = (json.object?.members ?? []).reduce(into: [String: String]()) { found, member in
                if !member.value.isNull { found[member.key] = member.value.string ?? member.value.text() }
            }
            guard let name = fields["name"], !name.isEmpty, taken.insert(name).inserted else {
                reading.unread.append(
                    UnreadRecord(
                        source: self.name,
                        key: "\(table.joined(separator: ".")) \(fields["name"] ?? "")",
                        reason: fields["name"] == nil ? "no-name" : "named-twice",
                        detail: "a row that recurs has no name of its own, by which it could be told from others"
                    )
                )
                continue
            }
            reading.entries.append(entry(name, fields, json, recurring, quoted, zones, now: now))
        }
        reading.entries.sort { $0.id < $1.id }
    }

    private func entry(
        _ name: String,
        _ fields: [String: String],
        _ row: JSON,
        _ recurring: QueueRecurring,
        _ table: String,
        _ zones: ZoneDatabase,
        now: Instant?
    ) -> LegacyEntry {
        var entry = LegacyEntry(
            id: EntryID(source: self.name, name: QueueRecurring.prefix + name),
            kind: .recurringJob,
            task: fields["type"] ?? name,
            enabled: fields["enabled"] != "false"
        )
        let times = RecurringSchedule(
            dialect: recurring.dialect,
            row: fields,
            zone: recurring.timezone ?? zoneName,
            zones: zones
        )
        do throws(RecurringSchedule.Unknown) {
            let found = try times.read()
            (entry.schedule, entry.scheduleSource) = (found.schedule, found.schedule.storedJSON)
            (entry.timezone, entry.lastRun) = (found.zone, found.last)
            if let now, let begins = found.begins, let zone = try? zones.zone(found.zone ?? "UTC"),
                let due = found.schedule.next(after: now, in: zone), due.seconds < begins.seconds
            {
                entry.notes.append(EntryNote(.boundedEntry, "it is not due before \(begins.iso8601), its next run"))
            }
            if found.zone == nil {
                entry.notes.append(
                    EntryNote(
                        .zoneUnknown,
                        "it is read in the application's zone, which no table tells; set “timezone” of source \(self.name) (UTC is assumed)"
                    )
                )
            }
        } catch {
            entry.notes.append(EntryNote(.scheduleUnsupported, error.reason))
        }
        if entry.lastRun == nil { entry.lastRun = fields["last"].flatMap { Instant(iso8601: $0) } }
        if !entry.enabled { entry.notes.append(EntryNote(.disabledEntry, "its row says that it does not run")) }
        if let repeats = fields["repeats"].flatMap({ Int($0) }), repeats > 0 {
            entry.notes.append(EntryNote(.boundedEntry, "it runs \(repeats) more times, and then no more"))
        }
        entry.raw = [RawRecord(key: Array(table.utf8), field: name, bytes: Array(row.text().utf8))]
        return entry
    }
}

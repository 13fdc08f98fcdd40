import Legacy
package import LosslessJSON
package import Migration
package import Schedules
import Store

/// What an entry was, each time that it was planned and later found otherwise.
package struct EntryHistory: Sendable {
    package let entry: EntryID
    package let past: [Past]

    /// As it was once.
    package struct Past: Sendable {
        package let readAt: Instant?
        package let replacedAt: Instant?
        package let change: InventoryChanges.Change.Kind?
        package let entry: LegacyEntry
    }
}

extension Workspace {
    /// What an entry was before it changed, also under names that it had before.
    ///
    /// - Throws: `OperationFailure` for an entry of which nothing is known; `StoreError`.
    package func history(ofEntry text: String) throws -> EntryHistory {
        let store = try store()
        guard let id = EntryID(text) else {
            throw OperationFailure(.usage, "“\(text)” is no entry; write source/name, as bailey plan does")
        }
        let inventory = try store.latestInventory()
        let present = inventory?[id] ?? inventory?.renamed[id].flatMap { inventory?[$0] }
        let names = (present?.formerly ?? []) + [present?.id ?? id]
        let past = try names.flatMap { try store.pastEntries(of: $0) }.map {
            EntryHistory.Past(readAt: $0.readAt, replacedAt: $0.replacedAt, change: $0.change, entry: $0.entry)
        }
        guard present != nil || !past.isEmpty else {
            throw OperationFailure(.usage, "there is no entry \(id) in the inventory, and none was planned")
        }
        return EntryHistory(entry: present?.id ?? id, past: past)
    }
}

extension EntryHistory {
    /// What `bailey history entry --json` prints.
    package var json: JSON {
        [
            "bailey": "entry-history", "version": 1, "entry": .string(entry.description),
            "past": .array(
                past.map {
                    [
                        "read_at": JSON($0.readAt?.iso8601), "replaced_at": JSON($0.replacedAt?.iso8601),
                        "change": JSON($0.change?.rawValue), "entry": $0.entry.json,
                    ]
                }
            ),
        ]
    }

    /// For a terminal: when it was so, and its stored bytes.
    package var textLines: [String] {
        if past.isEmpty { return ["No import has found \(entry) otherwise than it was planned."] }
        var lines: [String] = []
        for item in past {
            let times = "read \(item.readAt?.iso8601 ?? "?"), seen otherwise \(item.replacedAt?.iso8601 ?? "?")"
            lines.append("\(item.entry.id), \(times) (\(item.change?.rawValue ?? "?")):")
            lines.append("  \(item.entry.task), \(item.entry.schedule?.shortText ?? "no schedule")")
            for record in item.entry.raw {
                let place = readable(record.key) + (record.field.map { " " + $0 } ?? "")
                lines.append("  \(place): \(readable(record.bytes))")
            }
        }
        return lines
    }
}

import Legacy
package import Migration
import Schedules
import Settings
import Store

extension Workspace {
    /// Reads all sources into an inventory, and keeps it. Nothing is changed in them.
    ///
    /// - Throws: what keeps a source from being read, or `StoreError`.
    package func importInventory() async throws -> Inventory {
        let sources = try sources()
        let started = surroundings.now()
        var inventory = Inventory(readAt: started)
        let elapsed: @Sendable () -> String = {
            "still reading, \(Int(surroundings.now().seconds(since: started))) s"
        }
        let readings = try await withProgress(elapsed, tell: tell) {
            try await withThrowingTaskGroup(of: (Int, SourceReading).self) { group in
                for (index, source) in sources.enumerated() {
                    tell("reading \(source.name) …")
                    group.addTask { (index, try await source.read(zones: zones)) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }
        for (_, reading) in readings.sorted(by: { $0.0 < $1.0 }) {
            inventory.sources.append(reading.summary)
            inventory.add(reading.entries)
            inventory.unread += reading.unread
        }
        for source in settings.sources where source.kind == .redbeat {
            let entries = inventory.entries.filter { $0.id.source == source.name }
            let (histories, unattributed) = try await withProgress(elapsed, tell: tell) {
                try await celeryRuns(source, entries: entries).histories(limit: 500)
            }
            inventory.setHistories(histories)
            for index in inventory.sources.indices where inventory.sources[index].name == source.name {
                inventory.sources[index].notes += unattributed.sorted { $0.key < $1.key }.map { reason, count in
                    EntryNote(.historyBiased, "\(count) recorded results left out of the history: \(reason)")
                }
            }
        }
        try store().save(inventory)
        return inventory
    }
}

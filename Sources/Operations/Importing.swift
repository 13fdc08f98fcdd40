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
        let started = surroundings.now()
        var inventory = Inventory(readAt: started)
        let elapsed: @Sendable () -> String = {
            "still reading, \(Int(surroundings.now().seconds(since: started))) s"
        }
        let readings = try await withProgress(elapsed, tell: tell) {
            try await withThrowingTaskGroup(of: (Int, SourceReading).self) { group in
                for (index, system) in systems.enumerated() {
                    tell("reading \(system.name) …")
                    group.addTask { (index, try await system.read(zones: zones)) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }
        for (_, reading) in readings.sorted(by: { $0.0 < $1.0 }) {
            inventory.sources.append(reading.summary)
            inventory.add(reading.entries)
            inventory.unread += reading.unread
        }
        for system in systems {
            let entries = inventory.entries.filter { $0.id.source == system.name }
            let histories = try await withProgress(elapsed, tell: tell) {
                try await system.histories(of: entries, zones: zones, now: surroundings.now)
            }
            inventory.setHistories(histories.entries)
            for index in inventory.sources.indices where inventory.sources[index].name == system.name {
                inventory.sources[index].notes += histories.notes
            }
        }
        try store().save(inventory)
        return inventory
    }
}

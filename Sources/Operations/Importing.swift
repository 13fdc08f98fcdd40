import Foundation
import Legacy
package import Migration
import Schedules
import Settings
import Store

extension Workspace {
    /// Reads all sources into an inventory, and keeps it. Nothing is changed in them.
    ///
    /// - Returns: the inventory, and what is different in it from the one that was planned last; nil if there was none.
    /// - Parameters:
    ///   - askWorkers: whether live workers are asked for their configuration, which is a message to each.
    ///   - application: a Celery application whose code is loaded for this import, beside those that the settings name.
    /// - Throws: what keeps a source from being read, or `StoreError`.
    package func importInventory(askWorkers: Bool = true, from application: NamedApplication? = nil) async throws
        -> (inventory: Inventory, changes: InventoryChanges?)
    {
        let systems = try application.map { try $0.systems(self) } ?? self.systems
        let started = surroundings.now()
        var inventory = Inventory(readAt: started)
        let elapsed: @Sendable () -> String = {
            "still reading, \(Int(surroundings.now().seconds(since: started))) s"
        }
        let readings = try await withProgress(elapsed, tell: tell) {
            try await withThrowingTaskGroup(of: (Int, SourceReading).self) { group in
                for (index, system) in systems.enumerated() {
                    tell("reading \(system.name) …")
                    let question = WorkerQuestion(name: "bailey-\(UUID().uuidString.lowercased())", now: started)
                    group.addTask {
                        (
                            index,
                            try await askWorkers ? system.readAsking(question, zones: zones) : system.read(zones: zones)
                        )
                    }
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
        if askWorkers { await self.askWorkers(&inventory, systems) }
        let store = try store()
        let changes = try store.changes(in: inventory)
        if let changes { inventory.keepNames(try store.formerNames(), changes) }
        try store.save(inventory, changes: changes)
        return (inventory, changes)
    }

    /// Notes that an inventory was planned: the next imports say what is different from it.
    ///
    /// - Throws: `StoreError`.
    package func notePlanned(_ inventory: Inventory) throws { try store().notePlanned(inventory.readAt) }

    /// Asks the live workers of every Celery application how they are configured, and says what is new since the import before.
    private func askWorkers(_ inventory: inout Inventory, _ systems: [any LegacySystem]) async {
        let before = try? store().latestInventory()
        for system in systems {
            guard let index = inventory.sources.firstIndex(where: { $0.name == system.name }) else { continue }
            let name = "bailey-\(UUID().uuidString.lowercased())-"
            let earlier = before?.sources.first { $0.name == system.name }?.celery
            guard let found = try? await system.celery(name: name, now: surroundings.now) else {
                // Where nobody answers now, what was told before still counts.
                inventory.sources[index].celery = earlier
                continue
            }
            inventory.sources[index].celery = found
            inventory.sources[index].notes.append(EntryNote(.workersTold, found.summary))
            let changed = earlier.map { found.differences(from: $0) } ?? []
            if !changed.isEmpty {
                inventory.sources[index].notes.append(
                    EntryNote(
                        .workersChanged,
                        "its workers are configured otherwise than at the import before: \(changed.joined(separator: ", ")). Generate the DAG files anew"
                    )
                )
            }
        }
    }
}

import ArgumentParser
import Legacy
import Migration
import Reports
import Schedules
import Settings
import Store

struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Read all sources into an inventory; nothing is changed in them."
    )

    @OptionGroup var common: CommonOptions

    func run() async throws {
        let desk = try Desk(common)
        let sources = try desk.sources()
        var inventory = Inventory(readAt: currentInstant())
        let zones = desk.zones
        let started = currentInstant()
        let elapsed: @Sendable () -> String = { "still reading, \(Int(currentInstant().seconds(since: started))) s" }
        let readings = try await withProgress(elapsed) {
            try await withThrowingTaskGroup(of: (Int, SourceReading).self) { group in
                for (index, source) in sources.enumerated() {
                    Console.note("reading \(source.name) …")
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
        for settings in desk.workspace.sources where settings.kind == .redbeat {
            let entries = inventory.entries.filter { $0.id.source == settings.name }
            let (histories, unattributed) = try await withProgress(elapsed) {
                try await desk.celeryRuns(settings, entries: entries).histories(limit: 500)
            }
            inventory.setHistories(histories)
            for index in inventory.sources.indices where inventory.sources[index].name == settings.name {
                inventory.sources[index].notes += unattributed.sorted { $0.key < $1.key }.map { reason, count in
                    EntryNote(.historyBiased, "\(count) recorded results left out of the history: \(reason)")
                }
            }
        }
        try desk.store().save(inventory)
        if common.json { Console.print(inventory.json) } else { Console.print(inventory.textLines()) }
    }
}

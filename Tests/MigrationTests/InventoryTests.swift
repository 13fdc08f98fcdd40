import LosslessJSON
import Migration
import Schedules
import Testing

@Suite("Inventories, written and read") struct InventoryTests {
    @Test func aScheduleThatHasNoStoredFormIsKeptInRedBeats() throws {
        let schedules = [
            Schedule.crontab(try Crontab(cronOrder: "30 2 * * 1-5")), .interval(try Interval(seconds: 90)),
        ]
        let entries = schedules.enumerated().map { number, schedule in
            LegacyEntry(
                id: EntryID(source: "s", name: "\(number)"),
                kind: .recurring,
                task: "t",
                schedule: schedule,
                timezone: "UTC"
            )
        }
        let inventory = Inventory(readAt: Instant(seconds: 1_795_392_000), entries: entries)
        let read = try Inventory(json: inventory.json)
        #expect(read.entries.map(\.schedule) == schedules)
        #expect(read.entries.map(\.scheduleSource) == entries.map(\.scheduleSource))
        #expect(entries.allSatisfy { !$0.scheduleSource.isNull })
    }
}

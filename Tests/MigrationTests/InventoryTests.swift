import LosslessJSON
import Migration
import Schedules
import Testing

@Suite("Inventories, written and read") struct InventoryTests {
    @Test func aScheduleThatHasNoStoredFormIsKeptInRedBeats() throws {
        let schedules = [
            Schedule.crontab(try Crontab(cronOrder: "30 2 * * 1-5")), .interval(try Interval(seconds: 90)),
            .cron(try CronExpression("0 0 */2 * mon", dialect: .vixie)),
            .cron(try CronExpression("0 0 $ * *", dialect: .pgCron)),
            .cron(try CronExpression("5/15 * * * mon", dialect: .robfig)),
            .cron(try CronExpression("0 0 l * * 30", dialect: .croniter)),
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
        #expect(schedules[2].storedJSON == ["__type__": "cron", "dialect": "vixie", "expression": "0 0 */2 * mon"])
    }

    /// A form that a later version may have, or a hand has written, is an error that names the entry.
    @Test(arguments: [
        #"{"__type__":"cron","dialect":"quartz","expression":"0 0 * * *"}"#, #"{"__type__":"cron","dialect":"vixie"}"#,
        #"{"__type__":"cron","expression":"0 0 * * *"}"#,
        #"{"__type__":"cron","dialect":"vixie","expression":"0 0 * *"}"#,
        #"{"__type__":"solar"}"#,
    ]) func aStoredScheduleThatNobodyKnowsIsAnError(_ text: String) throws {
        var entry = LegacyEntry(id: EntryID(source: "s", name: "it"), kind: .commandLine, task: "t")
        entry.scheduleSource = try JSON(parsing: text)
        let error = #expect(throws: StoredJSONError.self) {
            _ = try Inventory(json: Inventory(readAt: Instant(seconds: 0), entries: [entry]).json)
        }
        #expect(error?.description.contains("s/it") == true)
    }

    @Test(arguments: [
        ("a b", "a b", nil), ("a%b", "a", "b\n"), (#"a\%b"#, "a%b", nil), (#"a%b\%c%d"#, "a", "b%c\nd\n"),
        ("a%", "a", ""),
        ("a%%", "a", "\n"), (#"a\\%b"#, #"a\\"#, "b\n"), (#"a\n%b"#, #"a\n"#, "b\n"),
    ]) func whatFollowsAPercentSignIsStandardInput(_ command: String, _ shell: String, _ input: String?) throws {
        let crontab = try CrontabFile("* * * * * \(command)\n", file: "x")
        let parts = try #require(crontab.lines.first).parts
        #expect(parts.command == shell && parts.input == input)
    }
}

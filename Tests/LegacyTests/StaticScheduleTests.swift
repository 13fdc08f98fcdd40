import Foundation
import LosslessJSON
import Migration
import Schedules
import Testing

@testable import Legacy

@Suite("A schedule in code, as workers tell it") struct StaticScheduleTests {
    /// Made by four versions of Celery: `Generators/told_schedules.py`.
    @Test func everyScheduleIsWhatCeleryHasOrIsNotRead() throws {
        let text = try String(contentsOf: fixture("told_schedules.jsonl"), encoding: .utf8)
        var exact: [String: Int] = [:]
        var lost = 0
        for line in text.split(separator: "\n") {
            let record = try JSON(parsing: Array(line.utf8))
            let told = try #require(record["told"])
            let relative = told["relative"]?.bool ?? false
            let schedule = try #require(told["schedule"])
            guard let stored = record["redbeat"], !stored.isNull else {
                let error = #expect(throws: ScheduleError.self) { try ToldSchedule.read(schedule, relative: relative) }
                #expect(error?.code == .unknownSchedule, "\(line)")
                lost += 1
                continue
            }
            let meant: Schedule
            do {
                meant = try Schedule(redbeat: stored)
            } catch {
                // A date that no year has, which Celery before 5.7 takes.
                let refusal = #expect(throws: ScheduleError.self) {
                    try ToldSchedule.read(schedule, relative: relative)
                }
                #expect(refusal?.code == error.code, "\(line)")
                continue
            }
            switch (try ToldSchedule.read(schedule, relative: relative), meant) {
            case (.crontab(let told), .crontab(let stored)): #expect(told.rule == stored.rule, "\(line)")
            case (.interval(let told), .interval(let stored)):
                #expect(told.microseconds == stored.microseconds && told.relative == stored.relative, "\(line)")
            case let (told, stored): Issue.record("\(line): \(told) is not \(stored)")
            }
            exact[record["celery"]?.string ?? "", default: 0] += 1
        }
        #expect(exact.keys.sorted() == ["5.2.7", "5.3.6", "5.4.0", "5.7.0"] && exact.values.allSatisfy { $0 > 70 })
        #expect(lost > 50)
    }

    @Test(arguments: [
        "<crontab: 1, 2 * * * * (m/h/dM/MY/d)>", "<crontab: * * * * *>", "<crontab: * * * * * (m/h/dM/MY/y)>",
        "<crontab: * * * * * (m/m/dM/MY/d)>", "<crontab: range(0, 9999999999, 1) * * * * (m/h/dM/MY/d)>",
        "<crontab: [0, x] * * * * (m/h/dM/MY/d)>", "<crontab: range(0, 9, 0) * * * * (m/h/dM/MY/d)>", "<crontab: (>",
        "<freq: 30.00 seconds>", "<solar: sunset at latitude 1.0, longitude: 2.0>", "", "1:00", "99:00:00", "0:61:00",
        "x days, 1:00:00", "9999999999999999999999 days, 0:00:00", "0:00:-1", "0:00:1e3", "²:00:00",
    ])
    func whatCannotBeToldIsRefused(text: String) {
        #expect(throws: ScheduleError.self) { try ToldSchedule.read(.string(text), relative: false) }
    }

    private func answers(_ file: String, worker: String? = nil) throws -> [CeleryWorkers.Answer] {
        let json = try JSON(parsing: Array(Data(contentsOf: fixture(file))))
        return (json.object?.members ?? []).map { CeleryWorkers.Answer(worker: worker ?? $0.key, settings: $0.value) }
    }

    @Test(arguments: ["conf_52.json", "conf_57.json"]) func everyEntryIsAccountedFor(file: String) throws {
        let reading = StaticSchedule(source: "s", answers: try answers(file)).read()
        #expect(reading.found == 13)
        #expect(reading.entries.count + reading.unread.count == 13)
        #expect(Set(reading.unread.map(\.key)) == ["sched", "rel", "freq"])
        #expect(reading.unread.allSatisfy { $0.reason == "schedule-not-told" })
        let entries = Dictionary(uniqueKeysWithValues: reading.entries.map { ($0.id.name, $0) })
        #expect(
            entries["odd"]?.schedule?.shortText == "*/15 2,3 1-7 \(file == "conf_52.json" ? "1,7" : "jan,jul") mon-fri"
        )
        #expect(entries["odd"]?.args == [1, "x", [2]])
        #expect(entries["store"]?.options == ["queue": "ml_light", "expires": 60])
        #expect(
            entries["tdd"]?.schedule?.shortText == Schedule.interval(try Interval(seconds: 176_400.000005)).shortText
        )
        #expect(
            reading.entries.allSatisfy { $0.timezone == "Europe/Moscow" && $0.kind == .beat && $0.isStatic == true }
        )
    }

    @Test func workersThatDisagreeLeaveTheEntryUnread() throws {
        let one: JSON = [
            "timezone": "UTC",
            "beat_schedule": ["a": ["task": "t", "schedule": 30], "b": ["task": "t", "schedule": 5]],
        ]
        let other: JSON = ["beat_schedule": ["a": ["task": "t", "schedule": 60], "b": ["task": "t", "schedule": 5]]]
        let third: JSON = ["beat_schedule": nil]
        let fourth: JSON = ["error": "x"]
        let reading = StaticSchedule(
            source: "s",
            answers: zip(["w1", "w2", "w3", "w4"], [one, other, third, fourth]).map {
                CeleryWorkers.Answer(worker: $0, settings: $1)
            }
        ).read()
        #expect(reading.entries.map(\.id.name) == ["b"])
        #expect(reading.unread.map(\.reason) == ["workers-disagree"])
        #expect(reading.unread.first?.detail.contains("w1 tells it as") == true)
    }

    @Test func anOddEntryIsOneLine() {
        let odd: JSON = [
            "a": 1, "b": ["schedule": 1], "c": ["task": "t"], "d": ["task": "t", "schedule": 1, "crontab": 2],
            "e": ["task": "t", "schedule": -5], "f": ["task": "t", "schedule": 1], "g": ["task": "t", "schedule": "x"],
        ]
        let answer = CeleryWorkers.Answer(worker: "w", settings: ["beat_schedule": odd])
        let reading = StaticSchedule(source: "s", answers: [answer]).read()
        #expect(reading.found == 7 && reading.entries.map(\.id.name) == ["f"] && reading.unread.count == 6)
        let none = StaticSchedule(source: "s", answers: [.init(worker: "w", settings: ["beat_schedule": [1]])]).read()
        #expect(none.found == 1 && none.unread.map(\.reason) == ["malformed-schedule"])
    }
}

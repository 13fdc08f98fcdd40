import Foundation
import LosslessJSON
import Migration
import Schedules

/// Why RedBeat cannot use something that is stored, and what becomes of it then.
struct RedBeatFault: Error {
    /// A stable word: `malformed-json`, `bad-schedule`.
    var reason: String
    var detail: String
    var fate: LegacyFate

    init(_ reason: String, _ detail: String, _ fate: LegacyFate = .stops) {
        (self.reason, self.detail, self.fate) = (reason, detail, fate)
    }
}

/// RedBeat's JSON decoder (2.2 to 2.4): every object with a `__type__` that it knows becomes a Python object, wherever it stands, in arguments
/// as well as in the schedule. What a running beat did with each case is in `Tests/LegacyTests/Fixtures/beat`.
struct RedBeatDecoder {
    let zones: ZoneDatabase

    /// The longest integer that Python reads (`sys.get_int_max_str_digits`).
    private static let mostDigits = 4300

    /// Goes through a value as the decoder does.
    ///
    /// - Returns: whether it holds an object that becomes a schedule or a part of one, which Celery cannot put into a message.
    /// - Throws: the first fault, in the order in which the decoder meets them.
    func check(_ value: JSON) throws(RedBeatFault) -> Bool {
        switch value {
        case .null, .bool, .string: return false
        case .number(let number):
            if number.isInteger, number.lexeme.utf8.count > RedBeatDecoder.mostDigits {
                throw RedBeatFault(
                    "malformed-json",
                    "an integer has \(number.lexeme.utf8.count) digits, and Python reads 4300"
                )
            }
            return false
        case .array(let elements):
            var holds = false
            for element in elements where try check(element) { holds = true }
            return holds
        case .object(let object):
            var holds = false
            for member in object.members where try check(member.value) { holds = true }
            return try checkTyped(object) || holds
        }
    }

    private func checkTyped(_ object: JSONObject) throws(RedBeatFault) -> Bool {
        switch object["__type__"]?.string {
        case "datetime":
            _ = try time(.object(object))
            return false
        case "interval": try checkInterval(object)
        case "crontab": try checkCrontab(object)
        case "weekday": try checkWeekday(object)
        case "rrule": try RedBeatRule(object).check()
        default: return false
        }
        return true
    }

    // MARK: Times

    /// The time that an object of type `datetime` stands for.
    func time(_ json: JSON) throws(RedBeatFault) -> RedBeatTime {
        guard let object = json.object, object["__type__"]?.string == "datetime" else {
            throw RedBeatFault("malformed-meta", "\(json.text().prefix(200)) is no time that RedBeat wrote")
        }
        let known = ["__type__", "year", "month", "day", "hour", "minute", "second", "microsecond", "timezone", "fold"]
        if let extra = object.keys.first(where: { !known.contains($0) }) {
            throw RedBeatFault(
                "malformed-meta",
                extra == "__value__"
                    ? "the time \(json.text().prefix(200)) is in kombu's encoding, which is not RedBeat's"
                    : "the time has a field “\(extra)” that Python does not know"
            )
        }
        func part(_ name: String, _ range: ClosedRange<Int>, or usual: Int?) throws(RedBeatFault) -> Int {
            guard let value = object[name] else {
                if let usual { return usual }
                throw RedBeatFault("malformed-meta", "the time has no “\(name)”")
            }
            guard let number = value.wholeNumber, range.contains(number) else {
                throw RedBeatFault(
                    "malformed-meta",
                    "the time's \(name) is \(value.text().prefix(40)); it must be \(range.lowerBound) to \(range.upperBound)"
                )
            }
            return number
        }
        let year = try part("year", 1...9999, or: nil)
        let month = try part("month", 1...12, or: nil)
        let day = try part("day", 1...CivilDate.daysInMonth(year: year, month: month), or: nil)
        var local = LocalTime(wallSeconds: 0)
        local.date = CivilDate(year: year, month: month, day: day)
        local.hour = try part("hour", 0...23, or: 0)
        local.minute = try part("minute", 0...59, or: 0)
        local.second = try part("second", 0...59, or: 0)
        let micro = Int64(try part("microsecond", 0...999_999, or: 0))
        let isSecond = try part("fold", 0...1, or: 0) == 1
        let (zone, isNamed, rest) = try self.zone(object["timezone"] ?? "UTC")
        let whole = zone.utcSeconds(of: local, second: isSecond)
        guard let instant = Instant(exactMicroseconds: whole * 1_000_000 + micro - rest) else {
            throw RedBeatFault(
                "malformed-meta",
                "the time lies outside the years 1 to 9999 in UTC, in which Python computes (RedBeat 2.2 with Celery 5.4 may fire it)"
            )
        }
        return RedBeatTime(
            instant: instant,
            zone: zone,
            isNamed: isNamed && object["timezone"] != nil
        )
    }

    /// When the year 9999 ends, in seconds.
    static let endOfCalendar = 253_402_300_800.0
    /// When the year 1 begins, in seconds.
    static let startOfCalendar = -62_135_596_800.0

    /// A zone: an IANA name, or a number of seconds east of UTC with the part of it that is no whole second, in microseconds.
    private func zone(_ json: JSON) throws(RedBeatFault) -> (zone: Zone, isNamed: Bool, rest: Int64) {
        switch json {
        case .string(let name):
            // Python's zoneinfo takes no path, and an empty name for one.
            guard !name.isEmpty, !name.hasPrefix("/"), !name.split(separator: "/").contains("..") else {
                throw RedBeatFault("malformed-meta", "the time's zone is “\(name)”, which is no name")
            }
            do throws(ScheduleError) {
                // Our own “+05:30” is no IANA name.
                if name.hasPrefix("+") || name.hasPrefix("-") {
                    throw ScheduleError(.unknownZone, "there is no time zone “\(name)”")
                }
                return (try zones.zone(name), true, 0)
            } catch {
                var isFolder: ObjCBool = false
                _ = FileManager.default.fileExists(atPath: zones.directory + "/" + name, isDirectory: &isFolder)
                let older = isFolder.boolValue || name.contains("\0") ? "; RedBeat 2.3 and older stop on it" : ""
                throw RedBeatFault(
                    "unknown-zone",
                    error.message + older,
                    error.code == .unknownZone ? .dropped : .stops
                )
            }
        case .number, .bool:
            let seconds = json.truthNumber ?? .nan
            guard seconds.magnitude < 86_400 else {
                throw RedBeatFault(
                    "malformed-meta",
                    "the time's zone is \(json.text()) seconds, a day or more from UTC"
                )
            }
            let whole = seconds.rounded(.towardZero)
            return (Zone(fixed: Int(whole)), false, Int64(((seconds - whole) * 1_000_000).rounded()))
        case .null, .array, .object:
            throw RedBeatFault("malformed-meta", "the time's zone is \(json.kind)")
        }
    }

    // MARK: Schedules

    private func checkInterval(_ object: JSONObject) throws(RedBeatFault) {
        guard let every = object["every"] else {
            throw RedBeatFault("bad-schedule", "an interval has no “every”", .dropped)
        }
        guard object["relative"] != nil else {
            throw RedBeatFault("bad-schedule", "an interval has no “relative”", .dropped)
        }
        if let seconds = every.truthNumber { try RedBeatDecoder.checkSpan(seconds, every) }
    }

    /// That Python can hold a length of time.
    static func checkSpan(_ seconds: Double, _ written: JSON) throws(RedBeatFault) {
        guard seconds.magnitude < 86_399_999_999_999.5 else {
            throw RedBeatFault(
                "bad-schedule",
                "an interval of \(written.text().prefix(60)) seconds is none that Python can hold"
            )
        }
    }

    private func checkCrontab(_ object: JSONObject) throws(RedBeatFault) {
        for member in object.members where member.key != "__type__" {
            guard let field = CrontabField(rawValue: member.key) else {
                if ["nowfun", "app"].contains(member.key), member.value.isNull { continue }
                throw RedBeatFault("bad-schedule", "the crontab has a field “\(member.key)” that Celery does not know")
            }
            for value in member.value.array ?? [member.value] {
                if case .number(let number) = value, !number.isInteger {
                    throw RedBeatFault(
                        "bad-schedule",
                        "the crontab's \(field.rawValue) holds \(number.lexeme), which is no integer"
                    )
                }
            }
        }
        do { _ = try Schedule(redbeat: .object(object.withoutNullHelpers)) } catch {
            throw RedBeatFault("bad-schedule", error.message)
        }
    }

    private func checkWeekday(_ object: JSONObject) throws(RedBeatFault) {
        guard object["wkday"] != nil else { throw RedBeatFault("bad-schedule", "a weekday has no “wkday”") }
        if let extra = object.keys.first(where: { !["__type__", "wkday", "n"].contains($0) }) {
            throw RedBeatFault("bad-schedule", "a weekday has a field “\(extra)” that dateutil does not know")
        }
        if let n = object["n"], n.truthNumber == 0 {
            throw RedBeatFault("bad-schedule", "the number of a weekday cannot be 0")
        }
    }
}

extension JSONObject {
    /// Without `nowfun` and `app`, which Celery's schedules take as null.
    var withoutNullHelpers: JSONObject {
        JSONObject(members: members.filter { !(["nowfun", "app"].contains($0.key) && $0.value.isNull) })
    }
}

extension JSON {
    /// The integer that Python sees: one written as an integer, or a truth value as 0 or 1.
    var wholeNumber: Int? {
        switch self {
        case .number(let number): number.isInteger ? number.int : nil
        case .bool(let flag): flag ? 1 : 0
        default: nil
        }
    }

    /// The number that Python sees, a truth value being 0 or 1.
    var truthNumber: Double? {
        switch self {
        case .number(let number): number.double
        case .bool(let flag): flag ? 1 : 0
        default: nil
        }
    }

    /// Python's truth of a value.
    var isTruthy: Bool {
        switch self {
        case .null: false
        case .bool(let flag): flag
        case .number(let number): number.double != 0
        case .string(let text): !text.isEmpty
        case .array(let items): !items.isEmpty
        case .object(let object): !object.isEmpty
        }
    }
}

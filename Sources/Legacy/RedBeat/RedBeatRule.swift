import LosslessJSON
import Migration

/// A stored `rrule` as dateutil 2.9 takes it: which parts it refuses, and which make it wait for a day that never comes.
struct RedBeatRule {
    private let object: JSONObject

    private static let parts = [
        "__type__", "freq", "dtstart", "dtstart_tz", "interval", "wkst", "count", "until", "until_tz", "bysetpos",
        "bymonth", "bymonthday", "byyearday", "byeaster", "byweekno", "byweekday", "byhour", "byminute", "bysecond",
        "nowfun", "app",
    ]
    private static let names = ["yearly", "monthly", "weekly", "daily", "hourly", "minutely", "secondly"]
    private static let hourly = 4

    init(_ object: JSONObject) { self.object = object }

    /// Refuses what the constructor refuses.
    func check() throws(RedBeatFault) {
        if let extra = object.keys.first(where: { !RedBeatRule.parts.contains($0) }) {
            throw refusal("a part “\(extra)” that dateutil does not know")
        }
        try checkTime("dtstart")
        try checkTime("until")
        let frequency = try self.frequency()
        if let interval = object["interval"], interval.wholeNumber == nil {
            throw refusal("the interval \(shown(interval)), which is no integer")
        }
        if let count = object["count"], !count.isNull, count.truthNumber == nil {
            throw refusal("the count \(shown(count)), which is no number")
        }
        if let start = object["wkst"], !start.isNull, start.wholeNumber == nil,
            start["__type__"]?.string != "weekday"
        {
            throw refusal("the week's start \(shown(start))")
        }
        for position in list("bysetpos") {
            guard let number = position.wholeNumber, number != 0, number.magnitude <= 366 else {
                throw refusal("the position \(shown(position)), which must be ±1 to ±366")
            }
        }
        for (part, range) in [("byhour", 0...23), ("byminute", 0...59), ("bysecond", 0...59)] {
            for value in list(part) {
                guard value.wholeNumber.map({ range.contains($0) }) == true else {
                    throw refusal(
                        "\(part) \(shown(value)), which must be \(range.lowerBound) to \(range.upperBound)",
                        .stops
                    )
                }
            }
        }
        for part in ["bymonth", "bymonthday", "byyearday", "byeaster", "byweekno"] {
            for value in list(part) where value.wholeNumber == nil {
                throw refusal(
                    "\(part) \(shown(value)), which is no integer",
                    value.truthNumber == nil ? .unknown : .stops
                )
            }
        }
        for day in list("byweekday") {
            guard day["__type__"]?.string == "weekday" else {
                if day.wholeNumber == nil { throw refusal("the weekday \(shown(day))") }
                continue
            }
            guard let n = day["n"], n.isTruthy, frequency <= 1 else { continue }
            guard let number = n.wholeNumber, number.magnitude < 54 else {
                throw refusal("a weekday with the number \(shown(n)), which no month and no year has")
            }
        }
    }

    /// Why it is never due, or not to be computed, though dateutil takes it; nil if neither is known. For a rule that `check` let pass.
    var defect: RedBeatFault? {
        if object["interval"]?.truthNumber == 0 {
            return refusal("the interval 0: beat computes without end")
        }
        if let interval = object["interval"]?.truthNumber, interval < 0 {
            return refusal("the interval \(interval), which leads out of the calendar")
        }
        let frequency = (try? self.frequency()) ?? 0
        if frequency < RedBeatRule.hourly {
            for part in ["byhour", "byminute", "bysecond"] where object[part]?.array?.isEmpty == true {
                return refusal("an empty \(part): beat looks for its time without end (RedBeat 2.2 never fires it)")
            }
        }
        if let count = object["count"]?.truthNumber, count <= 0 {
            return refusal("the count \(shown(object["count"] ?? .null))", .never)
        }
        for (part, range) in [
            ("bymonth", 1...12), ("bymonthday", 1...31), ("byyearday", 1...366), ("byweekno", 1...53),
        ] {
            let numbers = list(part).compactMap(\.wholeNumber)
            // dateutil takes a day 0 of the month as if it were not there.
            if part == "bymonthday", numbers == [0] { return refusal("the day of the month 0", .fires) }
            let exist = numbers.contains { range.contains(part == "bymonth" ? $0 : Int(clamping: $0.magnitude)) }
            if !numbers.isEmpty, !exist {
                return refusal("\(part) \(shown(object[part] ?? .null)), which is no day", .never)
            }
        }
        let days = list("byweekday").map { $0["__type__"] == nil ? $0 : $0["wkday"] ?? .null }
        if !days.isEmpty, !days.contains(where: { $0.wholeNumber.map { (0...6).contains($0) } == true }) {
            return refusal("no weekday of 0 (Monday) to 6", .never)
        }
        if !(object["dtstart"]?.isTruthy ?? false) {
            return refusal(
                "no “dtstart”: RedBeat takes the moment it was loaded, which differs at each start of beat",
                .fires
            )
        }
        return nil
    }

    private func frequency() throws(RedBeatFault) -> Int {
        let written = object["freq"] ?? .null
        if let name = written.string?.lowercased(), let index = RedBeatRule.names.firstIndex(of: name) { return index }
        if let number = written.truthNumber, number == number.rounded(), (0...6).contains(number) { return Int(number) }
        throw refusal("the frequency \(shown(written)); it must be 0 (yearly) to 6 (secondly)")
    }

    private func checkTime(_ part: String) throws(RedBeatFault) {
        guard let stamp = object[part], !stamp.isNull else { return }
        guard let seconds = stamp.truthNumber, seconds >= -62_135_596_800, seconds < 253_402_300_800 else {
            throw refusal("“\(part)” \(shown(stamp)); it must be seconds since 1970, in the years 1 to 9999")
        }
        let offset = object[part + "_tz"] ?? 0
        guard offset.isTruthy else { return }
        guard let minutes = offset.truthNumber, minutes.magnitude < 1440 else {
            throw refusal("“\(part)_tz” \(shown(offset)); it must be minutes, less than a day")
        }
    }

    private func list(_ part: String) -> [JSON] {
        guard let value = object[part], !value.isNull else { return [] }
        return value.array ?? [value]
    }

    private func shown(_ value: JSON) -> String { String(value.text().prefix(60)) }

    private func refusal(_ found: String, _ fate: LegacyFate = .stops) -> RedBeatFault {
        RedBeatFault("bad-schedule", "the rrule has \(found)", fate)
    }
}

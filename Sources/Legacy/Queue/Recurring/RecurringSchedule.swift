import Migration
import Schedules

/// The times of a recurring row, exactly, or why nobody can tell them.
struct RecurringSchedule {
    let dialect: QueueRecurring.Dialect
    /// The row as its query gives it.
    let row: [String: String]
    /// The zone of rows that name none.
    let zone: String?
    let zones: ZoneDatabase

    /// What a row says.
    struct Times {
        var schedule: Schedule
        /// Nil where it is the application's, which nobody has said.
        var zone: String?
        /// The run from which an interval is counted.
        var last: Instant?
        /// Before which it is not due, to the second; nil where the row does not say.
        var begins: Instant?
    }

    /// What keeps the times from being told, one sentence.
    struct Unknown: Error { let reason: String }

    private var text: String { row["schedule"] ?? "" }

    /// The times.
    func read() throws(Unknown) -> Times {
        let times =
            switch dialect {
            case .croniter: Times(schedule: try cron(text), zone: row["zone"] ?? zone)
            case .cronParser: try cronParser()
            case .fugit: try fugit()
            case .djangoQ: try djangoQ()
            case .code:
                throw Unknown(
                    reason: "when it is due stands in the application's code, and its row has the last tick alone"
                )
            }
        if let name = times.zone {
            do throws(ScheduleError) { _ = try zones.zone(name) } catch { throw Unknown(reason: error.message) }
        }
        return times
    }

    private func cron(_ text: String) throws(Unknown) -> Schedule {
        do throws(ScheduleError) { return .cron(try CronExpression(text, dialect: .croniter)) } catch {
            throw Unknown(reason: error.message)
        }
    }

    /// Whether an expression has five fields of what every cron reads alike: numbers, names, ranges that do not wrap, lists, steps of `*` or a range.
    private static func isPlain(_ text: String) -> Bool {
        let fields = text.split(whereSeparator: \.isWhitespace)
        guard fields.count == 5 else { return false }
        // `*/1` is a star to some, and a list of all to others.
        return fields.allSatisfy { field in
            field.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { part in
                part.wholeMatch(
                    of: /\*|\*\/([2-9]|[1-9][0-9])|[A-Za-z]{3}(-[A-Za-z]{3})?|[0-9]{1,2}(-[0-9]{1,2}(\/[1-9][0-9]?)?)?/
                ) != nil
            }
        } && (try? CronExpression(text, dialect: .vixie)) != nil
    }

    /// Whether nothing depends on how a clock that changes is read.
    private func isEven(_ name: String) -> Bool {
        guard let zone = try? zones.zone(name) else { return false }
        return zone.transitions(from: Instant(seconds: 1_700_000_000), until: .latest).isEmpty
    }

    private func cronParser() throws(Unknown) -> Times {
        let name = row["zone"].flatMap { $0.isEmpty ? nil : $0 } ?? zone ?? "UTC"
        guard RecurringSchedule.isPlain(text) else {
            throw Unknown(
                reason:
                    "“\(text)” has more than what every cron reads alike, and what cron-parser makes of it was not tried"
            )
        }
        guard isEven(name) else {
            throw Unknown(
                reason:
                    "“\(text)” is read in \(name), whose clock changes, and what cron-parser does at a change was not tried; write the schedule into a mapping"
            )
        }
        return Times(schedule: try cron(text), zone: name)
    }

    // MARK: fugit

    /// A cron expression, with its zone behind it, or one of some sentences, which fugit turns into a cron expression.
    private func fugit() throws(Unknown) -> Times {
        var words = text.split(whereSeparator: \.isWhitespace).map(String.init)
        var named: String?
        if words.count > 1, let last = words.last, last.contains("/"), last.first?.isLetter == true, !last.contains("*")
        {
            named = last
            words.removeLast()
        } else if let last = words.last, words.count > 1, ["UTC", "Z"].contains(last) {
            named = "UTC"
            words.removeLast()
        }
        let plain = words.joined(separator: " ")
        guard let expression = RecurringSchedule.isPlain(plain) ? plain : RecurringSchedule.sentence(plain.lowercased())
        else {
            throw Unknown(
                reason:
                    "“\(text)” is none of the forms of fugit that were tried: five plain fields, @daily and its like, every N minutes or hours, every day at 9:30"
            )
        }
        guard let name = named ?? zone else { return Times(schedule: try cron(expression), zone: nil) }
        guard isEven(name) else {
            throw Unknown(
                reason:
                    "“\(text)” is read in \(name), whose clock changes, and fugit passes over a time of the repeated hour as no other cron does; write the schedule into a mapping"
            )
        }
        return Times(schedule: try cron(expression), zone: name)
    }

    /// The cron expression of a sentence; nil of one that was not tried.
    private static func sentence(_ text: String) -> String? {
        let named = [
            "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
            "@monthly": "0 0 1 * *",
            "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "every minute": "* * * * *", "every hour": "0 * * * *",
            "every day": "0 0 * * *", "every week": "0 0 * * 0", "every month": "0 0 1 * *",
        ]
        if let found = named[text] { return found }
        if let match = text.wholeMatch(of: /every ([0-9]{1,2}) ?(minutes|hours|m|h|min)/), let count = Int(match.1) {
            let isHours = match.2.hasPrefix("h")
            // What does not divide the hour or the day fugit takes for what cron makes of it.
            guard count > 1, count < (isHours ? 24 : 60) else { return nil }
            return isHours ? "0 */\(count) * * *" : "*/\(count) * * * *"
        }
        // What am and pm mean differs by its versions.
        if let match = text.wholeMatch(of: /every day at ([0-9]{1,2}):([0-9]{2})/), let hour = Int(match.1),
            let minute = Int(match.2), hour < 24, minute < 60
        {
            return "\(minute) \(hour) * * *"
        }
        return nil
    }

    // MARK: django-q2

    private func djangoQ() throws(Unknown) -> Times {
        // A schedule that runs every so many minutes is counted from its next run.
        let next = row["next"].flatMap { Instant(iso8601: $0) }
        func every(_ seconds: Double) throws(Unknown) -> Times {
            guard let next else { throw Unknown(reason: "it has no next run, from which it is counted") }
            do throws(ScheduleError) {
                let interval = try Interval(seconds: seconds)
                return Times(
                    schedule: .interval(interval),
                    zone: "UTC",
                    last: next.adding(microseconds: -interval.microseconds)
                )
            } catch { throw Unknown(reason: error.message) }
        }
        switch text {
        case "I": return try every(60 * Double(max(1, row["minutes"].flatMap { Int($0) } ?? 1)))
        case "H": return try every(3600)
        case "C":
            let cron = row["cron"] ?? ""
            guard RecurringSchedule.isPlain(cron) else {
                throw Unknown(reason: "its cron “\(cron)” has more than what was tried of croniter within Django Q2")
            }
            try onlyEven("Its cron")
            return Times(schedule: try self.cron(cron), zone: zone)
        case "O": throw Unknown(reason: "it runs once\(next.map { ", at \($0.iso8601)" } ?? "")")
        case "D", "W", "BW", "M", "BM", "Q", "Y": break
        default: throw Unknown(reason: "its sort is “\(text)”, which Django Q2 1.11 does not have")
        }
        try onlyEven("It")
        guard let next, let local = try? zones.zone(zone ?? "UTC").local(at: next) else {
            throw Unknown(reason: "it has no next run, from which it is counted")
        }
        if text == "BW" {
            let fortnight = try every(14 * 86_400)
            return Times(schedule: fortnight.schedule, zone: zone, last: fortnight.last)
        }
        let (day, month) = (local.date.day, local.date.month)
        guard text == "D" || text == "W" || day <= 28 else {
            throw Unknown(reason: "its next run is on day \(day), which not every month has: from then on it drifts")
        }
        let days: String
        switch text {
        case "D": days = "* * *"
        case "W": days = "* * \(local.date.weekday)"
        case "M": days = "\(day) * *"
        case "BM": days = "\(day) \(RecurringSchedule.months(from: month, every: 2)) *"
        case "Q": days = "\(day) \(RecurringSchedule.months(from: month, every: 3)) *"
        default: days = "\(day) \(month) *"
        }
        let seconds = local.second == 0 ? "" : " \(local.second)"
        let times = try cron("\(local.minute) \(local.hour) \(days)\(seconds)")
        return Times(schedule: times, zone: zone, begins: next)
    }

    /// What was tried of Django Q2 is what it does where no clock changes.
    private func onlyEven(_ what: String) throws(Unknown) {
        guard isEven(zone ?? "UTC") else {
            throw Unknown(
                reason:
                    "\(what) is read in \(zone ?? "UTC"), whose clock changes, and what Django Q2 does at a change was not tried; write the schedule into a mapping"
            )
        }
    }

    private static func months(from first: Int, every step: Int) -> String {
        stride(from: (first - 1) % step + 1, through: 12, by: step).map(String.init).joined(separator: ",")
    }
}

import LosslessJSON
import Migration
import Schedules

/// What can be said of one entry by itself: its verdict, its schedule in words, its ticks, and its findings.
struct EntryJudge {
    let zones: ZoneDatabase
    let timetables: ProvenTimetables
    let dangers: DangerJudge
    let now: Instant

    /// The judgement as if nobody had mapped the entry, and the findings.
    func judge(_ entry: LegacyEntry) -> (EntryJudgement, [Finding]) {
        var judgement = EntryJudgement(entry: entry.id, verdict: .migrate)
        let canvas = CanvasExpansion.words(of: entry)
        // A reader may have noticed a signature too, without what is in it.
        let notes = canvas == nil ? entry.notes : entry.notes.filter { $0.code != .canvasArguments }
        var findings = notes.map { Finding($0.code, entry: entry.id, text: sentence($0.detail)) }
        func find(_ code: FindingCode, _ text: String) { findings.append(Finding(code, entry: entry.id, text: text)) }
        if let canvas { find(.canvasArguments, sentence(canvas)) }
        findings += options(entry) + command(entry)
        // It is due when somebody asks for it, which stays with the application.
        if entry.kind == .workflow { return (judgement, findings) }
        guard let schedule = entry.schedule else {
            judgement.verdict = .unsupported
            guard entry.kind == .jobType else {
                judgement.reason =
                    entry.notes.first { $0.code == .scheduleUnsupported }?.detail ?? "nobody can tell when it is due"
                return (judgement, findings)
            }
            judgement.reason =
                "no mapping says what runs for a job of type “\(entry.task)”; the worker's function is not in the database"
            find(
                .queueLatency,
                "A DAG takes queued jobs when it is due, not when they arrive: a job waits up to one interval of the DAG."
            )
            return (judgement, findings)
        }
        let zone: Zone
        do {
            zone = try zones.zone(entry.timezone ?? "UTC")
        } catch {
            judgement.verdict = .unsupported
            judgement.reason = error.message
            find(.zoneUnknown, sentence(error.message))
            return (judgement, findings)
        }
        let frequency = schedule.frequency(in: zone, from: now)
        judgement.scheduleWords = schedule.words(in: zone)
        judgement.runsPerDay = frequency.perDay
        judgement.nextTicks = nextTicks(entry, schedule, zone)
        if judgement.nextTicks.isEmpty {
            judgement.verdict = .keep
            judgement.reason = "it is never due again"
            find(.scheduleNeverDue, "The schedule is not due before 2101: the entry can be deleted rather than moved.")
            return (judgement, findings)
        }
        findings += meaning(entry, schedule, zone, frequency)
        if case .interval(let interval) = schedule, interval.seconds < 60 {
            judgement.verdict = .keep
            judgement.reason =
                "it is due every \(shown(interval.seconds)) s: Airflow needs about a second to start a run, so what is due more often than once a "
                + "minute is better left where it is"
            find(.subMinute, sentence(judgement.reason ?? ""))
        }
        return (judgement, findings)
    }

    /// The next five ticks; for an interval from its last run on.
    private func nextTicks(_ entry: LegacyEntry, _ schedule: Schedule, _ zone: Zone) -> [Instant] {
        guard case .interval(let interval) = schedule else {
            return Array(schedule.ticks(after: now, in: zone).prefix(5))
        }
        let due = entry.lastRun.map { interval.due(after: $0, in: zone) } ?? now
        let first = max(due, now)
        return [first] + schedule.ticks(after: first, in: zone).prefix(4)
    }

    private func meaning(_ entry: LegacyEntry, _ schedule: Schedule, _ zone: Zone, _ frequency: ScheduleFrequency)
        -> [Finding]
    {
        var findings: [Finding] = []
        func find(_ code: FindingCode, _ text: String) { findings.append(Finding(code, entry: entry.id, text: text)) }
        switch schedule {
        case .crontab(let crontab):
            let rule = crontab.rule
            if rule.daysOfMonth != CalendarRule.allDaysOfMonth, rule.weekdays != CalendarRule.allWeekdays {
                find(
                    .crontabDayAnd,
                    "Celery is due only when day of month and day of week both fit; cron and Airflow would be due when either does."
                )
            }
            if rule.minutes == CalendarRule.allMinutes,
                rule.hours != CalendarRule.allHours || rule.daysOfMonth != CalendarRule.allDaysOfMonth
                    || rule.weekdays != CalendarRule.allWeekdays || rule.months != CalendarRule.allMonths
            {
                find(
                    .minuteStar,
                    "The minute is left at “*”, so it is due in every minute: \(frequency.perActiveDay ?? 0) runs on each day that fits, not one."
                )
            }
            if rule.minutes.nonzeroBitCount == 1, rule.hours == CalendarRule.allHours, rule.minutes != 1 {
                let minute = rule.minutes.trailingZeroBitCount
                find(
                    .onceAnHour,
                    "minute=\(minute) means once an hour, at minute \(minute); \(EntryJudge.everyMinutes(minute))."
                )
            }
        case .interval(let interval):
            find(
                .intervalDrift,
                "Legacy counts \(shown(interval.seconds)) s from the moment of each run, so its ticks drift by a few milliseconds a run; "
                    + "Airflow keeps to a fixed grid from the first tick on."
            )
        case .rrule(let rule):
            find(
                .rruleFixedOffset,
                "The stored rule keeps the offset of its start, \(offset(rule.offset)), in summer and winter alike."
            )
            let weekdays = entry.scheduleSource["byweekday"]
            if rule.frequency <= .monthly, let weekdays, !weekdays.isNull,
                (weekdays.array ?? [weekdays]).contains(where: { $0["n"] == nil })
            {
                find(
                    .rruleWeekdayNth,
                    "RedBeat stores a weekday without its number (“third Friday” becomes every Friday); what it really does is kept. See what was meant."
                )
            }
            if rule.count != nil || rule.until != nil { find(.rruleEnds, "The rule ends by itself.") }
            if rule.steps(until: RecurrenceRule.parking) > RecurrenceRule.mostSteps {
                find(
                    .cannotPark,
                    "It has so short steps that a beat would count for seconds through those until 2100 to find that it is parked: cutover refuses it."
                )
            }
        case .cron(let cron):
            let rule = cron.rule
            if rule.days == .and, rule.daysOfMonth != CalendarRule.allDaysOfMonth,
                rule.weekdays != CalendarRule.allWeekdays
            {
                find(
                    .crontabDayAnd,
                    "One of its day fields begins with “*”, so it is due only when day of month and day of week both fit; Airflow would be due when either does."
                )
            }
            if rule.minutes == CalendarRule.allMinutes, rule.hours != CalendarRule.allHours {
                find(
                    .minuteStar,
                    "The minute is left at “*”, so it is due in every minute: \(frequency.perActiveDay ?? 0) runs on each day that fits, not one."
                )
            }
        }
        let target = timetables.timetable(for: schedule, in: zone)
        if case .exact = target, let stock = AirflowTimetable.candidates(for: schedule, zone: zone).first {
            if case .different(let differences) = Equivalence.compare(
                schedule,
                in: zone,
                with: stock,
                from: now,
                limit: 1
            ), let first = differences.first {
                find(.dstFold, "\(stock.shortText) would differ: \(first.reason).")
            }
        }
        if case .exact = target {
            find(
                .baileyTimetable,
                "No stock timetable of Airflow means the same, so the DAG uses Bailey's own, which computes legacy's ticks exactly."
            )
        }
        if entry.kind == .redbeat, let late = firstDeviation(schedule, zone) {
            find(
                .legacyFallBack,
                "RedBeat itself runs it late when the clock goes back: due \(late.due.iso8601), run about \(late.run.iso8601)."
            )
        }
        return findings
    }

    /// The first tick of the next two years that a real beat runs at another time than meant, round a change of the clock.
    private func firstDeviation(_ schedule: Schedule, _ zone: Zone) -> (due: Instant, run: Instant)? {
        for change in zone.transitions(from: now, until: now.adding(seconds: 2 * 31_557_600))
        where change.after < change.before {
            let start = change.at.adding(seconds: -3 * 86_400)
            var meant = schedule.ticks(after: start, in: zone)
            var run = schedule.ticks(after: start, in: zone, as: .run)
            // Sparse schedules may have no tick near the change.
            for _ in 0..<6000 {
                guard let a = meant.next(), let b = run.next() else { break }
                if a != b { return (a, b) }
                if a > change.at.adding(seconds: 86_400) { break }
            }
        }
        return nil
    }

    /// What is to be known of a command or of SQL that the entry itself holds.
    private func command(_ entry: LegacyEntry) -> [Finding] {
        guard let command = entry.command else { return [] }
        var findings: [Finding] = []
        let whole = [command, entry.options["input"]?.string].compactMap { $0 }.joined(separator: " ")
        if let danger = DangerousCommand(whole) {
            var finding = dangers.finding(danger, when: entry.schedule?.shortText ?? "its schedule")
            finding.entry = entry.id
            findings.append(finding)
        }
        if entry.hidesSecret {
            findings.append(
                Finding(
                    .secretInCommand,
                    entry: entry.id,
                    text: "Something in “\(command)” looks like a password or a token, which a DAG file would show."
                )
            )
        }
        return findings
    }

    private func options(_ entry: LegacyEntry) -> [Finding] {
        guard let options = entry.options.object else { return [] }
        var findings: [Finding] = []
        if options["expires"] != nil {
            findings.append(
                Finding(
                    .expires,
                    entry: entry.id,
                    text: "A run that no worker takes within “expires” is dropped by Celery; the message keeps that."
                )
            )
        }
        return findings
    }

    /// How one would write every so many minutes: a crontab can only where they divide the hour.
    private static func everyMinutes(_ minutes: Int) -> String {
        if 60 % minutes == 0 { return "every \(minutes) minutes would be “*/\(minutes)”" }
        let due = stride(from: 0, to: 60, by: minutes).map(String.init)
        return
            "no crontab means every \(minutes) minutes (“*/\(minutes)” is due at the minutes \(due.joined(separator: ", ")) of each hour): an interval does"
    }

    private func offset(_ seconds: Int) -> String {
        let sign = seconds < 0 ? "−" : "+"
        return "UTC\(sign)\(abs(seconds) / 3600):\(abs(seconds) / 60 % 60 < 10 ? "0" : "")\(abs(seconds) / 60 % 60)"
    }

    private func shown(_ seconds: Double) -> String {
        Int(exactly: seconds).map { String($0) } ?? String(seconds)
    }
}

/// A text with a capital at its start and a full stop at its end.
func sentence(_ text: String) -> String {
    let head = text.prefix(1).uppercased() + text.dropFirst()
    return head.last.map { ".?!".contains($0) } ?? true ? head : head + "."
}

public import Migration
public import Schedules

/// What is to become of the lines of a crontab, and which of them are a danger to what was found.
public struct CrontabJudge: Sendable {
    let zones: ZoneDatabase
    let now: Instant
    let dangers: DangerJudge

    /// A judge.
    ///
    /// - Parameters:
    ///   - kept: databases of a Redis that hold something of Celery's, each with what.
    ///   - looked: every Redis server that was looked at.
    public init(
        zones: ZoneDatabase,
        now: Instant,
        kept: [(place: DangerousCommand.Place, what: String)],
        looked: [DangerousCommand.Place]
    ) {
        self.zones = zones
        self.now = now
        dangers = DangerJudge(kept: kept, looked: looked)
    }

    /// The judgement of each line, and the findings.
    public func judge(_ crontab: CrontabFile) -> (lines: [JudgedLine], findings: [Finding]) {
        var judged: [JudgedLine] = []
        var findings: [Finding] = []
        // Generated crontabs have thousands of lines of few schedules.
        var clocks: [String: Clock] = [:]
        for line in crontab.lines {
            let location = SourceLocation(file: crontab.file, line: line.number)
            let danger = DangerousCommand(line.command)
            if let danger {
                var finding = dangers.finding(danger, when: line.schedule)
                finding.location = location
                findings.append(finding)
            }
            judged.append(self.line(line, location, isDangerous: danger != nil, &clocks))
        }
        for line in crontab.unread {
            let location = SourceLocation(file: crontab.file, line: line.number)
            judged.append(
                JudgedLine(
                    unread: ShownCommand.of(line.text),
                    at: location,
                    reason: ShownCommand.of(line.reason)
                )
            )
        }
        return (judged.sorted { $0.location.line < $1.location.line }, findings)
    }

    /// What a line's clock says.
    private struct Clock {
        var nextTicks: [Instant]
        var perDay: Double?
        var words: String
    }

    private func clock(_ cron: CronExpression, _ timezone: String?) throws(ScheduleError) -> Clock {
        let zone = try zones.zone(timezone ?? "UTC")
        let schedule = Schedule.cron(cron)
        let words = schedule.words(in: zone)
        return Clock(
            nextTicks: Array(schedule.ticks(after: now, in: zone).prefix(3)),
            perDay: schedule.frequency(in: zone, from: now).perDay,
            words: timezone == nil && words.hasSuffix(", UTC") ? words.dropLast(5) + ", the machine's own zone" : words
        )
    }

    private func line(
        _ line: CrontabFile.Line,
        _ location: SourceLocation,
        isDangerous: Bool,
        _ clocks: inout [String: Clock]
    ) -> JudgedLine {
        func judged(_ verdict: EntryJudgement.Verdict, _ reason: String) -> JudgedLine {
            var found = JudgedLine(
                schedule: line.schedule,
                command: ShownCommand.of(line.command),
                user: line.user,
                at: location,
                verdict: verdict,
                reason: reason
            )
            found.timezone = line.timezone
            return found
        }
        guard let cron = line.cron else {
            return judged(.keep, "it runs when the machine starts, and no clock says when that is")
        }
        let identity = "\(line.timezone ?? "") \(line.schedule)"
        let clock: Clock
        if let known = clocks[identity] {
            clock = known
        } else {
            do throws(ScheduleError) { clock = try self.clock(cron, line.timezone) } catch {
                return judged(.unsupported, error.message)
            }
            clocks[identity] = clock
        }
        var found = judged(
            isDangerous ? .keep : .migrate,
            isDangerous
                ? "it takes away what others keep: see the finding"
                : "a DAG whose task is this command does the same; there is no switch, so take the line out when the DAG is unpaused"
        )
        (found.nextTicks, found.perDay, found.words) = (clock.nextTicks, clock.perDay, clock.words)
        return found
    }
}

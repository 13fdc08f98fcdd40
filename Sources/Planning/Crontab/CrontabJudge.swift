public import Migration
public import Schedules

/// What is to become of the lines of a crontab, and which of them are a danger to what was found.
public struct CrontabJudge: Sendable {
    let zones: ZoneDatabase
    let now: Instant
    /// Databases of a Redis that hold something of Celery's, each with what.
    let kept: [(place: DangerousCommand.Place, what: String)]
    /// The servers that were looked at.
    let looked: [DangerousCommand.Place]

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
        self.kept = kept
        self.looked = looked
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
            if let danger { findings += finding(danger, line, location) }
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

    private func finding(_ danger: DangerousCommand, _ line: CrontabFile.Line, _ location: SourceLocation) -> [Finding]
    {
        switch danger {
        case .purge(let words):
            let words = ShownCommand.of(words)
            return [
                Finding(
                    .purgesQueues,
                    location: location,
                    text:
                        "“\(words)” at “\(line.schedule)” throws away the messages that wait: a run that was sent, by beat or by a DAG, is lost, and the DAG waits for an answer that never comes. Take the line out before a cutover."
                )
            ]
        case .flush(let words, let place):
            let words = ShownCommand.of(words)
            let hit = kept.filter { CrontabJudge.mayBe(place, $0.place) }
            let held = hit.map(\.what).joined(separator: ", ")
            let loss =
                "RedBeat's schedule, the switch and waiting messages go with it: whatever was cut over is legacy's again, or nobody's"
            let emptied = "“\(words)” at “\(line.schedule)” empties"
            let text: String
            if place.host == nil {
                text =
                    "\(emptied) a Redis that the line does not name in words\(hit.isEmpty ? "" : "; it may be that of \(held)"). If it is, \(loss). Take the line out, or see that it is another."
            } else if hit.isEmpty {
                let isSeen = looked.contains { $0.host == place.host && $0.port == place.port }
                return [
                    Finding(
                        .flushesRedis,
                        location: location,
                        severity: isSeen ? .info : .warning,
                        text: isSeen
                            ? "\(emptied) \(shown(place)), in which this look found nothing of Celery's. See that neither RedBeat nor a broker is moved there."
                            : "\(emptied) \(shown(place)), a server that was not looked at. If RedBeat or a broker is there, \(loss)."
                    )
                ]
            } else if hit.contains(where: { $0.place.host == place.host }) {
                text = "\(emptied) \(shown(place)), which holds \(held). \(loss). Take the line out before a cutover."
            } else {
                text =
                    "\(emptied) \(shown(place)) of the crontab's machine, which may be that of \(held). If it is, \(loss). Take the line out, or see that it is another."
            }
            return [Finding(.flushesRedis, location: location, text: text)]
        }
    }

    /// Whether what a command empties may be another place. A machine calls itself otherwise than others call it.
    private static func mayBe(_ emptied: DangerousCommand.Place, _ other: DangerousCommand.Place) -> Bool {
        guard let host = emptied.host else { return true }
        let isSame = host == other.host || host == "127.0.0.1" || other.host == "127.0.0.1"
        return isSame && emptied.port == other.port
            && (emptied.database == nil || other.database == nil || emptied.database == other.database)
    }

    private func shown(_ place: DangerousCommand.Place) -> String {
        "redis://\(place.host ?? "?"):\(place.port)" + (place.database.map { "/\($0)" } ?? ", all of its databases")
    }
}

import ArgumentParser
import Foundation
import LosslessJSON
import Migration
import Operations
import Reports
import Schedules
import Settings

struct TicksCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ticks",
        abstract: "Print when an entry or a schedule is due.",
        discussion: """
            With --stdin --json, each line of standard input is a question and each line of standard output its answer, in order:
            {"tz":"Europe/Berlin","schedule":{"__type__":"crontab","hour":"2","minute":"30"},"from":1795392000,"count":3,"as":"intended"}
            {"ticks":[1795397400,1795483800,1795570200],"end":null}

            With --against, says whether a cron timetable of Airflow would ever be due at another time, until 2101; status 1 if it would.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Answer JSON lines of standard input.")
    var stdin = false

    @Option(help: ArgumentHelp("Five fields in cron's order, read as Celery reads them.", valueName: "fields"))
    var crontab: String?

    @Option(help: ArgumentHelp("A distance: 90s, 15m, 2h, 1d.", valueName: "time"))
    var interval: String?

    @Option(help: ArgumentHelp("A recurrence rule as RedBeat stores it.", valueName: "json"))
    var rrule: String?

    @Option(help: ArgumentHelp("A schedule as RedBeat stores it.", valueName: "json"))
    var redbeat: String?

    @Option(help: "The IANA zone.")
    var timezone: String?

    @Option(
        help: ArgumentHelp(
            "Ticks after this instant (ISO 8601 or seconds since 1970); now if left out.",
            valueName: "instant"
        )
    )
    var from: String?

    @Option(help: ArgumentHelp("Ticks before this instant.", valueName: "instant"))
    var until: String?

    @Option(help: "How many ticks; 10 if neither this nor --until is given.")
    var count: Int?

    @Option(name: .customLong("as"), help: "intended: what the schedule means; run: what beat really does.")
    var reading = ReadingOption.intended

    @Option(
        help: ArgumentHelp(
            "A cron expression of Airflow's (CronTriggerTimetable; several: MultipleCronTriggerTimetable) to compare with, in the same zone.",
            valueName: "cron"
        )
    )
    var against: [String] = []

    @Argument(help: "An entry of the inventory: source/name.")
    var entry: String?

    func validate() throws {
        let ways = [crontab, interval, rrule, redbeat, entry].compactMap { $0 }.count + (stdin ? 1 : 0)
        guard against.isEmpty || (!stdin && until == nil && reading == .intended) else {
            throw ValidationError("--against compares what the schedule means until 2101; it takes --from and --count.")
        }
        guard ways == 1 else {
            throw ValidationError("Give one of: an entry, --crontab, --interval, --rrule, --redbeat, --stdin.")
        }
    }

    func run() async throws {
        if stdin {
            try answerLines()
            return
        }
        do {
            let (schedule, zone) = try chosen()
            let start = try instant(from, "--from") ?? currentInstant()
            if !against.isEmpty {
                try compare(schedule, zone, from: start)
                return
            }
            let end = try instant(until, "--until")
            let query = try TickQuery(
                zone: zone,
                schedule: schedule,
                from: start,
                until: end,
                count: count ?? (end == nil ? 10 : Int.max),
                reading: reading == .run ? .run : .intended
            )
            try print(query)
        } catch let error as ScheduleError {
            throw OperationFailure(.usage, error.message)
        }
    }

    /// The proof that Airflow's crons are due when the schedule is, or the first instants at which they are not.
    private func compare(_ schedule: Schedule, _ zone: Zone, from start: Instant) throws {
        let crons = try against.map { text throws(ScheduleError) in try CronExpression(text, dialect: .croniter) }
        let timetable: AirflowTimetable =
            crons.count == 1 ? .cron(crons[0], zone: zone) : .multipleCron(crons, zone: zone)
        let equivalence = Equivalence.compare(schedule, in: zone, with: timetable, from: start, limit: count ?? 10)
        if common.json {
            Console.print(EquivalenceReport.document(equivalence))
        } else {
            Console.print(EquivalenceReport.lines(equivalence))
        }
        guard case .equal = equivalence else { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }

    /// Prints as it goes: there may be millions.
    private func print(_ query: TickQuery) throws {
        if common.json {
            var answer = TickAnswer(write: Console.write)
            try stoppedByReader { try answer.answer(query) }
            return
        }
        Console.note(query.schedule.words(in: query.zone))
        Console.note(query.schedule.frequency(in: query.zone, from: query.from).words)
        var lines: [UInt8] = []
        try stoppedByReader {
            let end = try query.batches { ticks in
                for tick in ticks {
                    let local = query.zone.local(at: tick)
                    let shown = "\(local.date) \(local.clock) \(query.zone.abbreviation(at: tick))  \(tick.iso8601)\n"
                    lines += Array(shown.utf8)
                }
                try Console.write(lines)
                lines.removeAll(keepingCapacity: true)
            }
            if let end { Console.note("end: \(end)") }
        }
    }

    /// A reader that has gone away (`| head`) ends the work, and is no defect.
    private func stoppedByReader(_ body: () throws -> Void) throws {
        do { try body() } catch is Console.ReaderGone { return }
    }

    private func chosen() throws -> (Schedule, Zone) {
        let zones = ZoneDatabase()
        if let entry {
            let workspace = try Workspace(common)
            guard let id = EntryID(entry), let found = try workspace.inventory()[id] else {
                throw OperationFailure(.usage, "there is no entry “\(entry)” in the inventory")
            }
            guard let schedule = found.schedule else {
                throw OperationFailure(.usage, "“\(entry)” is a job type, which has no schedule")
            }
            return (schedule, try zones.zone(timezone ?? found.timezone ?? "UTC"))
        }
        let zone = try zones.zone(timezone ?? "UTC")
        if let crontab { return (.crontab(try Crontab(cronOrder: crontab)), zone) }
        if let interval {
            guard let seconds = YAMLFields.seconds(interval) ?? Double(interval) else {
                throw OperationFailure(
                    .usage,
                    "--interval is “\(interval)”; write a distance greater than zero such as 90s, 15m, 2h, 1d"
                )
            }
            return (.interval(try Interval(seconds: seconds)), zone)
        }
        let text = rrule ?? redbeat ?? ""
        var json: JSON
        do { json = try JSON(parsing: text) } catch {
            throw OperationFailure(.usage, "“\(text)” is not JSON: \(error)")
        }
        if rrule != nil, var object = json.object {
            if object["__type__"] == nil { object["__type__"] = "rrule" }
            json = .object(object)
        }
        return (try Schedule(redbeat: json), zone)
    }

    private func instant(_ text: String?, _ option: String) throws -> Instant? {
        guard let text else { return nil }
        if let instant = Instant(iso8601: text) { return instant }
        if let seconds = Double(text), let instant = Instant(timestamp: seconds) { return instant }
        throw OperationFailure(.usage, "\(option) is “\(text)”; write 2026-11-23T06:54:14Z or seconds since 1970")
    }

    /// Each answer is written before the next line is read, so that the other side may wait for it.
    private func answerLines() throws {
        let zones = ZoneDatabase()
        var answer = TickAnswer(write: Console.write)
        var lines = LineReader(descriptor: STDIN_FILENO)
        while let line = lines.next() {
            try Task.checkCancellation()
            do { try answer.answer(line: line, zones: zones) } catch is Console.ReaderGone { return }
        }
    }
}

/// The words of `--as`.
enum ReadingOption: String, ExpressibleByArgument {
    case intended, run
}

import LosslessJSON
import Migration
import Schedules

/// When Airflow makes runs of the DAG.
extension DAGWriter {
    /// What Airflow is told of the schedule. 2.11 has no timetable of several crons, and no stock one runs every missed tick.
    var timetable: Timetable? {
        switch dag.clock.timetable {
        case nil: return nil
        case .exact(let schedule, _)?: return .ours(schedule)
        case let stock?:
            guard let schedule = dag.clock.schedule else { return .stock(stock) }
            if dag.missedTicks == .every { return .ours(schedule) }
            if case .multipleCron = stock, target == .airflow211 { return .ours(schedule) }
            return .stock(stock)
        }
    }

    enum Timetable {
        case stock(AirflowTimetable)
        case ours(Schedule)
    }

    var schedule: PythonExpression {
        switch timetable {
        case .stock(.cron(let cron, let zone))?:
            return .call("CronTriggerTimetable", [.string(cron.text)], [("timezone", .string(zone.name))])
        case .stock(.multipleCron(let crons, let zone))?:
            return .call(
                "MultipleCronTriggerTimetable",
                crons.map { .string($0.text) },
                [("timezone", .string(zone.name))]
            )
        case .stock(.delta(let microseconds))?:
            let delta = PythonExpression.call(
                "datetime.timedelta",
                [],
                microseconds % 1_000_000 == 0
                    ? [("seconds", .integer(Int(microseconds / 1_000_000)))]
                    : [("microseconds", .integer(Int(microseconds)))]
            )
            return .call("DeltaTriggerTimetable", [delta], [])
        case .ours(let schedule)?:
            var arguments: [(name: String, value: PythonExpression)] = [("timezone", .string(dag.clock.timezone))]
            // The grid of an interval is the start date's; a stored one would follow legacy's last run.
            if case .interval = schedule { arguments.append(("anchor", .string("2024-01-01T00:00:00Z"))) }
            if dag.missedTicks == .every { arguments.append(("every", .bool(true))) }
            return .call("BaileyTimetable", [.string(schedule.timetableJSON.text())], arguments)
        case .stock(.exact)?: return .none
        case nil where !dag.clock.assets.isEmpty: return assets(dag.clock.assets)
        case nil where gated && dag.clock.jobsEvery != nil || waitsForJobs: return .string("@continuous")
        case nil: return .none
        }
    }
}

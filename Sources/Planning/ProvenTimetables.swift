import Schedules

/// The timetables that mean the same as schedules, each looked for once: entries share schedules, and a proof looks at every day until 2101.
final class ProvenTimetables {
    private struct Question: Hashable {
        var schedule: Schedule
        var zone: String
    }
    private let now: Instant
    private var known: [Question: AirflowTimetable] = [:]

    init(now: Instant) { self.now = now }

    /// The timetable of a schedule in a zone.
    func timetable(for schedule: Schedule, in zone: Zone) -> AirflowTimetable {
        let question = Question(schedule: schedule, zone: zone.name)
        if let answer = known[question] { return answer }
        let (timetable, _) = Equivalence.target(for: schedule, in: zone, from: now)
        known[question] = timetable
        return timetable
    }
}

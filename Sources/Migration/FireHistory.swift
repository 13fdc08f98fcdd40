import Schedules

/// When a scheduler fired an entry, told from what its record said at some moments.
struct FireHistory {
    let schedule: Schedule
    let zone: Zone

    /// The fires, earliest first. Those before the first sighting are told from the schedule and the runs, and never more than were counted.
    func fires(sightings: [ClockSighting], runs: [ObservedRun]) -> [Fire] {
        let sorted = sightings.sorted { ($0.seen, $0.count) < ($1.seen, $1.count) }
        guard let first = sorted.first else { return [] }
        var fires = before(first, runs)
        var last = first
        for sighting in sorted.dropFirst() {
            let more = sighting.count - last.count
            // A lower count is that of an entry made anew: what happened between the two is not known.
            if more > 0 {
                fires += between(last.last, sighting.last, more)
            } else if more < 0 {
                fires += [exact(sighting.last)]
            }
            last = sighting
        }
        return fires.sorted { $0.at < $1.at }
    }

    private func exact(_ instant: Instant) -> Fire { Fire(at: instant, tick: tick(instant), isExact: true) }

    /// The tick of a fire: when it was due by the calendar; of an interval, whose ticks drift, the fire itself.
    private func tick(_ fire: Instant) -> Instant {
        if case .interval = schedule { return fire }
        return schedule.last(until: fire, in: zone) ?? fire
    }

    /// So many fires after one instant, the last of them at another.
    private func between(_ start: Instant, _ end: Instant, _ count: Int) -> [Fire] {
        guard count > 1, end > start else { return [exact(end)] }
        var fires = [exact(end)]
        if case .interval = schedule {
            let step = (end.microseconds - start.microseconds) / Int64(count)
            for number in 1..<min(count, 100_000) {
                let at = end.adding(microseconds: -step * Int64(number))
                fires.append(Fire(at: at, tick: at, isExact: false))
            }
            return fires
        }
        var due = fires[0].tick
        for _ in 1..<min(count, 100_000) {
            guard let earlier = schedule.last(until: due.adding(microseconds: -1), in: zone), earlier > start else {
                break
            }
            due = earlier
            fires.append(Fire(at: due, tick: due, isExact: false))
        }
        return fires
    }

    /// What was fired before anybody looked, as far back as there are runs.
    private func before(_ first: ClockSighting, _ runs: [ObservedRun]) -> [Fire] {
        guard first.count > 0 else { return [] }
        var fires = [exact(first.last)]
        guard let earliest = runs.map(\.ended).min(), earliest < first.last else { return fires }
        if case .interval(let interval) = schedule {
            return fires + chain(interval.microseconds, first, runs)
        }
        var due = fires[0].tick
        while fires.count < first.count, fires.count < 100_000,
            let before = schedule.last(until: due.adding(microseconds: -1), in: zone)
        {
            due = before
            fires.append(Fire(at: due, tick: due, isExact: false))
            if due <= earliest { break }
        }
        return fires
    }

    /// Runs of an interval that follow one another at its pace, backwards from the last fire that is known.
    private func chain(_ step: Int64, _ first: ClockSighting, _ runs: [ObservedRun]) -> [Fire] {
        guard step > 0 else { return [] }
        let sorted = runs.filter { $0.reference < first.last }.sorted { $0.reference < $1.reference }
        let own = runs.filter { $0.reference >= first.last }.map(\.reference).min()
        // How long after its fire a run is seen; what is beyond an interval is of another fire.
        let lag = own.map { $0.microseconds - first.last.microseconds }.flatMap { $0 < step ? $0 : nil }
        var expected = first.last.microseconds + (lag ?? 0) - step
        let allowed = max(step / 10, min(1_000_000, step * 2 / 5))
        var fires: [Fire] = []
        var misses = 0
        var place = sorted.count - 1
        // Where no run of the last fire is known, the newest run sets the phase.
        if lag == nil, let newest = sorted.last {
            guard first.last.microseconds - newest.reference.microseconds < 20 * step else { return [] }
            expected = newest.reference.microseconds
        }
        while place >= 0, misses < 100, fires.count + 1 < first.count {
            let time = sorted[place].reference.microseconds
            if time > expected + allowed {
                place -= 1
            } else if time < expected - allowed {
                expected -= step
                misses += 1
            } else {
                let at = Instant(microseconds: time - (lag ?? 0))
                fires.append(Fire(at: at, tick: at, isExact: false, run: sorted[place].run))
                expected = time - step
                misses = 0
                place -= 1
            }
        }
        return fires
    }

    /// How many fires lie before or at an instant.
    static func place(after instant: Instant, _ fires: [Fire]) -> Int {
        var (low, high) = (0, fires.count)
        while low < high {
            let middle = (low + high) / 2
            if fires[middle].at <= instant { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

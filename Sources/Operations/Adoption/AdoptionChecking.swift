import Cutover
import Legacy
import Migration
import Redis
import Schedules

/// What shows afterwards that RedBeat drives all entries, and that the old beat is gone.
extension Adopting {
    /// Looks, after some seconds in which ticks may fire twice.
    ///
    /// - Throws: what keeps the source or RedBeat's Redis from being read.
    package func check(after seconds: Double) async throws -> AdoptionReport {
        let (system, question) = try asked()
        let reading = try await system.readAsking(question, zones: zones)
        if seconds > 0 {
            tell("watching for \(Int(seconds)) s …")
            try await sleep(seconds)
        }
        var report = emptyReport()
        let arrivals = reading.entries.map { RedBeatArrival($0, prefix: prefix, zones: zones) }
        let state = try await RedisConnection.use(redisURL) { connection in
            try await RedBeatState.read(connection, keys: arrivals.map(\.key), lock: lockKey)
        }
        report.add(
            "RedBeat runs",
            state.isLocked,
            state.isLocked
                ? "a beat holds its lock" : "nobody holds its lock: start beat with -S redbeat.RedBeatScheduler"
        )
        let missing = arrivals.filter { state.stored[$0.key]?.definition == nil }.map(\.entry.id.name)
        let others = arrivals.filter { arrival in
            guard let stored = state.stored[arrival.key]?.definition else { return false }
            return !arrival.means(stored, prefix: prefix, zones: zones)
        }.map(\.entry.id.name)
        let wrong = missing.map { "\($0) is not there" } + others.map { "\($0) is there as another" }
        report.add(
            "all entries are there",
            wrong.isEmpty && !arrivals.isEmpty,
            wrong.isEmpty
                ? "\(arrivals.count) of \(arrivals.count), as the code has them" : wrong.joined(separator: "; ")
        )
        let histories = try await system.histories(of: reading.entries, zones: zones, now: clock)
        var twice: [String] = []
        var judged = 0
        for arrival in arrivals {
            var line = AdoptionReport.Entry(
                entry: arrival.entry,
                key: String(decoding: arrival.key, as: UTF8.self),
                fault: arrival.fault
            )
            line.fires = state.fires(arrival.key)
            line.lastRun = state.lastRun(arrival.key, zones: zones)
            report.entries.append(line)
            guard let adopted = state.stored[arrival.key]?.adopted, let fires = line.fires, fires >= 2,
                let history = histories.entries[arrival.entry.id]
            else { continue }
            judged += 1
            let runs = history.ended.filter { $0 > adopted }.count
            // One may have been sent by the old beat and have ended after the adoption.
            if runs > fires + 1 {
                twice.append("\(arrival.entry.id.name) ran \(runs) times, and RedBeat fired it \(fires) times")
            }
        }
        let gone =
            if !twice.isEmpty {
                twice.joined(separator: "; ") + ": something else sends them too. Stop the old beat"
            } else if judged == 0 {
                "not known: no entry has two fires of RedBeat's and recorded runs that name their task. Watch longer (--for), set result_extended in the application, or see that the old beat's process is gone"
            } else {
                "of \(judged) entries the recorded runs are those that RedBeat fired"
            }
        // What nothing shows does not hold.
        report.add("the old beat is gone", twice.isEmpty && judged > 0, gone)
        report.outcome = report.holds ? "holds" : "does-not-hold"
        return report
    }
}

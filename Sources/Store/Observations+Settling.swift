import GRDB
public import Migration
public import Schedules

extension StateStore {
    /// Tells anew which runs of an entry are those of which ticks, from everything that was seen of it.
    ///
    /// - Parameter from: only runs and fires since then are judged; those before keep what was said of them.
    /// - Throws: `StoreError`.
    public func settle(_ entry: EntryID, schedule: Schedule, zone: Zone, from: Instant? = nil) throws(StoreError) {
        let name = entry.description
        let start = from?.microseconds ?? Int64.min
        try write("telling whose runs were seen") { database in
            var sightings = try Row.fetchAll(
                database.cachedStatement(
                    sql:
                        "SELECT seen_us, last_us, count FROM clock_sighting WHERE entry = ? AND seen_us >= ? ORDER BY seen_us"
                ),
                arguments: [name, start]
            ).map { StateStore.sighting($0, entry) }
            if from != nil,
                let before = try Row.fetchOne(
                    database.cachedStatement(
                        sql: """
                            SELECT seen_us, last_us, count FROM clock_sighting WHERE entry = ? AND seen_us < ?
                            ORDER BY seen_us DESC LIMIT 1
                            """
                    ),
                    arguments: [name, start]
                )
            {
                sightings.insert(StateStore.sighting(before, entry), at: 0)
            }
            let runs = try Row.fetchAll(
                database.cachedStatement(
                    sql:
                        "SELECT run, sent_us, started_us, ended_us, origin FROM legacy_run WHERE entry = ? AND ended_us >= ?"
                ),
                arguments: [name, start]
            ).map { row -> ObservedRun in
                ObservedRun(
                    entry: entry,
                    run: row["run"],
                    sent: (row["sent_us"] as Int64?).map { Instant(microseconds: $0) },
                    started: (row["started_us"] as Int64?).map { Instant(microseconds: $0) },
                    ended: Instant(microseconds: row["ended_us"]),
                    origin: row["origin"]
                )
            }
            let answer = TickAttribution(schedule: schedule, zone: zone).answer(runs: runs, sightings: sightings)
            try database.execute(sql: "DELETE FROM fire WHERE entry = ? AND at_us >= ?", arguments: [name, start])
            let fire = try database.cachedStatement(
                sql: "INSERT OR IGNORE INTO fire (entry, at_us, tick_us, exact, run) VALUES (?, ?, ?, ?, ?)"
            )
            for found in answer.fires where found.at.microseconds >= start {
                try fire.execute(arguments: [
                    name, found.at.microseconds, found.tick.microseconds, found.isExact, found.run,
                ])
            }
            let run = try database.cachedStatement(
                sql: "UPDATE legacy_run SET standing = ?, fired_us = ?, tick_us = ? WHERE entry = ? AND run = ?"
            )
            for judged in answer.runs {
                try run.execute(arguments: [
                    judged.standing.rawValue, judged.fired?.microseconds, judged.tick?.microseconds, name, judged.run,
                ])
            }
        }
    }

    private static func sighting(_ row: Row, _ entry: EntryID) -> ClockSighting {
        ClockSighting(
            entry: entry,
            last: Instant(microseconds: row["last_us"]),
            count: row["count"],
            seen: Instant(microseconds: row["seen_us"])
        )
    }

    /// How much of an entry's runs was seen and compared.
    ///
    /// - Parameters:
    ///   - schedule: its schedule; nil for a job type.
    ///   - patience: seconds in which the run of a fire may yet end.
    /// - Throws: `StoreError`.
    public func coverage(
        _ entry: EntryID,
        pipeline: String,
        form: String,
        schedule: Schedule?,
        zone: Zone,
        now: Instant,
        patience: Double = 60
    ) throws(StoreError) -> Coverage {
        try read("reading what was seen of \(entry)") { database in
            var coverage = Coverage(entry: entry)
            let name = entry.description
            let gaps = try Row.fetchAll(
                database.cachedStatement(
                    sql: "SELECT from_us, until_us, reason FROM gap WHERE source = ? ORDER BY from_us"
                ),
                arguments: [entry.source]
            ).map { row in
                ObservationGap(
                    source: entry.source,
                    from: Instant(microseconds: row["from_us"]),
                    until: Instant(microseconds: row["until_us"]),
                    reason: row["reason"]
                )
            }
            if let row = try Row.fetchOne(
                database.cachedStatement(
                    sql: "SELECT count(*) AS number, max(seen_us) AS last FROM unread WHERE source = ?"
                ),
                arguments: [entry.source]
            ) {
                coverage.unreadable = row["number"]
                coverage.lastUnreadable = (row["last"] as Int64?).map { Instant(microseconds: $0) }
            }
            let states = try Row.fetchAll(
                database.cachedStatement(
                    sql: """
                        SELECT CASE WHEN c.id IS NULL THEN 'none' WHEN c.verdict IN ('match', 'mismatch') THEN 'compared'
                            WHEN c.state = 'observed' THEN 'observed' ELSE 'unpaired' END AS what, count(*) AS number
                        FROM legacy_run r LEFT JOIN compared c
                            ON c.pipeline = ?2 AND c.entry = r.entry AND c.run = r.run AND c.replaced = 0 AND c.form = ?3
                        WHERE r.entry = ?1 AND r.standing IN ('tick', 'by-schedule', 'job') GROUP BY what
                        """
                ),
                arguments: [name, pipeline, form]
            )
            for row in states {
                let number: Int = row["number"]
                switch row["what"] as String {
                case "compared": coverage.compared += number
                case "observed": coverage.observed += number
                default: coverage.unpaired += number
                }
            }
            let standings = try Row.fetchAll(
                database.cachedStatement(
                    sql:
                        "SELECT standing, count(*) AS number, min(ended_us) AS first, sum(again) AS again FROM legacy_run WHERE entry = ? GROUP BY standing"
                ),
                arguments: [name]
            )
            for row in standings {
                let standing: String = row["standing"]
                if ObservedRun.Standing(rawValue: standing)?.counts == true { coverage.again += row["again"] as Int }
                switch standing {
                case "not-scheduled": coverage.notScheduled = row["number"]
                case "job":
                    coverage.seen = row["number"]
                    coverage.since = Instant(microseconds: row["first"])
                default: break
                }
            }
            guard let schedule else {
                coverage.due = coverage.seen
                coverage.fired = coverage.seen
                coverage.gaps = gaps
                return coverage
            }
            try StateStore.ticks(&coverage, database, name, gaps, schedule, zone, now, patience)
            return coverage
        }
    }

    /// Seconds after a fire in which its run may yet end: thrice what nearly all take; nil where none was seen.
    private static func patience(_ database: Database, _ name: String) throws -> Double? {
        let rows = "FROM legacy_run WHERE entry = ? AND fired_us IS NOT NULL"
        let count = try Int.fetchOne(database.cachedStatement(sql: "SELECT count(*) \(rows)"), arguments: [name]) ?? 0
        guard count > 2 else { return nil }
        let lag = try Int64.fetchOne(
            database.cachedStatement(
                sql:
                    "SELECT ended_us - fired_us AS lag \(rows) ORDER BY lag LIMIT 1 OFFSET \(min(count - 1, count * 95 / 100))"
            ),
            arguments: [name]
        )
        return lag.map { max(TickAttribution.patience, 3 * Double($0) / 1e6) }
    }

    /// What the fires of an entry show.
    private static func ticks(
        _ coverage: inout Coverage,
        _ database: Database,
        _ name: String,
        _ gaps: [ObservationGap],
        _ schedule: Schedule,
        _ zone: Zone,
        _ now: Instant,
        _ patience: Double
    ) throws {
        let rows = try Row.fetchCursor(
            database,
            sql: """
                SELECT f.at_us, f.tick_us, f.exact, f.run, r.standing FROM fire f
                LEFT JOIN legacy_run r ON r.entry = f.entry AND r.run = f.run WHERE f.entry = ?1
                -- What ended before anybody looked was nobody's to see.
                AND (f.run IS NOT NULL OR f.at_us >= coalesce((SELECT began_us FROM watched WHERE source = ?2), 0))
                ORDER BY f.at_us
                """,
            arguments: [name, coverage.entry.source]
        )
        let patience = try StateStore.patience(database, name) ?? patience
        // What happened after anybody looked last is not known, and no defect of anybody's.
        let looked = try Int64.fetchOne(
            database.cachedStatement(
                sql: """
                    SELECT max((SELECT coalesce(max(seen_us), 0) FROM clock_sighting WHERE entry = ?1),
                        (SELECT coalesce(max(until_us), 0) FROM watched WHERE source = ?2))
                    """
            ),
            arguments: [name, coverage.entry.source]
        )
        let now = min(now, Instant(microseconds: looked ?? 0))
        var lostIn: Set<Int> = []
        var last: (at: Int64, tick: Int64)?
        var ticks = 0
        while let row = try rows.next() {
            let at: Int64 = row["at_us"]
            let tick: Int64 = row["tick_us"]
            if coverage.since == nil { coverage.since = Instant(microseconds: at) }
            coverage.fired += 1
            if let last {
                if case .interval(let interval) = schedule {
                    let step = interval.microseconds
                    if step > 0, at - last.at > step * 3 / 2 {
                        coverage.missed += Int((at - last.at + step / 2) / step) - 1
                    }
                    ticks += 1
                } else if tick == last.tick {
                    coverage.doubled += 1
                } else {
                    ticks += 1
                    var due = Instant(microseconds: last.tick)
                    while let next = schedule.next(after: due, in: zone), next.microseconds < tick {
                        coverage.missed += 1
                        due = next
                    }
                }
            } else {
                ticks = 1
            }
            last = (at, tick)
            switch row["standing"] as String? {
            case "ambiguous": coverage.ambiguous += 1
            case .some: coverage.seen += 1
            case nil:
                let instant = Instant(microseconds: at)
                if now.seconds(since: instant) < patience {
                    coverage.pending += 1
                } else if let gap = gaps.firstIndex(where: { $0.covers(instant) }) {
                    coverage.lost += 1
                    lostIn.insert(gap)
                } else {
                    coverage.unseen += 1
                }
            }
        }
        coverage.due = ticks + coverage.missed
        if let last {
            // Ticks since the last fire that legacy should have made by now.
            if case .interval(let interval) = schedule {
                let late = now.microseconds - last.at - Int64(patience * 1e6)
                if interval.microseconds > 0, late > interval.microseconds {
                    coverage.missed += Int(late / interval.microseconds)
                    coverage.due += Int(late / interval.microseconds)
                }
            } else {
                var due = Instant(microseconds: last.tick)
                while let next = schedule.next(after: due, in: zone), now.seconds(since: next) > patience {
                    coverage.missed += 1
                    coverage.due += 1
                    due = next
                }
            }
        }
        coverage.gaps = lostIn.sorted().map { gaps[$0] }
    }
}

extension ObservationGap {
    /// Whether a fire lies in it, a little before its beginning included: what was fired then ended in it.
    fileprivate func covers(_ instant: Instant) -> Bool {
        instant >= from.adding(seconds: -5) && instant <= until
    }
}

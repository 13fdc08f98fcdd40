import Legacy
package import LosslessJSON
package import Migration
package import Schedules
package import Shadow
package import Store
import Synchronization

/// Shadows pipelines: what legacy has recorded, or each run as it ends.
package struct Shadowing: Sendable {
    /// What is compared as it comes.
    package let tally = ShadowTally()
    private let workspace: Workspace
    private let pipelines: [DAGDefinition]
    private let session: ShadowSession
    private let store: StateStore
    private let log: ObservationLog
    /// The form of each pipeline's mapping: a digest that is made once.
    private let forms: [String: String]
    private let watched: [Watched]
    private let state = WatchState()
    /// What was seen and missed of each entry when the shadowing began.
    private var missing: [EntryID: Coverage]

    private final class WatchState: Sendable {
        /// Sources that do not answer, and why.
        let silent = Mutex<[String: String]>([:])
        /// Runs that belong to no entry, by the reason.
        let leftOut = Mutex<[String: Int]>([:])
        /// What keeps Bailey itself from going on, which no source mends.
        let own = Mutex<(any Error)?>(nil)
        /// Runs that are being compared, so that one that is given twice is compared once.
        let underWay = Mutex<Set<SeenEnd>>([])
        /// How many recorded runs of an entry were not asked for.
        let older = Mutex<[EntryID: Int]>([:])
    }

    /// A run that was seen to end; one that ends again is another.
    private struct SeenEnd: Hashable {
        var key: Outcome.Key
        var end: Instant?
    }

    private struct Watched: Sendable {
        var name: String
        var entries: [LegacyEntry]
        var runs: any LegacyRuns
    }

    /// - Throws: `OperationFailure` where none of the pipelines stands for an entry that legacy runs; `StoreError`.
    package init(_ workspace: Workspace, pipelines: [DAGDefinition], inventory: Inventory, engine: any ShadowEngine)
        throws
    {
        self.workspace = workspace
        self.pipelines = pipelines
        let session = ShadowSession(pipelines: pipelines, engine: engine)
        self.session = session
        store = try workspace.store()
        forms = Dictionary(pipelines.map { ($0.id, $0.form) }, uniquingKeysWith: { first, _ in first })
        // What stands in the state needs nobody to remember it: in weeks of watching it would be all there was.
        log = ObservationLog(store: store, forms: forms, now: workspace.surroundings.now) { [state] comparisons in
            state.underWay.withLock {
                for comparison in comparisons { $0.remove(SeenEnd(key: comparison.key, end: comparison.legacy?.end)) }
            }
        }
        var watched: [Watched] = []
        for system in workspace.systems {
            let entries = inventory.entries.filter { $0.id.source == system.name && session.covers($0.id) }
            guard !entries.isEmpty else { continue }
            let runs = try system.runs(of: entries, zones: workspace.zones, now: workspace.surroundings.now)
            watched.append(Watched(name: system.name, entries: entries, runs: runs))
        }
        guard !watched.isEmpty else {
            throw OperationFailure(.usage, "none of the pipelines stands for an entry that legacy runs")
        }
        self.watched = watched
        missing = [:]
        missing = Dictionary(try coverage().map { ($0.entry, $0) }, uniquingKeysWith: { first, _ in first })
    }

    // MARK: From history

    /// Shadows the runs that legacy has recorded.
    ///
    /// - Parameter limit: the most runs per entry.
    /// - Throws: what the engine or a source throws; what was compared until then is kept.
    package func replay(limit: Int) async throws {
        try await keeping {
            for source in watched {
                let recorded = try await source.runs.recorded(limit: limit)
                workspace.tell("\(source.name): \(recorded.outcomes.count) recorded runs to shadow")
                state.older.withLock { $0.merge(recorded.older) { $1 } }
                for (reason, count) in recorded.unattributed.sorted(by: { $0.key < $1.key }) {
                    workspace.tell("  \(count) records left out: \(reason)")
                }
                await log.add(recorded.clock)
                for (record, reason) in recorded.unread { try await log.addUnread(source.name, record, reason) }
                for run in recorded.runs { try await log.add(run) }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    var running = 0
                    for outcome in recorded.outcomes {
                        // A few more than the engine runs at once, so that it is never idle and no queue grows.
                        if running >= 16 {
                            try await group.next()
                            running -= 1
                        }
                        group.addTask { try await compare(outcome) }
                        running += 1
                    }
                    try await group.waitForAll()
                }
            }
        }
    }

    // MARK: Live

    /// Shadows each run as it ends, for so many seconds, and then those that are under way.
    ///
    /// A source that does not answer does not end the watching of the others; what it kept meanwhile is shadowed afterwards.
    /// - Throws: `OperationFailure` if a source does not answer at the end; what the engine throws.
    package func watch(seconds: Double) async throws {
        try await keeping {
            try await withThrowingTaskGroup(of: Void.self) { shadows in
                let (outcomes, feed) = AsyncStream.makeStream(of: Outcome.self)
                shadows.addTask {
                    defer { feed.finish() }
                    try await follow(seconds: seconds, feed)
                    // The clock may have moved since it was read last, for a run that was seen to end. Read now: what it fires while shadows
                    // are still under way nobody watches, and no run of that is missing.
                    for source in watched where state.silent.withLock({ $0[source.name] == nil }) {
                        await log.add((try? await source.runs.clockNow()) ?? [])
                    }
                }
                var running = 0
                for await outcome in outcomes {
                    shadows.addTask { try await compare(outcome) }
                    running += 1
                    // The following is a task of the group as well, and ends last.
                    if running >= 64 {
                        try await shadows.next()
                        running -= 1
                    }
                }
                try await shadows.waitForAll()
            }
        }
        for (reason, count) in state.leftOut.withLock({ $0.sorted { $0.key < $1.key } }) {
            workspace.tell("  \(count) runs left out: \(reason)")
        }
        if let (source, why) = state.silent.withLock({ $0.min { $0.key < $1.key } }) {
            throw OperationFailure(
                .unreachable,
                "\(source) did not answer any more: \(why). What ended since is a gap; bailey shadow goes on from there"
            )
        }
    }

    private func follow(seconds: Double, _ feed: AsyncStream<Outcome>.Continuation) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for source in watched { group.addTask { try await follow(source, feed) } }
            group.addTask { try await log.writeUntilCancelled() }
            group.addTask {
                for elapsed in stride(from: 0.0, to: seconds, by: 5) {
                    try await Task.sleep(for: .seconds(min(5, seconds - elapsed)))
                    workspace.tell("  \(Int(min(seconds, elapsed + 5))) of \(Int(seconds)) s: \(tally.line)")
                }
            }
            // The clock ends the watching; so does an error that no waiting mends.
            try await group.next()
            group.cancelAll()
            while let rest = await group.nextResult() {
                if case .failure(let error) = rest, !(error is CancellationError) { throw error }
            }
        }
    }

    /// Watches one source. What it cannot go on from ends the watching only where there is no other source; else it is tried again.
    private func follow(_ source: Watched, _ feed: AsyncStream<Outcome>.Continuation) async throws {
        while true {
            do {
                return try await source.runs.watch(
                    since: try resume(source),
                    ready: { workspace.tell("watching \(source.name)") },
                    handle: { event in
                        do { try await take(event, source.name, feed) } catch {
                            state.own.withLock { $0 = $0 ?? error }
                            throw error
                        }
                    }
                )
            } catch {
                if let own = state.own.withLock({ $0 }) { throw own }
                guard watched.count > 1, !Task.isCancelled, !(error is StoreError) else { throw error }
                let isNews = state.silent.withLock { silent in
                    defer { silent[source.name] = "\(error)" }
                    return silent[source.name] != "\(error)"
                }
                if isNews { workspace.tell("\(source.name) cannot be watched: \(error)") }
                try await Task.sleep(for: .seconds(2))
            }
        }
    }

    /// From when on a source is to be read: where it was watched last, or where a run was seen and never compared.
    private func resume(_ source: Watched) throws -> Instant? {
        guard let before = try store.watched(source: source.name) else { return nil }
        let open = try store.earliestUncompared(source.entries.map(\.id))
        return min(before.until, open ?? before.until)
    }

    private func take(_ event: LegacyEvent, _ source: String, _ feed: AsyncStream<Outcome>.Continuation) async throws {
        switch event {
        case .run(let outcome, let run):
            guard let dag = session.pipeline(of: outcome.key.entry) else { return }
            try await log.add(run)
            let seen = SeenEnd(key: outcome.key, end: outcome.end)
            guard state.underWay.withLock({ $0.insert(seen).inserted }) else { return }
            let form = forms[dag.id] ?? dag.form
            if try store.isCompared(run.entry, run: run.run, pipeline: dag.id, form: form, stamp: run.stamp) { return }
            feed.yield(outcome)
        case .clock(let sightings): await log.add(sightings)
        case .current(let instant):
            _ = state.silent.withLock { $0.removeValue(forKey: source) }
            await log.add(current: instant, of: source)
        case .gap(let from, let until, let reason):
            workspace.tell("\(source): a gap from \(from.iso8601) until \(until.iso8601): \(reason)")
            try await log.add(ObservationGap(source: source, from: from, until: until, reason: reason))
        case .silent(let why):
            state.silent.withLock { $0[source] = why }
            workspace.tell("\(source) does not answer: \(why)")
        case .leftOut(let reason):
            state.leftOut.withLock { if $0.count < 100 || $0[reason] != nil { $0[reason, default: 0] += 1 } }
        case .unread(let record, let reason):
            try await log.addUnread(source, record, reason)
        }
    }

    // MARK: Both

    private func compare(_ outcome: Outcome) async throws {
        guard let comparison = try await session.shadow(outcome) else { return }
        try await log.add(comparison)
        tally.add(comparison)
    }

    /// Does something, and keeps what it saw whatever becomes of it.
    private func keeping(_ body: () async throws -> Void) async throws {
        do { try await body() } catch {
            try? await log.flush()
            try? settle()
            throw error
        }
        try await log.flush()
        try settle()
    }

    /// Tells which runs are those of which ticks.
    private func settle() throws {
        for entry in watched.flatMap(\.entries) {
            guard let schedule = entry.schedule else { continue }
            try store.settle(entry.id, schedule: schedule, zone: workspace.zone(of: entry))
        }
    }

    /// What was lost since the shadowing began, a line each: what was lost to gaps or not seen, and what nobody can read.
    ///
    /// - Parameter isLive: whether it watched; in the past only what is kept can be read.
    package func losses(isLive: Bool) throws -> [String] {
        var lines: [String] = []
        var told: Set<String> = []
        for now in try coverage() {
            let before = missing[now.entry] ?? Coverage(entry: now.entry)
            let lost = now.lost + now.unseen - before.lost - before.unseen
            if isLive, lost > 0 {
                lines.append("\(now.entry): \(lost) runs that legacy fired were not seen and are not kept any more")
            }
            let unread = now.unreadable - before.unreadable
            if unread > 0, told.insert(now.entry.source).inserted {
                lines.append("\(now.entry.source): \(unread) records cannot be read")
            }
        }
        return lines
    }

    /// How many recorded runs of entries are older than those that were asked for, and were left out.
    package var older: [(entry: EntryID, runs: Int)] {
        state.older.withLock { $0.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    }

    /// How much of what legacy ran was seen and compared, entry by entry.
    package func coverage() throws -> [Coverage] {
        try watched.flatMap(\.entries).compactMap { entry in
            guard let dag = session.pipeline(of: entry.id) else { return nil }
            return try workspace.coverage(entry, dag, store)
        }
    }

    /// Ticks that Airflow ran in shadow and legacy was not seen to run. Those of the last minute may yet be under way in legacy.
    package func addUnpaired(_ engine: AirflowShadow, began: Instant) async throws {
        let until = workspace.surroundings.now().adding(seconds: -60)
        guard began < until else { return }
        for pipeline in pipelines {
            // The runs of an interval carry no tick on legacy's side, so that none can be missed.
            guard let driver = pipeline.clock.driver, case .crontab? = pipeline.clock.schedule else { continue }
            let found = try await engine.unpaired(pipeline, ticks: began..<until, seen: tally.ticks(of: driver))
            for comparison in found {
                try await log.add(comparison)
                tally.add(comparison)
            }
        }
        try await log.flush()
    }
}

extension Workspace {
    /// The zone of an entry's schedule.
    package func zone(of entry: LegacyEntry) -> Zone { (try? zones.zone(entry.timezone ?? "UTC")) ?? .utc }

    /// How much of an entry's runs was seen and compared. Runs that nobody has judged yet are judged first.
    package func coverage(_ entry: LegacyEntry, _ dag: DAGDefinition, _ store: StateStore) throws -> Coverage {
        let zone = zone(of: entry)
        if let schedule = entry.schedule, try store.hasOpenRuns(entry.id) {
            try store.settle(entry.id, schedule: schedule, zone: zone)
        }
        return try store.coverage(
            entry.id,
            pipeline: dag.id,
            form: dag.form,
            schedule: entry.schedule,
            zone: zone,
            now: surroundings.now()
        )
    }
}

/// Counts verdicts as they come.
package final class ShadowTally: Sendable {
    private let counts = Mutex<[Comparison.Verdict: Int]>([:])
    private let ticks = Mutex<[EntryID: Set<Instant>]>([:])

    func add(_ comparison: Comparison) {
        counts.withLock { $0[comparison.verdict, default: 0] += 1 }
        if let tick = comparison.key.tick { ticks.withLock { _ = $0[comparison.key.entry, default: []].insert(tick) } }
    }

    /// The ticks of an entry that were compared.
    func ticks(of entry: EntryID) -> Set<Instant> { ticks.withLock { $0[entry] ?? [] } }

    /// The counts in one line.
    package var line: String {
        counts.withLock { counts in
            Comparison.Verdict.allCases.map { "\(counts[$0] ?? 0) \($0.rawValue)" }.joined(separator: ", ")
        }
    }

    /// The counts by verdict, as JSON.
    package var json: JSON {
        let members = counts.withLock { counts in
            Comparison.Verdict.allCases.map { ($0.rawValue, JSON.number(JSONNumber(counts[$0] ?? 0))) }
        }
        return .object(JSONObject(members))
    }
}

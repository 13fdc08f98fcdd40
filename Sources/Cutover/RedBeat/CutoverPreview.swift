import Legacy
import LosslessJSON
public import Migration
public import Schedules

/// What a cutover or a rollback would do to a pipeline's RedBeat entries, read without changing anything.
public struct OwnershipPreview: Sendable, Hashable {
    /// One entry.
    public struct Entry: Sendable, Hashable {
        /// Its key in Redis.
        public var key: String
        /// Whether it drives the pipeline (false: it is absorbed).
        public var drives: Bool
        /// Who decides about its ticks from now on.
        public var state: SwitchState
        /// When legacy, or a claimed tick after it, last ran.
        public var lastRun: Instant?
        /// When it is due next; nil if never, or unknown.
        public var nextDue: Instant?
        /// Whether the application has deleted it while Airflow owns it.
        public var isGone: Bool

        /// Makes an entry.
        public init(
            key: String,
            drives: Bool,
            state: SwitchState,
            lastRun: Instant? = nil,
            nextDue: Instant? = nil,
            isGone: Bool = false
        ) {
            self.key = key
            self.drives = drives
            self.state = state
            self.lastRun = lastRun
            self.nextDue = nextDue
            self.isGone = isGone
        }
    }

    /// The pipeline.
    public var pipeline: String
    /// The source.
    public var source: String
    /// The entries, the deciding one first.
    public var entries: [Entry]
    /// What must hold.
    public var checks: [Check]
    /// Where Airflow's window begins (cutover) or ends (rollback).
    public var from: Instant?
    /// The next ticks that change owner.
    public var ticks: [Instant]
    /// Newest claims, newest first.
    public var claims: [Claim]
    /// Seconds that the fence may take at most while a beat lives.
    public var longestFence: Double

    /// Whether everything that was checked holds.
    public var holds: Bool { checks.allSatisfy(\.holds) }
}

extension CutoverOperation {
    /// What it would do.
    ///
    /// - Throws: `RedisError`, `SwitchError`, or `RedBeatBytesError` for an entry that beat could not read either.
    public func preview() async throws -> OwnershipPreview {
        let checks = try await checks()
        if checks.contains(where: { $0.refusal?.reason == .slots }) {
            var preview = OwnershipPreview(pipeline: group.pipeline, source: group.place.source)
            preview.checks = checks
            return preview
        }
        let status = try await engine.redbeat.status(claims: 5)
        var entries: [OwnershipPreview.Entry] = []
        for (index, (entry, found)) in zip(group.entries, status.entries).enumerated() {
            let meta = found.state == .airflow ? found.kept.meta : found.meta
            let last = try RedBeatBytes.lastRun(meta, zones: engine.zones)?.instant
            let latest = [last, found.record?.lastClaim].compactMap { $0 }.max()
            entries.append(
                OwnershipPreview.Entry(
                    key: engine.name(index),
                    drives: index == 0 && group.hasEntryClock,
                    state: found.state,
                    lastRun: latest,
                    nextDue: entry.fires ? entry.due(after: latest) : nil
                )
            )
        }
        let from = status.entries.first?.record.flatMap { $0.state == .airflow ? $0.windows.last?.from : nil }
        let start = max(request.at?.adding(microseconds: -1) ?? status.now, status.now)
        let ticks = group.timetable.map { Array($0.ticks(after: start).prefix(min(5, request.ticks ?? 5))) } ?? []
        return OwnershipPreview(
            pipeline: group.pipeline,
            source: group.place.source,
            entries: entries,
            checks: checks,
            from: from ?? request.at,
            ticks: ticks.filter { tick in request.until.map { tick < $0 } ?? true },
            claims: status.entries.first?.record?.claims ?? [],
            longestFence: Double(group.place.fence.longestTick) / 1_000_000
        )
    }
}

extension RollbackOperation {
    /// What it would do.
    ///
    /// - Throws: as `CutoverOperation.preview()`.
    public func preview(pipeline: String, place: RedBeatPlace) async throws -> OwnershipPreview {
        var checks = try await engine.redbeat.readiness(now: engine.now)
        let status = try await engine.redbeat.status(claims: 5)
        if status.entries.contains(where: { $0.record?.isRetiring == true }) {
            checks.append(Check("not being retired", engine.retiring.found, refusal: engine.retiring))
        }
        var entries: [OwnershipPreview.Entry] = []
        var ticks: [Instant] = []
        for (index, found) in status.entries.enumerated() {
            var time = (try? RedBeatBytes.lastRun(found.meta, zones: engine.zones)) ?? nil
            if case .write(let meta) = try engine.meta(found) {
                time = try RedBeatBytes.lastRun(meta, zones: engine.zones)
            }
            // The schedule as the entry's own bytes tell it: the inventory may be lost.
            let json = (found.kept.definition ?? found.definition).flatMap { try? JSON(parsing: $0) }
            let schedule = json?["schedule"].flatMap { try? Schedule(redbeat: $0) }
            let due = schedule.flatMap { schedule in
                time.map { schedule.next(after: $0.instant, in: $0.zone) } ?? .some(status.now)
            }
            // What was deleted goes back only if it is to be written anew.
            let isGone = found.state == .airflow && !found.exists
            let stays = isGone && !recreates
            entries.append(
                OwnershipPreview.Entry(
                    key: engine.name(index),
                    drives: found.record?.drives ?? false,
                    state: found.state,
                    lastRun: time?.instant,
                    nextDue: stays ? nil : due,
                    isGone: isGone
                )
            )
            if index == 0, !stays, let schedule, let time {
                var next = schedule.ticks(after: time.instant, in: time.zone)
                while ticks.count < 5, let tick = next.next() { ticks.append(tick) }
            }
        }
        let record = status.entries.first?.record
        return OwnershipPreview(
            pipeline: pipeline,
            source: place.source,
            entries: entries,
            checks: checks,
            from: record.map { $0.lastClaim?.adding(microseconds: 1) ?? $0.windows.last?.from ?? status.now },
            ticks: ticks,
            claims: record?.claims ?? [],
            longestFence: Double(place.fence.longestTick) / 1_000_000
        )
    }
}

extension OwnershipPreview {
    /// A pipeline that has taken nothing over.
    public init(pipeline: String, source: String) {
        self.init(
            pipeline: pipeline,
            source: source,
            entries: [],
            checks: [],
            from: nil,
            ticks: [],
            claims: [],
            longestFence: 0
        )
    }
}

extension CutoverEngine {
    /// Waits until so many ticks from an instant on were claimed, and tells each.
    public func firstClaims(_ count: Int, from: Instant) async throws {
        var told: Set<Instant> = []
        while told.count < count {
            let status = try await redbeat.status(claims: max(count, 20))
            guard let record = status.entries.first?.record, record.state == .airflow else { return }
            for claim in record.claims.reversed() where claim.tick >= from && told.insert(claim.tick).inserted {
                tell(.claimed(claim))
            }
            if told.count < count { try await sleep(0.25) }
        }
    }
}

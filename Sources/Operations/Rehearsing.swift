import Cutover
package import Migration
import Redis
import Schedules
package import Settings
package import Store
import Synchronization

/// A complete cutover and rollback of a throw-away entry, each step timed.
package struct Rehearsing: Sendable {
    package let workspace: Workspace
    package let pipeline: String
    package let source: SourceSettings

    package init(
        workspace: Workspace,
        pipeline: String,
        source: SourceSettings
    ) {
        self.workspace = workspace
        self.pipeline = pipeline
        self.source = source
    }

    /// Whether a pipeline of a switch is that of a rehearsal.
    static func isCopy(_ pipeline: String) -> Bool { pipeline.hasPrefix(RehearsalCopy.mark) }

    /// Seconds after which what a rehearsal left is that of a dead one: longer than any takes.
    package static func patience(_ source: SourceSettings) -> Int64 { Int64(6 * (source.maxInterval + 5) + 600) }

    /// Does it.
    ///
    /// - Throws: what keeps it from being tried; what fails once it has begun is a failed step.
    package func run(_ journal: Journal) async throws -> Rehearsal {
        let began = workspace.surroundings.now()
        let place = workspace.place(source)
        let copy = RehearsalCopy(of: pipeline, place: place, at: began)
        guard let group = try copy.group(zones: workspace.zones, readAt: began) else {
            throw OperationFailure(.defect, "the copy is no group")
        }
        let laps = Laps()
        return try await workspace.withEngine(source, keys: group.keys, journal: journal, tell: { laps.note($0) }) {
            try await run($0, copy, group, laps, began)
        }
    }

    private func run(
        _ engine: CutoverEngine,
        _ copy: RehearsalCopy,
        _ group: RedBeatGroup,
        _ laps: Laps,
        _ began: Instant
    ) async throws -> Rehearsal {
        let place = workspace.place(source)
        let redbeat = engine.redbeat
        // What a rehearsal of this pipeline left that was killed: its lock is ours now.
        let left = try await RehearsalCopy.sweep(redbeat, place: place, pipeline: pipeline, before: began)
        if left > 0 { workspace.tell("\(pipeline): removed \(left) keys that a broken-off rehearsal had left") }
        guard try await RehearsalCopy.brokerIsHere(redbeat) else {
            throw OperationFailure(
                .doesNotHold,
                "the source \(source.name) does not carry Celery's messages (there is no _kombu.binding.* in it): what a copy sends could not be taken away again"
            )
        }
        var rehearsal = Rehearsal(pipeline: pipeline, at: began, steps: [])
        do {
            try await steps(copy, group, engine, laps, &rehearsal)
        } catch {
            // Also when it was interrupted: nothing stays behind.
            let sweeping = Task { try await clean(copy, redbeat) }
            _ = try? await sweeping.value
            if error is CancellationError { throw error }
            rehearsal.steps.append(Rehearsal.Step(name: "end", seconds: 0, passed: false, detail: "\(error)"))
            return rehearsal
        }
        return rehearsal
    }

    private func steps(
        _ copy: RehearsalCopy,
        _ group: RedBeatGroup,
        _ engine: CutoverEngine,
        _ laps: Laps,
        _ rehearsal: inout Rehearsal
    ) async throws {
        let redbeat = engine.redbeat
        let loop = Double(source.maxInterval) + 10
        try await step("create", &rehearsal) {
            try await copy.make(redbeat, at: try await redbeat.status().now)
            return (
                true, "entry \(copy.name), every \(Int(RehearsalCopy.interval)) s, to a queue that nobody consumes from"
            )
        }
        try await step("legacy fires", &rehearsal) {
            let fired = try await wait(loop) { (try await copy.fires(redbeat) ?? 0) > 0 }
            let holder = try await redbeat.status().lockHolder
            return fired
                ? (true, "beat fired the copy")
                : (
                    false,
                    holder == nil
                        ? "no beat holds RedBeat's lock; start one" : "beat did not fire it within \(Int(loop)) s"
                )
        }
        try await step("cutover", &rehearsal) {
            laps.begin()
            switch try await CutoverOperation(engine: engine, group: group).run() {
            case .done(let from), .completed(let from), .already(let from):
                return (true, "Airflow's window begins at \(from.iso8601)")
            case .givenBackByOthers: return (false, "somebody gave it back meanwhile")
            }
        }
        rehearsal.steps += laps.steps
        try await step("claim", &rehearsal) {
            let status = try await redbeat.status()
            let from = status.entries.first?.record?.windows.last?.from ?? status.now
            let tick = max(from, status.now).adding(seconds: 1)
            let first = try await redbeat.claim(tick: tick, run: "\(copy.name)/1", policy: .coalesce)
            let again = try await redbeat.claim(tick: tick, run: "\(copy.name)/1", policy: .coalesce)
            let other = try await redbeat.claim(tick: tick, run: "\(copy.name)/2", policy: .coalesce)
            guard case .mine = first, case .mine = again, case .skip = other else {
                return (false, "the answers were \(first), \(again) and, to another run, \(other)")
            }
            return (true, "one run has the tick, the same run is told so again, another is refused")
        }
        try await step("legacy is silent", &rehearsal) {
            let before = try await copy.messages(redbeat)
            let expiry = try await redbeat.status().lockExpiry
            // Beat's lock is extended at each loop: two later expiries are two loops in which it did not fire.
            var seen: Set<Instant> = []
            let looped = try await wait(2 * loop) {
                if let now = try await redbeat.status().lockExpiry, now != expiry { seen.insert(now) }
                return seen.count >= 2
            }
            let after = try await copy.messages(redbeat)
            if after != before { return (false, "beat fired it \(after - before) times although its clock is parked") }
            return (
                looped, looped ? "beat looped twice and did not fire it" : "beat did not loop within \(Int(2 * loop)) s"
            )
        }
        try await step("rollback", &rehearsal) {
            guard case .done(let at, _, _) = try await RollbackOperation(engine: engine).run() else {
                return (false, "there was nothing to give back")
            }
            return (true, "given back at \(at.iso8601)")
        }
        try await step("legacy resumes", &rehearsal) {
            let before = try await copy.messages(redbeat)
            let resumed = try await wait(loop) { try await copy.messages(redbeat) > before }
            return (resumed, resumed ? "beat fires it again" : "beat did not fire it within \(Int(loop)) s")
        }
        try await step("clean up", &rehearsal) {
            let removed = try await clean(copy, redbeat)
            return (true, "\(removed) keys removed, none is left")
        }
    }

    /// Takes the copy away; a beat that has it in its hands may write once more, so that it is looked at again.
    private func clean(_ copy: RehearsalCopy, _ redbeat: RedBeatSwitch) async throws -> Int {
        var removed = 0
        let place = workspace.place(source)
        for turn in 0..<20 {
            let now = workspace.surroundings.now().adding(seconds: 1)
            let count = try await RehearsalCopy.sweep(redbeat, place: place, pipeline: pipeline, before: now)
            removed += count
            if count == 0, turn > 3 { break }
            try await workspace.surroundings.sleep(0.5)
        }
        return removed
    }

    private func step(
        _ name: String,
        _ rehearsal: inout Rehearsal,
        _ body: () async throws -> (Bool, String)
    ) async throws {
        let start = ContinuousClock.now
        workspace.tell("\(pipeline): rehearsal: \(name) …")
        let (passed, detail) = try await body()
        let seconds = Laps.seconds(since: start)
        rehearsal.steps.append(Rehearsal.Step(name: name, seconds: seconds, passed: passed, detail: detail))
        if !passed { throw OperationFailure(.doesNotHold, "\(name) failed: \(detail)") }
    }

    /// Asks until it holds; false after the limit.
    private func wait(_ seconds: Double, _ holds: () async throws -> Bool) async throws -> Bool {
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            if try await holds() { return true }
            try await workspace.surroundings.sleep(0.2)
        }
        return false
    }
}

/// The times of a cutover's own steps.
private final class Laps: Sendable {
    private let known = Mutex<(last: ContinuousClock.Instant, steps: [Rehearsal.Step])>((ContinuousClock.now, []))

    var steps: [Rehearsal.Step] { known.withLock { $0.steps } }

    /// Times are counted from here.
    func begin() { known.withLock { $0.last = .now } }

    func note(_ progress: CutoverProgress) {
        let name: String
        switch progress {
        case .closed: name = "· close"
        case .settled: name = "· fence and settle"
        case .checked, .recovering, .waitingForMoment, .fencing, .reopened, .claimed, .bounded, .gaveBack: return
        }
        known.withLock { known in
            let seconds = Laps.seconds(since: known.last)
            known.last = .now
            known.steps.append(Rehearsal.Step(name: name, seconds: seconds, passed: true, detail: progress.line ?? ""))
        }
    }

    static func seconds(since start: ContinuousClock.Instant) -> Double {
        let elapsed = start.duration(to: .now).components
        let seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18
        return (seconds * 1000).rounded() / 1000
    }
}

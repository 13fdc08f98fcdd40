import LosslessJSON
import Migration
import Schedules
public import Store
import Synchronization

/// A cutover and rollback of a throw-away entry that the real beat fires, against the source's own Redis.
struct RedBeatRehearsal: CrossingRehearsal {
    let engine: CutoverEngine
    let bridge: RedBeatBridge
    let pipeline: String
    let copy: RehearsalCopy
    let group: RedBeatGroup
    let laps: Laps

    private var place: RedBeatPlace { bridge.place }
    private var redbeat: RedBeatSwitch { engine.redbeat }
    private var around: Surroundings { bridge.surroundings.around }
    /// Seconds that beat needs for a loop, and some.
    private var loop: Double { Double(place.fence.longestTick) / 1_000_000 + 5 }

    func sweep() async throws -> Int {
        try await RehearsalCopy.sweep(redbeat, place: place, pipeline: pipeline, before: copy.made)
    }

    func sendsElsewhere() async throws -> Bool { try await !RehearsalCopy.brokerIsHere(redbeat) }

    func copy(number: Int) -> any FiredCopy {
        MessageCopy(of: pipeline, redbeat: redbeat, place: place, at: copy.made, number: number)
    }

    func silence() async throws -> String? {
        try await redbeat.status().lockHolder == nil ? "no beat holds RedBeat's lock; start one" : nil
    }

    func run(_ steps: RehearsalSteps, remove: (@Sendable (String) async throws -> Void)?) async throws {
        do { try await tryAll(steps, remove) } catch {
            // Also when it was interrupted: nothing stays behind.
            let sweeping = Task { try await clean(remove) }
            _ = try? await sweeping.value
            throw error
        }
    }

    private func tryAll(_ steps: RehearsalSteps, _ remove: (@Sendable (String) async throws -> Void)?) async throws {
        // Messages that lie elsewhere are counted by what beat says.
        let messages = {
            remove == nil ? try await copy.messages(redbeat) : try await copy.fires(redbeat) ?? 0
        }
        try await steps.run("create") {
            try await copy.make(redbeat, at: try await redbeat.status().now)
            let seconds = Int(RehearsalCopy.interval)
            return (true, "entry \(copy.name), every \(seconds) s, to a queue that nobody consumes from")
        }
        try await steps.run("legacy fires") {
            if try await wait(loop, { (try await copy.fires(redbeat) ?? 0) > 0 }) {
                return (true, "beat fired the copy")
            }
            return (false, try await silence() ?? "beat did not fire it within \(Int(loop)) s")
        }
        try await steps.run("cutover") {
            laps.begin()
            switch try await CutoverOperation(engine: engine, group: group).run() {
            case .done(let from), .completed(let from), .already(let from):
                return (true, "Airflow's window begins at \(from.iso8601)")
            case .givenBackByOthers: return (false, "somebody gave it back meanwhile")
            }
        }
        for step in laps.steps { steps.take(step) }
        try await steps.run("claim") { try await claim() }
        try await steps.run("legacy is silent") { try await isSilent(messages) }
        try await steps.run("rollback") {
            guard case .done(let at, _, _) = try await RollbackOperation(engine: engine).run() else {
                return (false, "there was nothing to give back")
            }
            return (true, "given back at \(at.iso8601)")
        }
        try await steps.run("legacy resumes") {
            let before = try await messages()
            let resumed = try await wait(loop) { try await messages() > before }
            return (resumed, resumed ? "beat fires it again" : "beat did not fire it within \(Int(loop)) s")
        }
        try await steps.run("clean up") {
            let removed = try await clean(remove)
            return (true, "\(removed) keys removed, none is left")
        }
    }

    private func claim() async throws -> (Bool, String) {
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

    private func isSilent(_ messages: () async throws -> Int) async throws -> (Bool, String) {
        let before = try await messages()
        let expiry = try await redbeat.status().lockExpiry
        // Beat's lock is extended at each loop: two later expiries are two loops in which it did not fire.
        var seen: Set<Instant> = []
        let looped = try await wait(2 * loop) {
            if let now = try await redbeat.status().lockExpiry, now != expiry { seen.insert(now) }
            return seen.count >= 2
        }
        let after = try await messages()
        if after != before { return (false, "beat fired it \(after - before) times although its clock is parked") }
        return (
            looped, looped ? "beat looped twice and did not fire it" : "beat did not loop within \(Int(2 * loop)) s"
        )
    }

    /// Takes the copy away; a beat that has it in its hands may write once more, so that it is looked at again.
    private func clean(_ remove: (@Sendable (String) async throws -> Void)?) async throws -> Int {
        var removed = 0
        for turn in 0..<20 {
            let now = around.now().adding(seconds: 1)
            let count = try await RehearsalCopy.sweep(redbeat, place: place, pipeline: pipeline, before: now)
            removed += count
            if count == 0, turn > 3 { break }
            try await around.sleep(0.5)
        }
        try await remove?(copy.name)
        return removed
    }

    /// Asks until it holds; false after the limit.
    private func wait(_ seconds: Double, _ holds: () async throws -> Bool) async throws -> Bool {
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            if try await holds() { return true }
            try await around.sleep(0.2)
        }
        return false
    }
}

/// The times of a cutover's own steps.
final class Laps: Sendable {
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
            let seconds = known.last.elapsedSeconds
            known.last = .now
            known.steps.append(Rehearsal.Step(name: name, seconds: seconds, passed: true, detail: progress.line ?? ""))
        }
    }
}

extension RedBeatCrossing {
    public var rehearsalWords: String {
        "make a copy of a RedBeat entry in \(source), let beat fire it, cut it over, claim a tick, roll it back, and remove it"
    }

    public func rehearsing<Value>(_ journal: Journal, _ body: (any CrossingRehearsal) async throws -> Value)
        async throws -> Value?
    {
        let began = bridge.surroundings.around.now()
        let copy = RehearsalCopy(of: pipeline, place: bridge.place, at: began)
        let laps = Laps()
        let group = try copy.group(zones: bridge.surroundings.zones, readAt: began)
        return try await bridge.withEngine(group.keys, journal, tell: { laps.note($0) }) { engine in
            try await body(
                RedBeatRehearsal(
                    engine: engine,
                    bridge: bridge,
                    pipeline: pipeline,
                    copy: copy,
                    group: group,
                    laps: laps
                )
            )
        }
    }
}

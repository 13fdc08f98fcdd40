import Airflow
import Cutover
import LosslessJSON
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
    /// Who sends for the pipeline's Celery tasks.
    package let senders: CelerySenders
    /// What is asked of its messages and workers.
    package let policy: CutoverPolicy

    package init(
        workspace: Workspace,
        pipeline: String,
        source: SourceSettings,
        senders: CelerySenders,
        policy: CutoverPolicy
    ) {
        self.workspace = workspace
        self.pipeline = pipeline
        self.source = source
        self.senders = senders
        self.policy = policy
    }

    /// Whether a pipeline of a switch is that of a rehearsal.
    static func isCopy(_ pipeline: String) -> Bool { pipeline.hasPrefix(RehearsalCopy.mark) }

    /// Does it.
    ///
    /// - Throws: what keeps it from being tried; what fails once it has begun is a failed step.
    package func run(_ journal: Journal) async throws -> Rehearsal {
        let began = workspace.surroundings.now()
        let place = RedBeatPlace(source)
        let copy = RehearsalCopy(of: pipeline, place: place, at: began)
        guard let group = try copy.group(zones: workspace.zones, readAt: began) else {
            throw OperationFailure(.defect, "the copy is no group")
        }
        let laps = Laps()
        let bridge = try workspace.redBeat(source.name, journal.store)
        return try await bridge.withEngine(group.keys, journal, tell: { laps.note($0) }) {
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
        let place = RedBeatPlace(source)
        let redbeat = engine.redbeat
        // What a rehearsal of this pipeline left that was killed: its lock is ours now.
        let left = try await RehearsalCopy.sweep(redbeat, place: place, pipeline: pipeline, before: began)
        if left > 0 { workspace.tell("\(pipeline): removed \(left) keys that a broken-off rehearsal had left") }
        let isHere = try await RehearsalCopy.brokerIsHere(redbeat)
        let hand = isHere ? nil : try await broker()
        var rehearsal = Rehearsal(pipeline: pipeline, at: began, steps: [])
        do {
            try await messages(redbeat, &rehearsal)
            try await steps(copy, group, engine, laps, hand, &rehearsal)
        } catch {
            // Also when it was interrupted: nothing stays behind.
            let sweeping = Task { try await clean(copy, redbeat, hand) }
            _ = try? await sweeping.value
            if error is CancellationError { throw error }
            rehearsal.steps.append(Rehearsal.Step(name: "end", seconds: 0, passed: false, detail: "\(error)"))
            return rehearsal
        }
        return rehearsal
    }

    /// Compares messages and sends something there and back. What fails here keeps nothing else from being tried.
    private func messages(_ redbeat: RedBeatSwitch, _ rehearsal: inout Rehearsal) async throws {
        if policy.messageParity.required, senders.senders.contains(where: { $0.entry != nil }) {
            let start = ContinuousClock.now
            workspace.tell("\(pipeline): rehearsal: messages …")
            let proving = MessageProving(
                workspace: workspace,
                source: source,
                pipeline: pipeline,
                redbeat: redbeat,
                senders: senders,
                fires: policy.messageParity.fires
            )
            let patience = Double(source.maxInterval) + 30
            rehearsal.messages = try await proving.run(at: rehearsal.at, patience: patience)
            for found in rehearsal.messages {
                rehearsal.steps.append(found.step(Laps.seconds(since: start), ignoring: policy.messageParity.ignored))
            }
        }
        guard policy.roundTripRequired, !senders.senders.isEmpty else { return }
        let start = ContinuousClock.now
        workspace.tell("\(pipeline): rehearsal: round trip …")
        rehearsal.roundTrips = try await senders.roundTrips()
        for trip in rehearsal.roundTrips {
            rehearsal.steps.append(
                Rehearsal.Step(
                    name: "round trip \(trip.task)",
                    seconds: Laps.seconds(since: start),
                    passed: trip.cameBack,
                    detail: trip.text
                )
            )
        }
    }

    private func steps(
        _ copy: RehearsalCopy,
        _ group: RedBeatGroup,
        _ engine: CutoverEngine,
        _ laps: Laps,
        _ hand: Hand?,
        _ rehearsal: inout Rehearsal
    ) async throws {
        let redbeat = engine.redbeat
        let loop = Double(source.maxInterval) + 10
        // Messages that lie elsewhere are counted by what beat says.
        let messages = { hand == nil ? try await copy.messages(redbeat) : try await copy.fires(redbeat) ?? 0 }
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
        try await step("rollback", &rehearsal) {
            guard case .done(let at, _, _) = try await RollbackOperation(engine: engine).run() else {
                return (false, "there was nothing to give back")
            }
            return (true, "given back at \(at.iso8601)")
        }
        try await step("legacy resumes", &rehearsal) {
            let before = try await messages()
            let resumed = try await wait(loop) { try await messages() > before }
            return (resumed, resumed ? "beat fires it again" : "beat did not fire it within \(Int(loop)) s")
        }
        try await step("clean up", &rehearsal) {
            let removed = try await clean(copy, redbeat, hand)
            return (true, "\(removed) keys removed, none is left")
        }
    }

    /// Takes the copy away; a beat that has it in its hands may write once more, so that it is looked at again.
    private func clean(_ copy: RehearsalCopy, _ redbeat: RedBeatSwitch, _ hand: Hand?) async throws -> Int {
        var removed = 0
        let place = RedBeatPlace(source)
        for turn in 0..<20 {
            let now = workspace.surroundings.now().adding(seconds: 1)
            let count = try await RehearsalCopy.sweep(redbeat, place: place, pipeline: pipeline, before: now)
            removed += count
            if count == 0, turn > 3 { break }
            try await workspace.surroundings.sleep(0.5)
        }
        if let hand {
            var request = hand.request
            request["do"] = "remove"
            request["names"] = [.string(copy.name)]
            _ = try await hand.program.answer(.object(request), seconds: 60)
        }
        return removed
    }

    /// What reaches a broker that is not the source's Redis.
    private struct Hand: Sendable {
        var program: CeleryProgram
        var request: JSONObject
    }

    /// What takes the copy's messages away where they go to another broker.
    private func broker() async throws -> Hand {
        let words =
            "the source \(source.name) does not carry Celery's messages (there is no _kombu.binding.* in it): what a copy sends could not be taken away again"
        guard let sender = senders.senders.first(where: { $0.call.source == source.name }) else {
            throw OperationFailure(.doesNotHold, words)
        }
        do {
            let hand = Hand(
                program: try await senders.program(sender.call),
                request: try senders.request(sender.call)
            )
            // Of a broker that nobody said to be elsewhere nothing is known.
            guard source.brokerURL != nil || sender.call.sending.app != nil else {
                throw OperationFailure(.doesNotHold, "its “broker_url” is not written")
            }
            return hand
        } catch let error as CancellationError {
            throw error
        } catch {
            throw OperationFailure(.doesNotHold, "\(words): \(error)")
        }
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

extension MessageComparison {
    /// It as a step of a rehearsal.
    fileprivate func step(_ seconds: Double, ignoring ignored: Set<String>) -> Rehearsal.Step {
        let counted = differences.filter { !ignored.contains($0.property) }
        let passed: Bool
        switch verdict {
        case .same, .offline: passed = true
        case .different: passed = counted.isEmpty
        case .failed: passed = false
        }
        let first = counted.first.map { ": \($0.property) is \($0.dag), beat's is \($0.beat)" } ?? ""
        let words = counted.isEmpty ? self.words : "\(counted.count) properties differ\(first)"
        return Rehearsal.Step(name: "message \(task)", seconds: seconds, passed: passed, detail: words)
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

public import Airflow
import LosslessJSON
public import Migration
public import Schedules

/// Shadows in a running Airflow, whose gates answer `shadow`.
///
/// From history each recorded run is a run that Bailey starts there, with the tick as its logical date. Live, a run with a tick is compared
/// with the scheduled run of that very tick; one without (a job, an interval) is started as from history.
public struct AirflowShadow: ShadowEngine {
    /// Where the runs to compare with come from.
    public enum Way: Sendable, Hashable {
        case history
        case live
    }

    private let client: AirflowClient
    private let way: Way
    private let limit: Double
    private let starts: [String: Instant]

    /// Shadows pipelines that are deployed and unpaused.
    ///
    /// - Parameter limit: how long a run may take, its waiting included, in seconds.
    /// - Throws: `AirflowShadowError` for a DAG that is missing, paused or without a gate; `AirflowError`.
    public init(client: AirflowClient, pipelines: [DAGDefinition], way: Way, limit: Double) async throws {
        self.client = client
        self.way = way
        self.limit = limit
        var starts: [String: Instant] = [:]
        for pipeline in pipelines {
            guard let details = try await client.details(pipeline.id), !details.dag.isStale else {
                throw AirflowShadowError(
                    pipeline.id,
                    "Airflow does not have it",
                    "Run bailey deploy --execute --unpause"
                )
            }
            guard try await client.tasks(pipeline.id).contains(where: { $0.id == "gate" }) else {
                throw AirflowShadowError(
                    pipeline.id,
                    "it has no gate, so that a run would do its work for real",
                    "Generate it without --ungated, and deploy it"
                )
            }
            guard !details.dag.isPaused else {
                throw AirflowShadowError(
                    pipeline.id,
                    "it is paused, so that no run of it would start",
                    "Run bailey deploy --execute --unpause"
                )
            }
            starts[pipeline.id] = details.startDate
        }
        self.starts = starts
    }

    public func shadow(_ legacy: Outcome, as part: ShadowPart) async throws -> ShadowAnswer {
        let dag = part.dag.id
        let run: String
        if way == .live, let tick = legacy.key.tick {
            guard AirflowShadow.isDue(part.dag, tick) else {
                return .nothing(
                    .insufficient,
                    reason:
                        "the pipeline is not due at \(tick.iso8601), so that Airflow makes no run for it: the entry had a clock of its own. bailey shadow --engine airflow --from-history starts one"
                )
            }
            let found = try await client.poll(seconds: limit, pause: 1) {
                try await scheduledRun(dag, tick)
            }
            guard let found else {
                return .nothing(
                    .insufficient,
                    reason: "Airflow had made no run for the tick \(tick.iso8601) after \(Int(limit)) s"
                )
            }
            run = found.id
        } else {
            run = try await started(legacy, part)
        }
        guard let recorded = try await recorded(part, run) else {
            return .nothing(.insufficient, reason: "the run “\(run)” in Airflow was not over after \(Int(limit)) s")
        }
        return recorded.answer(legacy, as: part)
    }

    /// The scheduled runs that ended since an instant whose gate said `shadow`, and that no legacy run was paired with.
    ///
    /// - Parameters:
    ///   - ticks: the ticks, from when legacy was watched until it was late enough for its run to have ended.
    ///   - seen: the ticks that a legacy run was seen for.
    public func unpaired(_ pipeline: DAGDefinition, ticks: Range<Instant>, seen: Set<Instant>) async throws
        -> [Comparison]
    {
        guard let driver = pipeline.clock.driver else { return [] }
        var found: [Comparison] = []
        for run in try await client.runs(pipeline.id, from: ticks.lowerBound) where run.kind == "scheduled" {
            guard let tick = run.logicalDate, ticks.contains(tick), !seen.contains(tick),
                try await client.gateMode(pipeline.id, run.id) == "shadow"
            else { continue }
            found.append(
                Comparison(
                    key: Outcome.Key(entry: driver, tick: tick),
                    pipeline: pipeline.id,
                    legacy: nil,
                    shadow: nil,
                    verdict: .insufficient,
                    reason: "Airflow ran “\(run.id)” in shadow, and no run of legacy was seen for that tick"
                )
            )
        }
        return found
    }

    /// Whether the DAG's own clock is due at a tick. An entry that it has absorbed may have another: the scheduler makes no run for that.
    static func isDue(_ dag: DAGDefinition, _ tick: Instant) -> Bool {
        switch dag.clock.timetable {
        case nil, .delta, .exact(.interval, _): true
        case let timetable?: timetable.next(after: tick.adding(microseconds: -1), anchor: nil) == tick
        }
    }

    private func scheduledRun(_ dag: String, _ tick: Instant) async throws -> AirflowRun? {
        try await client.runs(dag, from: tick).first { $0.logicalDate == tick && $0.kind == "scheduled" }
    }

    // MARK: Runs that Bailey starts

    /// Starts the run of a legacy run, or finds the one that was started before.
    private func started(_ legacy: Outcome, _ part: ShadowPart) async throws -> String {
        let dag = part.dag.id
        let run = AirflowShadow.runID(legacy.key)
        let configuration: JSON = [
            "bailey": [
                "mode": "shadow", "tick": legacy.key.tick.map { .string($0.iso8601) } ?? .null,
                "job": legacy.key.job.map { .string($0) } ?? .null, "entry": .string(legacy.key.entry.description),
                // As text, so that no JSON library on the way rounds a number.
                "arguments": part.isJob ? .string(legacy.arguments.text()) : .null,
            ]
        ]
        // A logical date before the DAG's start would give a success without any task.
        let tick = legacy.key.tick.flatMap { tick in starts[dag].map { tick < $0 } == true ? nil : tick }
        do {
            return try await client.trigger(dag, run: run, tick: tick, configuration: configuration).id
        } catch let error as AirflowError where error.code == .conflict {
            if let existing = try await client.run(dag, run) { return existing.id }
        }
        // Another run has that tick. A scheduled one that was gated, or one started for another entry, says the same of this one.
        if let tick, let other = try await client.runs(dag, from: tick).first(where: { $0.logicalDate == tick }),
            let over = try await recorded(part, other.id), over.gate == "shadow",
            over.outcomes.contains(where: { $0.task == part.standing.id })
        {
            return other.id
        }
        do {
            return try await client.trigger(dag, run: run, tick: nil, configuration: configuration).id
        } catch let error as AirflowError where error.code == .conflict {
            return run
        }
    }

    /// A run that is over, with what the tasks that count recorded; nil if it is not over within the limit.
    private func recorded(_ part: ShadowPart, _ run: String) async throws -> RecordedRun? {
        let dag = part.dag.id
        guard let over = try await client.wait(dag, run, seconds: limit) else { return nil }
        let counted = Set(part.tasks.map(\.id))
        var outcomes: [RecordedOutcome] = []
        for entry in try await client.xcoms(dag, run, key: RecordedOutcome.key) where counted.contains(entry.task) {
            guard let value = try await client.value(dag, run, entry), let outcome = RecordedOutcome(entry, value)
            else {
                continue
            }
            outcomes.append(try await whole(dag, run, entry, outcome))
        }
        return RecordedRun(
            run: over,
            instances: try await client.taskInstances(dag, run),
            outcomes: outcomes,
            gate: try await client.gateMode(dag, run)
        )
    }

    /// An outcome that was too long for one value, put together from its pieces; as it is where one of them is gone.
    private func whole(_ dag: String, _ run: String, _ entry: AirflowXCom, _ short: RecordedOutcome) async throws
        -> RecordedOutcome
    {
        guard let count = short.pieces, count > 0 else { return short }
        var text = ""
        for number in 1...count {
            let piece = try await client.value(dag, run, entry.under("\(RecordedOutcome.key)_\(number)"))
            guard let piece = piece?.string else { return short }
            text += piece
        }
        return RecordedOutcome(entry, .string(text)) ?? short
    }

    /// The id of the run that shadows a legacy run: `bailey__<entry>__<tick or job>`, in the characters that Airflow allows. What had to be
    /// changed for that is told apart by a digest.
    static func runID(_ key: Outcome.Key) -> String {
        let which = key.tick?.iso8601 ?? key.job ?? "-"
        let plain = "bailey__\(key.entry)__\(which)"
        let allowed = plain.map { $0.isASCII && ($0.isLetter || $0.isNumber || "_.~:+-".contains($0)) ? $0 : "_" }
        let text = String(allowed)
        // The slash between source and name is always replaced, and tells nothing apart.
        let isExact = text == plain.replacing("/", with: "_", maxReplacements: 1) && text.count <= 200
        return isExact ? text : text.prefix(180) + "__" + StableDigest(plain).description
    }
}

/// Why a pipeline cannot be shadowed in Airflow.
public struct AirflowShadowError: Error, Sendable, CustomStringConvertible {
    /// One line: which pipeline, what was found, what to do.
    public let description: String

    init(_ pipeline: String, _ found: String, _ advice: String) {
        description = "shadowing “\(pipeline)” in Airflow: \(found). \(advice)"
    }
}

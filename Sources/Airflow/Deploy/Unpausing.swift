import LosslessJSON
import Migration
public import Schedules

/// Unpauses a DAG so that nothing runs that was due before.
///
/// Without catch-up an unpause still makes a run at once for the tick that the scheduler has in mind, if that has passed, and often a second one
/// for the latest (seen on 2.11.2 and 3.3.2). So the DAG's file is parsed again, which leaves the latest tick alone in mind; for that
/// tick a run is made while the DAG is paused and declared done, after which the scheduler makes none.
public struct Unpausing: Sendable {
    /// What unpausing a DAG did or would do.
    public struct Report: Sendable {
        /// Whether it was paused.
        public var wasPaused = true
        /// The tick that an unpause would run, or would have run, at once.
        public var wouldFire: Instant?
        /// Runs that had been waiting for the unpause, by id.
        public var waiting: [String] = []
        /// Ticks for which the scheduler was kept from making a run.
        public var suppressed: [Instant] = []
        /// Runs of ticks before the unpause that were made all the same, with what became of them.
        public var fired: [(run: String, became: String)] = []
        /// The next tick.
        public var next: Instant?
        /// Why it is still paused; nil if it is not.
        public var refusal: String?
        /// Whether something ran that should not have.
        public var isHarmful = false
    }

    let client: AirflowClient
    /// Whether ticks make its runs; those of a DAG that runs without a break are made at once, and wait for jobs.
    let hasTicks: Bool
    /// How long the scheduler may take for each step, in seconds.
    let limit: Double

    /// Unpauses DAGs of one Airflow.
    public init(client: AirflowClient, hasTicks: Bool = true, limit: Double = 120) {
        self.client = client
        self.hasTicks = hasTicks
        self.limit = limit
    }

    /// Airflow's clock; up to a second behind, as its API tells the time in whole seconds.
    private var airflowNow: Instant {
        client.now().adding(microseconds: Int64(((client.clockAhead ?? 0) + 1) * 1_000_000))
    }

    /// What an unpause would do at this moment.
    public func preview(_ id: String) async throws -> Report? {
        guard let dag = try await client.dag(id) else { return nil }
        var report = Report()
        report.wasPaused = dag.isPaused
        report.next = hasTicks ? dag.nextTick : nil
        if dag.isPaused {
            if hasTicks, let due = dag.nextRunAfter, due <= airflowNow { report.wouldFire = dag.nextTick }
            report.waiting = try await client.runs(id, states: [.queued, .running]).map(\.id)
        }
        return report
    }

    /// Unpauses a DAG.
    ///
    /// - Parameter gated: whether its first task keeps a run from doing anything.
    public func unpause(_ id: String, gated: Bool) async throws -> Report {
        guard var report = try await preview(id), let dag = try await client.dag(id) else {
            var report = Report()
            report.refusal = "Airflow has no such DAG"
            return report
        }
        guard report.wasPaused else { return report }
        let health = try await client.health()
        if health["scheduler"] != "healthy" {
            report.refusal = "the scheduler is not healthy, so that nobody could see what an unpause does"
            return report
        }
        if !gated, !report.waiting.isEmpty {
            report.refusal =
                "\(report.waiting.count) runs wait for the unpause (\(report.waiting.prefix(3).joined(separator: ", "))), and no gate would hold them. Delete them first"
            return report
        }
        if !hasTicks {
            if gated, health["triggerer"] != "healthy" {
                report.refusal = "the triggerer is not healthy, in which its runs wait for jobs; start one"
                return report
            }
            try await client.setPaused(id, false)
            return report
        }
        guard try await parseAgain(dag) else {
            report.refusal = "its file was not parsed again within \(Int(limit)) s"
            return report
        }
        guard try await suppressDue(id, &report) else {
            report.refusal = "the tick in the scheduler's mind changed again and again"
            return report
        }
        let known = Set(try await client.runs(id).map(\.id))
        try await client.setPaused(id, false)
        let unpaused = airflowNow
        try await verify(id, gated: gated, unpaused: unpaused, known: known, &report)
        return report
    }

    /// Has the file parsed, by which the scheduler's next tick becomes the latest one.
    private func parseAgain(_ dag: AirflowDAG) async throws -> Bool {
        try await client.parse(dag)
        let found = try await client.poll(seconds: limit) { () -> Bool? in
            guard let now = try await client.dag(dag.id), let parsed = now.lastParsed else { return nil }
            return parsed > (dag.lastParsed ?? .earliest) ? true : nil
        }
        return found ?? false
    }

    /// Makes a run that is done already for each due tick; a parse in between may put another one in the scheduler's mind.
    private func suppressDue(_ id: String, _ report: inout Report) async throws -> Bool {
        for _ in 0..<5 {
            guard let dag = try await client.dag(id), let tick = dag.nextTick, let due = dag.nextRunAfter,
                due <= airflowNow, !report.suppressed.contains(tick)
            else { return true }
            if report.wouldFire == nil { report.wouldFire = tick }
            let run = "bailey__suppressed__" + tick.iso8601
            do {
                _ = try await client.trigger(
                    id,
                    run: run,
                    tick: tick,
                    configuration: [
                        "bailey": ["mode": "shadow", "tick": .string(tick.iso8601), "job": nil, "arguments": nil]
                    ]
                )
            } catch let error as AirflowError where error.code == .conflict {
                // There is a run for that tick, so that the scheduler makes no other. A lost answer of ours may be the reason.
            }
            if let made = try await client.run(id, run), !made.isOver { try await client.markSuccess(id, run) }
            report.suppressed.append(tick)
        }
        return false
    }

    /// Waits until the scheduler has moved on to a tick that is not yet due, and looks what it made.
    private func verify(
        _ id: String,
        gated: Bool,
        unpaused: Instant,
        known: Set<String>,
        _ report: inout Report
    ) async throws {
        let moved = try await client.poll(seconds: limit) { () -> AirflowDAG? in
            guard let dag = try await client.dag(id) else { return nil }
            guard let due = dag.nextRunAfter else { return dag }
            return due > unpaused ? dag : nil
        }
        report.next = moved?.nextTick
        let made = try await client.runs(id).filter { run in
            run.kind == "scheduled" && !known.contains(run.id) && (run.logicalDate ?? .earliest) <= unpaused
        }
        for run in made {
            let became = gated ? try await gateAnswer(id, run.id) : "it ran without a gate"
            if became != "skipped", became != "shadow" { report.isHarmful = true }
            report.fired.append((run.id, became))
        }
        if moved == nil {
            report.isHarmful = true
            report.fired.append(("-", "the scheduler had not moved on after \(Int(limit)) s"))
        }
        if report.isHarmful {
            try await client.setPaused(id, true)
            report.refusal = "it was paused again, because of what ran"
        }
    }

    /// What the gate of a run said.
    private func gateAnswer(_ id: String, _ run: String) async throws -> String {
        let found = try await client.poll(seconds: limit) { () -> String? in
            let gate = try await client.taskInstances(id, run).first { $0.task == "gate" }
            switch gate?.state {
            case "skipped"?: return "skipped"
            case "success"?: return try await client.gateMode(id, run) ?? "skipped"
            case "failed"?, "upstream_failed"?: return "the gate failed"
            default: return nil
            }
        }
        return found ?? "no answer of the gate within \(Int(limit)) s"
    }
}

extension AirflowClient {
    /// What the gate of a run answered: `live`, `shadow`, `skip`; nil if it left no answer.
    public func gateMode(_ dag: String, _ run: String) async throws -> String? {
        guard let entry = AirflowXCom(["key": "return_value", "task_id": "gate"]) else { return nil }
        return try await value(dag, run, entry)?["mode"]?.string
    }
}

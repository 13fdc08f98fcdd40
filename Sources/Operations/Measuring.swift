import Airflow
import LosslessJSON
import Migration
import Schedules

/// What runs of a pipeline in Airflow showed.
struct MeasuredPipeline: Sendable {
    /// What live runs took; nil inside where none has succeeded.
    var live: Known<PipelineSavings.Measured?>
    /// What Airflow takes beside bodies, as shadow runs showed.
    var overhead: PipelineSavings.Overhead?
}

extension Workspace {
    /// What live runs took, and what shadow runs showed of Airflow itself, by pipeline.
    func measurements(_ pipelines: [PlannedPipeline], of plan: Plan) async -> [String: MeasuredPipeline] {
        func all(_ why: String) -> [String: MeasuredPipeline] {
            Dictionary(
                pipelines.map { ($0.dag.id, MeasuredPipeline(live: .unknown(why))) },
                uniquingKeysWith: { $1 }
            )
        }
        do {
            guard try airflowAccess() != nil else { return all("no Airflow is configured (target.airflow.url)") }
            return try await withAirflow("report --savings") { client in
                let measuring = Measuring(client: client, plan: plan)
                var found: [String: MeasuredPipeline] = [:]
                for pipeline in pipelines {
                    do {
                        found[pipeline.dag.id] = try await measuring.measure(pipeline.dag)
                    } catch {
                        found[pipeline.dag.id] = MeasuredPipeline(live: .unknown("\(error)"))
                    }
                }
                return found
            }
        } catch {
            return all("\(error)")
        }
    }
}

/// Reads how long the runs of a DAG took, and the bodies in them.
private struct Measuring {
    /// How many live runs of each pipeline are measured at the most, and how many shadow runs are: each costs a question for each task.
    private static let most = 10
    private static let shadows = 3

    let client: AirflowClient
    let plan: Plan

    /// The newest live runs of a DAG that succeeded: those that ran all of their tasks, and where there are none those of which tasks were
    /// skipped; and its shadow runs.
    func measure(_ dag: DAGDefinition) async throws -> MeasuredPipeline {
        guard try await client.dag(dag.id) != nil else { return MeasuredPipeline(live: .known(nil)) }
        var live: [PipelineSavings.Measured.Run] = []
        var shadow: [PipelineSavings.Measured.Run] = []
        var (whole, unusable) = (0, 0)
        for run in try await client.newestRuns(dag.id, limit: Measuring.most * 5) {
            guard whole < Measuring.most || shadow.count < Measuring.shadows else { break }
            guard run.state == .success, let start = run.start, let end = run.end else { continue }
            // A DAG without a gate has no answer, and each of its runs is live.
            let mode =
                try await client.value(dag.id, run.id, .returned(by: "gate")).map { $0["mode"]?.string } ?? "live"
            guard mode == "live" ? whole < Measuring.most : mode == "shadow" && shadow.count < Measuring.shadows else {
                continue
            }
            guard let tasks = try await times(dag, run.id) else {
                if mode == "live" { unusable += 1 }
                continue
            }
            var found = PipelineSavings.Measured.Run(
                seconds: end.seconds(since: start),
                tasks: tasks.ran,
                skipped: tasks.skipped
            )
            if mode == "shadow" {
                found.bodies = try await bodies(dag, run.id).seconds
                shadow.append(found)
                continue
            }
            let isWhole = tasks.skipped.isEmpty
            if isWhole { whole += 1 }
            // No more of the others are asked for their bodies than are measured.
            if isWhole || live.count < Measuring.most {
                let recorded = try await bodies(dag, run.id)
                found.bodies = recorded.seconds
                for (task, tick) in recorded.waits {
                    guard let own = run.logicalDate else { continue }
                    found.awaited[task.id] = try await awaited(task, of: tick, from: own)
                }
            }
            live.append(found)
        }
        return MeasuredPipeline(
            live: .known(PipelineSavings.Measured(live, of: dag.tasks, unusable: unusable)),
            overhead: PipelineSavings.Overhead(shadow, of: dag.tasks)
        )
    }

    /// Seconds of a run's tasks as Airflow has them, and those that were skipped; nil where one did not succeed.
    private func times(_ dag: DAGDefinition, _ run: String) async throws -> (
        ran: [String: Double], skipped: Set<String>
    )? {
        let ids = Set(dag.tasks.map(\.id))
        var tasks: [String: Double] = [:]
        var skipped: Set<String> = []
        for instance in try await client.taskInstances(dag.id, run) {
            guard let id = ids.first(where: { instance.task == $0 || instance.task.hasSuffix("." + $0) }) else {
                continue
            }
            if instance.state == "skipped" {
                skipped.insert(id)
                continue
            }
            guard instance.state == "success", let began = instance.start, let ended = instance.end else { return nil }
            // Of a task that was mapped over jobs or items all are its work.
            tasks[id, default: 0] += ended.seconds(since: began)
        }
        // Of a task that was mapped some may be skipped: what ran of it counts.
        skipped.subtract(tasks.keys)
        return tasks.isEmpty || tasks.count + skipped.count != ids.count ? nil : (tasks, skipped)
    }

    /// How long the bodies of a run took by what they recorded; and of each task that waits the tick that it waited for, for it has no body.
    private func bodies(_ dag: DAGDefinition, _ run: String) async throws -> (
        seconds: [String: Double], waits: [(task: TaskDefinition, tick: Instant)]
    ) {
        var bodies: [String: Double] = [:]
        var waits: [(task: TaskDefinition, tick: Instant)] = []
        for entry in try await client.xcoms(dag.id, run, key: "bailey_outcome") {
            guard
                let task = dag.tasks.first(where: { entry.task == $0.id || entry.task.hasSuffix("." + $0.id) }),
                let value = try await client.value(dag.id, run, entry),
                let recorded = value.string.flatMap({ try? JSON(parsing: $0) }) ?? value.object.map({ _ in value })
            else { continue }
            guard task.body.wait == nil else {
                let result = recorded["result"]
                let told = result?.string.flatMap { try? JSON(parsing: $0) } ?? result
                if let tick = told?["tick"]?.string.flatMap({ Instant(iso8601: $0) }) { waits.append((task, tick)) }
                continue
            }
            guard let start = recorded["start"]?.string.flatMap({ Instant(iso8601: $0) }),
                let end = recorded["end"]?.string.flatMap({ Instant(iso8601: $0) })
            else { continue }
            bodies[task.id, default: 0] += end.seconds(since: start)
        }
        return (bodies, waits)
    }

    /// Seconds from a tick until the bodies of what a task waits for would have ended, had they run one after another from their own tick on;
    /// nil where what is waited for, or its run, is not known.
    private func awaited(_ task: TaskDefinition, of tick: Instant, from own: Instant) async throws -> Double? {
        guard let wait = task.body.wait, let other = plan.pipelines.first(where: { $0.dag.id == wait.pipeline })?.dag
        else { return nil }
        let runs = try await client.newestRuns(other.id, limit: Measuring.most * 10)
        guard let run = runs.first(where: { $0.logicalDate == tick }) else { return nil }
        let bodies = try await bodies(other, run.id).seconds
        guard !bodies.isEmpty else { return nil }
        let path = PipelineSavings.longestPath(other.tasks(before: wait.task), bodies)
        return max(0, tick.seconds(since: own) + path.seconds)
    }
}

extension DAGDefinition {
    /// A task, and all that come before it; all tasks if nil.
    fileprivate func tasks(before last: String?) -> [TaskDefinition] {
        guard let last else { return tasks }
        var wanted: Set<String> = [last]
        var open = [last]
        while let id = open.popLast() {
            for before in tasks.first(where: { $0.id == id })?.after ?? [] where wanted.insert(before).inserted {
                open.append(before)
            }
        }
        return tasks.filter { wanted.contains($0.id) }
    }
}

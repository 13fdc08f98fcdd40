import Airflow
import LosslessJSON
import Migration
package import Reports
import Schedules
import Settings
import Store

extension Workspace {
    /// How many live runs of each pipeline are measured at the most.
    private static let measuredRuns = 10

    /// What pipelines save, or one.
    ///
    /// - Throws: `OperationFailure` if there is no such pipeline. What Airflow does not say is not known.
    package func savingsReport(pipeline: String?) async throws -> SavingsReport {
        let inventory = try inventory()
        let plan = try plan(inventory)
        let chosen = try chosen(pipeline.map { [$0] } ?? [], of: plan)
        for item in settings.savings?.work ?? [] {
            guard let name = item.pipeline, !plan.pipelines.contains(where: { $0.dag.id == name }) else { continue }
            throw OperationFailure(
                .usage,
                "\(settings.file):\(item.line): “\(item.what)” is about the pipeline “\(name)”, which there is not"
            )
        }
        for (name, before) in settings.savings?.before ?? [:]
        where !plan.pipelines.contains(where: { $0.dag.id == name }) {
            throw OperationFailure(
                .usage,
                "\(settings.file):\(before.line): “before” is about the pipeline “\(name)”, which there is not"
            )
        }
        let measured = await measurements(chosen)
        let store = try store()
        let now = surroundings.now()
        let rows = try chosen.map { planned in
            var row = PipelineSavings(
                pipeline: planned.dag.id,
                projection: planned.projection,
                measured: measured[planned.dag.id] ?? .unknown("nobody asked Airflow")
            )
            let clock = planned.dag.clock
            let zone = (try? zones.zone(clock.timezone)) ?? .utc
            row.runsPerYear = clock.schedule?.frequency(in: zone, from: now).perYear
            let durations = try legacyDurations(planned.dag, plan, inventory, store)
            row.recorded = durations?.seconds
            row.recordedRuns = durations?.runs ?? 0
            row.recordedBy = durations?.witness
            row.stated = settings.savings?.before[planned.dag.id]?.seconds
            return row
        }
        let work = (settings.savings?.work ?? []).filter { pipeline == nil || $0.pipeline == pipeline }.map {
            SavingsReport.Work(
                what: $0.what,
                pipeline: $0.pipeline,
                before: $0.before / 3600,
                after: $0.after / 3600,
                timesPerYear: $0.times * $0.per.perYear
            )
        }
        return SavingsReport(
            rows: rows,
            work: work,
            currency: settings.savings?.currency,
            runHour: settings.savings?.runHour,
            personHour: settings.savings?.personHour,
            madeAt: now
        )
    }

    /// How long legacy took for a pipeline's entries one after another, those of the runs that it waits for among them; nil where one is unknown.
    private func legacyDurations(_ dag: DAGDefinition, _ plan: Plan, _ inventory: Inventory, _ store: StateStore) throws
        -> (seconds: Double, runs: Int, witness: PipelineSavings.Witness)?
    {
        var entries = dag.entries
        for wait in dag.tasks.compactMap(\.body.wait) {
            guard let awaited = plan.pipelines.first(where: { $0.dag.id == wait.pipeline })?.dag else { continue }
            entries +=
                wait.task.map { id in awaited.tasks.filter { $0.id == id }.compactMap(\.entry) } ?? awaited.entries
        }
        guard !dag.entries.isEmpty else { return nil }
        var seconds = 0.0
        var runs = Int.max
        var witness = PipelineSavings.Witness.records
        var counted: Set<EntryID> = []
        for entry in entries where counted.insert(entry).inserted {
            if let history = inventory[entry]?.history, let median = history.p50 {
                seconds += median
                runs = min(runs, history.runs)
                continue
            }
            let seen = try store.legacyDurations(entry).sorted()
            guard !seen.isEmpty else { return nil }
            seconds += seen[seen.count / 2]
            runs = min(runs, seen.count)
            witness = .watching
        }
        return (seconds, runs, witness)
    }

    /// What live runs took, by pipeline.
    private func measurements(_ pipelines: [PlannedPipeline]) async -> [String: Known<PipelineSavings.Measured?>] {
        func all(_ why: String) -> [String: Known<PipelineSavings.Measured?>] {
            Dictionary(pipelines.map { ($0.dag.id, .unknown(why)) }, uniquingKeysWith: { $1 })
        }
        do {
            guard try airflowAccess() != nil else { return all("no Airflow is configured (target.airflow.url)") }
            return try await withAirflow("report --savings") { client in
                var found: [String: Known<PipelineSavings.Measured?>] = [:]
                for pipeline in pipelines {
                    do {
                        found[pipeline.dag.id] = .known(try await Workspace.measure(pipeline.dag, client))
                    } catch {
                        found[pipeline.dag.id] = .unknown("\(error)")
                    }
                }
                return found
            }
        } catch {
            return all("\(error)")
        }
    }

    /// The newest live runs of a DAG that succeeded: those that ran all of their tasks, and where there are none those of which tasks were skipped.
    private static func measure(_ dag: DAGDefinition, _ client: AirflowClient) async throws -> PipelineSavings.Measured?
    {
        guard try await client.dag(dag.id) != nil else { return nil }
        let ids = Set(dag.tasks.map(\.id))
        var runs: [PipelineSavings.Measured.Run] = []
        var (whole, unusable) = (0, 0)
        for run in try await client.newestRuns(dag.id, limit: measuredRuns * 5) where whole < measuredRuns {
            guard run.state == .success, let start = run.start, let end = run.end else { continue }
            let answer = try await client.value(dag.id, run.id, .returned(by: "gate"))
            // A DAG without a gate has no answer, and each of its runs is live.
            if let answer, answer["mode"]?.string != "live" { continue }
            var tasks: [String: Double] = [:]
            var skipped: Set<String> = []
            var isUsable = true
            for instance in try await client.taskInstances(dag.id, run.id) {
                guard let id = ids.first(where: { instance.task == $0 || instance.task.hasSuffix("." + $0) }) else {
                    continue
                }
                if instance.state == "skipped" {
                    skipped.insert(id)
                    continue
                }
                guard instance.state == "success", let began = instance.start, let ended = instance.end else {
                    isUsable = false
                    continue
                }
                // Of a task that was mapped over jobs or items all are its work.
                tasks[id, default: 0] += ended.seconds(since: began)
            }
            // Of a task that was mapped some may be skipped: what ran of it counts.
            skipped.subtract(tasks.keys)
            guard isUsable, !tasks.isEmpty, tasks.count + skipped.count == ids.count else {
                unusable += 1
                continue
            }
            let isWhole = skipped.isEmpty
            if isWhole { whole += 1 }
            // No more of the others are asked for their bodies than are measured.
            let bodies = isWhole || runs.count < measuredRuns ? try await bodies(dag, run.id, client) : [:]
            runs.append(
                PipelineSavings.Measured.Run(
                    seconds: end.seconds(since: start),
                    tasks: tasks,
                    bodies: bodies,
                    skipped: skipped
                )
            )
        }
        return PipelineSavings.Measured(runs, of: dag.tasks, unusable: unusable)
    }

    /// How long the bodies of a run took by what they recorded. What waits has no body: of it the task counts.
    private static func bodies(_ dag: DAGDefinition, _ run: String, _ client: AirflowClient) async throws -> [String:
        Double]
    {
        var bodies: [String: Double] = [:]
        for entry in try await client.xcoms(dag.id, run, key: "bailey_outcome") {
            guard
                let task = dag.tasks.first(where: { entry.task == $0.id || entry.task.hasSuffix("." + $0.id) }),
                task.body.wait == nil, let value = try await client.value(dag.id, run, entry),
                let recorded = value.string.flatMap({ try? JSON(parsing: $0) }) ?? value.object.map({ _ in value }),
                let start = recorded["start"]?.string.flatMap({ Instant(iso8601: $0) }),
                let end = recorded["end"]?.string.flatMap({ Instant(iso8601: $0) })
            else { continue }
            bodies[task.id, default: 0] += end.seconds(since: start)
        }
        return bodies
    }
}

extension SavingsSettings.Work.Frequency {
    /// How many of it there are in a year.
    fileprivate var perYear: Double {
        switch self {
        case .day: 365.25
        case .week: 365.25 / 7
        case .month: 12
        case .year: 1
        }
    }
}

import Airflow
import LosslessJSON
import Migration
package import Reports
import Schedules
import Settings

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
        let measured = await measurements(chosen)
        let now = surroundings.now()
        let rows = chosen.map { planned in
            var row = PipelineSavings(
                pipeline: planned.dag.id,
                projection: planned.projection,
                measured: measured[planned.dag.id] ?? .unknown("nobody asked Airflow")
            )
            let clock = planned.dag.clock
            let zone = (try? zones.zone(clock.timezone)) ?? .utc
            row.runsPerYear = clock.schedule?.frequency(in: zone, from: now).perYear
            let histories = planned.dag.entries.map { inventory[$0]?.history }
            let medians = histories.compactMap { $0?.p50 }
            if !medians.isEmpty, medians.count == histories.count {
                row.recorded = medians.reduce(0, +)
                row.recordedRuns = histories.compactMap { $0?.runs }.min() ?? 0
            }
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

    /// The newest live runs of a DAG that succeeded and ran all of their tasks.
    private static func measure(_ dag: DAGDefinition, _ client: AirflowClient) async throws -> PipelineSavings.Measured?
    {
        guard try await client.dag(dag.id) != nil else { return nil }
        let ids = Set(dag.tasks.map(\.id))
        var runs: [(seconds: Double, tasks: [String: Double])] = []
        for run in try await client.newestRuns(dag.id, limit: measuredRuns * 5) where runs.count < measuredRuns {
            guard run.state == .success, let start = run.start, let end = run.end else { continue }
            let answer = try await client.value(dag.id, run.id, .returned(by: "gate"))
            // A DAG without a gate has no answer, and each of its runs is live.
            if let answer, answer["mode"]?.string != "live" { continue }
            var tasks: [String: Double] = [:]
            var isWhole = true
            for instance in try await client.taskInstances(dag.id, run.id) {
                guard let id = ids.first(where: { instance.task == $0 || instance.task.hasSuffix("." + $0) }) else {
                    continue
                }
                guard instance.state == "success", let began = instance.start, let ended = instance.end else {
                    isWhole = false
                    continue
                }
                // Of a task that was mapped over jobs or items all are its work.
                tasks[id, default: 0] += ended.seconds(since: began)
            }
            if isWhole, tasks.count == ids.count { runs.append((end.seconds(since: start), tasks)) }
        }
        return PipelineSavings.Measured(runs, of: dag.tasks)
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

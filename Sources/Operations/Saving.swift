import Migration
package import Reports
import Schedules
import Settings
import Store

extension Workspace {
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
        let measured = await measurements(chosen, of: plan)
        let store = try store()
        let now = surroundings.now()
        let rows = try chosen.map { planned in
            var row = PipelineSavings(
                pipeline: planned.dag.id,
                projection: planned.projection,
                measured: measured[planned.dag.id]?.live ?? .unknown("nobody asked Airflow")
            )
            row.overhead = measured[planned.dag.id]?.overhead
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
        let inventory = try told(inventory)
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
            let own: PipelineSavings.Witness
            if !seen.isEmpty {
                seconds += seen[seen.count / 2]
                runs = min(runs, seen.count)
                own = .watching
            } else if let told = inventory[entry]?.told {
                seconds += told.p50
                runs = min(runs, told.runs)
                own = told.witness == .events ? .events : .log
            } else {
                return nil
            }
            // The weakest is what the sum rests on.
            let order = PipelineSavings.Witness.allCases
            if let (one, other) = order.firstIndex(of: own).flatMap({ one in
                order.firstIndex(of: witness).map { (one, $0) }
            }), one > other {
                witness = own
            }
        }
        return (seconds, runs, witness)
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

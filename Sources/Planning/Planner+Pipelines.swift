import LosslessJSON
import Migration
import Schedules
import Settings

/// The pipelines of a plan: of one entry each, or as mappings say.
extension Planner {
    /// The pipeline of an entry that no mapping mentions.
    func ownPipeline(_ entry: LegacyEntry, reason: String?) -> PlannedPipeline {
        if entry.kind == .workflow { return workflowPipeline(entry) }
        let body: TaskBody = reason.map { .untranslatable(reason: $0) } ?? entry.ownBody
        // What Airflow knows of the DAG stays its own when legacy calls the entry otherwise.
        let name = "\(entry.id.source)__\((entry.formerly.first ?? entry.id).name)"
        var dag = DAGDefinition(
            id: PipelineIdentifier.make(name),
            name: entry.id.name,
            summary: "The legacy entry \(entry.id), by itself.",
            clock: clock(driver: entry.schedule == nil ? nil : entry, own: nil, timezone: entry.timezone ?? "UTC"),
            missedTicks: entry.ownMissedTicks,
            entries: [entry.id],
            tasks: [TaskDefinition(id: "run", entry: entry.id, body: body)]
        )
        dag.tags = ["bailey", entry.id.source]
        return planned(dag)
    }

    /// The pipeline of a workflow that no mapping mentions.
    func workflowPipeline(_ entry: LegacyEntry) -> PlannedPipeline {
        let made = WorkflowPipeline(entry: entry)
        var dag = DAGDefinition(
            id: PipelineIdentifier.make("\(entry.id.source)__\(entry.id.name)"),
            name: entry.id.name,
            summary: "The workflow \(entry.id): one request after another.",
            clock: clock(driver: nil, own: nil, timezone: entry.timezone ?? "UTC"),
            entries: [],
            tasks: made.tasks
        )
        dag.parameters = made.parameters
        dag.workflow = WorkflowStand(entry: entry.id, stages: dag.tasks.map(\.id))
        dag.tags = ["bailey", entry.id.source]
        return planned(dag)
    }

    func mapped(_ mapping: Mapping) -> (PlannedPipeline, [Finding]) {
        var findings: [Finding] = []
        let isOwn = mapping.schedule != nil || mapping.starter != nil
        let driver = mapping.clock.flatMap { inventory[$0] } ?? (isOwn ? nil : onlyClock(mapping))
        let tasks = mapping.tasks.map { task -> TaskDefinition in
            var definition = task.definition
            let entry = definition.entry.flatMap { inventory[$0] }
            if !task.hasBody, let entry {
                definition.body = entry.kind == .jobType ? missingBody(entry) : entry.ownBody
            }
            if case .python(var python) = definition.body, let entry, entry.kind != .jobType {
                // What the mapping does not give is the entry's own.
                if python.args.isNull { python.args = entry.args.isNull ? [] : entry.args }
                if python.kwargs.isNull { python.kwargs = entry.kwargs.isNull ? [:] : entry.kwargs }
                definition.body = .python(python)
            }
            if let entry, entry.kind == .jobType, task.hasBody, mapping.own == nil {
                definition.body = .queue(QueueDrain(entry: entry.id, runs: definition.body, limit: task.jobLimit))
            }
            if let sending = task.sending, case .celery(let call) = definition.body {
                definition.body = .celery(router.mapped(call, sending))
            }
            if case .untranslatable(let reason) = definition.body {
                findings.append(
                    Finding(
                        .untranslatable,
                        entry: definition.entry,
                        pipeline: mapping.pipeline,
                        location: task.location,
                        text: sentence(reason)
                    )
                )
            }
            if definition.shadow == .observe, definition.body.wait == nil, mapping.own == nil {
                findings.append(
                    Finding(
                        .unclassifiedBody,
                        entry: definition.entry,
                        pipeline: mapping.pipeline,
                        location: task.location,
                        text:
                            "Task “\(definition.id)” is only observed in shadow: nobody has said that its body is pure, or given it connections of its own."
                    )
                )
            }
            return definition
        }
        for entry in mapping.absorbs {
            findings.append(
                Finding(
                    .absorbedEntry,
                    entry: entry,
                    pipeline: mapping.pipeline,
                    location: mapping.location,
                    text:
                        "It will run when \(mapping.clock?.description ?? "the pipeline") is due, not by its own schedule. A named person must approve this."
                )
            )
        }
        var dag = DAGDefinition(
            id: mapping.pipeline,
            name: mapping.name,
            summary: mapping.summary,
            owner: mapping.owner,
            tags: ["bailey"] + mapping.tags,
            clock: clock(driver: driver, own: mapping.schedule, timezone: driver?.timezone ?? mapping.timezone),
            missedTicks: mapping.missedTicks,
            lateAfter: mapping.lateAfter,
            maxActiveRuns: mapping.maxActiveRuns,
            sla: mapping.sla,
            entries: MappingChecker.entries(of: mapping),
            tasks: tasks
        )
        dag.notify = mapping.notify
        dag.parameters = mapping.parameters
        dag.workflow = mapping.workflow.flatMap { try? $0.completed(mapping, inventory[$0.entry]) }
        dag.clock.assets = mapping.assets
        dag.clock.jobsEvery = mapping.jobsEvery
        dag.own = mapping.own
        if let driver { dag.entries = [driver.id] + dag.entries.filter { $0 != driver.id } }
        return (planned(dag), findings)
    }

    /// The clock of a pipeline that names none: the only scheduled entry among its tasks.
    private func onlyClock(_ mapping: Mapping) -> LegacyEntry? {
        let scheduled = mapping.tasks.compactMap { $0.definition.entry.flatMap { inventory[$0] } }.filter {
            $0.schedule != nil
        }
        return Set(scheduled.map(\.id)).count == 1 ? scheduled.first : nil
    }

    private func clock(driver: LegacyEntry?, own: Schedule?, timezone: String) -> PipelineClock {
        let schedule = driver?.schedule ?? own
        let zone = (try? zones.zone(timezone)) ?? .utc
        let target = schedule.map { timetables.timetable(for: $0, in: zone) }
        return PipelineClock(driver: driver?.id, schedule: schedule, timezone: timezone, timetable: target)
    }

    private func missingBody(_ entry: LegacyEntry) -> TaskBody {
        .untranslatable(
            reason:
                "the mapping does not say what runs for a job of type “\(entry.task)”; give the task python, command or celery"
        )
    }

    private func planned(_ dag: DAGDefinition) -> PlannedPipeline {
        let zone = (try? zones.zone(dag.clock.timezone)) ?? .utc
        let words = dag.clock.schedule?.words(in: zone) ?? PlannedPipeline.words(dag.clock)
        let ticks = dag.clock.timetable.map { Array($0.ticks(after: now).prefix(5)) } ?? []
        return PlannedPipeline(
            dag: dag,
            scheduleWords: words,
            nextTicks: ticks,
            projection: RunProjection(dag.tasks, lengths: recorded(dag), declared: [:])
        )
    }

    /// How long tasks take by what legacy recorded of their entries.
    private func recorded(_ dag: DAGDefinition) -> [String: RunProjection.Length] {
        dag.tasks.reduce(into: [:]) { found, task in
            guard let entry = task.entry.flatMap({ inventory[$0] }) else { return }
            if let median = entry.history?.p50 {
                found[task.id] = RunProjection.Length(seconds: median, origin: .recorded)
            } else if let told = entry.told {
                found[task.id] = RunProjection.Length(seconds: told.p50, origin: .init(told.witness))
            }
        }
    }

    /// What a person says of a task counts more: the entry it stands for may have done more than it does.
    func projection(of dag: DAGDefinition, _ mapping: Mapping, _ pools: PoolDeclarations) -> RunProjection {
        var lengths = recorded(dag)
        for task in mapping.tasks {
            guard let seconds = task.expected else { continue }
            lengths[task.definition.id] = RunProjection.Length(seconds: seconds, origin: .stated)
        }
        return RunProjection(dag.tasks, lengths: lengths, declared: pools.slots)
    }
}

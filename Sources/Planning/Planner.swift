import LosslessJSON
public import Migration
public import Schedules
public import Settings

/// Makes pipelines of an inventory and mappings, and judges every entry.
public struct Planner {
    private let inventory: Inventory
    private let zones: ZoneDatabase
    private let environments: Set<String>
    private let policy: CutoverPolicy
    private let pools: [PoolSettings]
    private let channels: [String: AlertChannelSettings]
    private let aside: SettingAside
    private let judge: EntryJudge
    private let timetables: ProvenTimetables
    private let router: MessageRouter
    private let now: Instant
    /// The Airflow that files are written for, as `target.airflow.version` has it.
    public var airflow = "3"

    /// A planner.
    ///
    /// - Parameters:
    ///   - environments: the names of `environments` in `bailey.yaml`.
    ///   - celery: what `bailey.yaml` says of the Celery applications, by source.
    ///   - policy: that of `bailey.yaml`, which a mapping may override for its pipeline.
    ///   - pools: those that `bailey.yaml` declares.
    ///   - channels: the alert channels of `bailey.yaml` that have a name.
    ///   - aside: the entries that `bailey.yaml` sets aside.
    ///   - now: the instant from which ticks are computed.
    public init(
        inventory: Inventory,
        zones: ZoneDatabase,
        environments: Set<String>,
        celery: [String: CelerySettings] = [:],
        policy: CutoverPolicy = CutoverPolicy(),
        pools: [PoolSettings] = [],
        channels: [String: AlertChannelSettings] = [:],
        aside: SettingAside = .none,
        now: Instant
    ) {
        router = MessageRouter(inventory: inventory, celery: celery, environments: environments)
        self.inventory = inventory
        self.zones = zones
        self.environments = environments
        self.policy = policy
        self.pools = pools
        self.channels = channels
        self.aside = aside
        self.now = now
        timetables = ProvenTimetables(now: now)
        judge = EntryJudge(zones: zones, timetables: timetables, dangers: DangerJudge(inventory), now: now)
    }

    /// The plan of mapping files, given with their texts. What is wrong in them becomes findings that name file and line.
    ///
    /// Proofs take a while: once the task is cancelled, the plan is given without the entries that were not looked at yet.
    ///
    /// - Parameter read: gives the text of a file that a mapping names: by the mapping's file, and the path from its folder.
    public func plan(
        files: [(file: String, text: String)],
        reading read: @escaping (_ mapping: String, _ path: String) -> String? = { _, _ in nil }
    ) -> Plan {
        var mappings: [Mapping] = []
        var policies: [String: CutoverPolicy] = [:]
        var findings: [Finding] = []
        for (file, text) in files {
            do {
                for mapping in try Mapping.all(yaml: text, file: file, reading: { read(file, $0) }) {
                    if let node = mapping.policy {
                        policies[mapping.pipeline] = try CutoverPolicy(node, over: policy, zones: zones)
                    }
                    mappings.append(mapping)
                }
            } catch {
                findings += error.problems.map {
                    Finding(
                        .invalidMapping,
                        location: SourceLocation(file: $0.file, line: $0.line),
                        text: sentence($0.message)
                    )
                }
            }
        }
        var plan = plan(mappings, findings)
        for index in plan.pipelines.indices {
            plan.pipelines[index].policy = policies[plan.pipelines[index].dag.id] ?? policy
        }
        return plan
    }

    private func plan(_ written: [Mapping], _ problems: [Finding]) -> Plan {
        let (named, renamings) = EntryNames(inventory).present(in: written)
        let (mappings, impossible) = CanvasExpansion(inventory: inventory).expanded(named)
        var findings = problems + renamings + impossible
        var setAside: [SetAside] = []
        findings += inventory.unread.compactMap { record -> Finding? in
            let id = EntryID(source: record.source, name: record.key)
            if let rule = aside.rule(for: id) {
                setAside.append(aside.made(id, by: rule))
                return nil
            }
            return Finding(
                record.stopsLegacy ? .stopsBeat : .unreadRecord,
                entry: id,
                text: sentence("\(record.reason): \(record.detail)")
            )
        }
        findings += aside.idleRules(in: inventory)
        for source in inventory.sources {
            findings += source.notes.map { Finding($0.code, text: "Source \(source.name): \($0.detail).") }
        }
        let checker = MappingChecker(inventory: inventory, environments: environments, zones: zones)
        findings += checker.check(mappings)
        let pools = PoolDeclarations(pools, mappings)
        findings +=
            mappings.flatMap(ResultChecker(inventory: inventory).findings) + AssetChecker(mappings: mappings).findings()
            + mappings.flatMap(TemplateChecker.findings)
        findings += pools.findings(of: mappings) + NotifyChecker(channels: channels).findings(of: mappings)

        var owner: [EntryID: String] = [:]
        for mapping in mappings {
            for entry in MappingChecker.entries(of: mapping) where owner[entry] == nil {
                owner[entry] = mapping.pipeline
            }
            if let workflow = mapping.workflow { owner[workflow.entry] = owner[workflow.entry] ?? mapping.pipeline }
        }
        var judgements: [EntryJudgement] = []
        var pipelines: [PlannedPipeline] = []
        for entry in inventory.entries where !Task.isCancelled {
            if let rule = aside.rule(for: entry.id) {
                setAside.append(aside.made(entry.id, by: rule))
                if let pipeline = owner[entry.id] {
                    findings.append(
                        Finding(
                            .unknownEntry,
                            entry: entry.id,
                            pipeline: pipeline,
                            text:
                                "“ignore” of bailey.yaml sets it aside (\(rule.reason)), and a mapping names it: take it out of one of them."
                        )
                    )
                }
                judgements.append(
                    EntryJudgement(entry: entry.id, verdict: .keep, reason: "set aside: \(rule.reason)")
                )
                continue
            }
            var (judgement, found) = judge.judge(entry)
            if let pipeline = owner[entry.id] {
                // A person has decided: the entry moves, and the reason against it stays a finding.
                judgement.verdict = .migrate
                judgement.reason = nil
                judgement.pipeline = pipeline
            } else if judgement.verdict != .keep {
                let single = ownPipeline(entry, reason: judgement.reason)
                judgement.pipeline = single.dag.id
                pipelines.append(single)
                if case .untranslatable(let reason)? = single.dag.tasks.first?.body {
                    found.append(
                        Finding(
                            .untranslatable,
                            entry: entry.id,
                            text: sentence("its DAG's task fails with this reason: \(reason)")
                        )
                    )
                }
            } else {
                found.append(Finding(.keptOnLegacy, entry: entry.id, text: sentence(judgement.reason ?? "")))
            }
            judgements.append(judgement)
            findings += found
        }
        let broken = Set(findings.filter { $0.severity == .error }.compactMap { $0.pipeline ?? $0.location?.file })
        for mapping in mappings where !broken.contains(mapping.location.file) && !broken.contains(mapping.pipeline) {
            var (pipeline, found) = mapped(mapping)
            pipeline.projection = projection(of: pipeline.dag, mapping, pools)
            let types = pipeline.dag.entries.compactMap { inventory[$0] }.filter { $0.kind == .jobType }
            pipeline.waits = JobWait.waits(of: types, clock: pipeline.dag.clock)
            pipelines.append(pipeline)
            findings += found
        }
        findings += setAside.map {
            Finding(.setAside, entry: $0.entry, location: $0.location, text: sentence("set aside: \($0.reason)"))
        }
        findings += WaitChecker(mappings: mappings, zones: zones).resolve(&pipelines)
        for index in pipelines.indices { findings += router.route(&pipelines[index].dag) }
        findings += AirflowLimits.likeIDs(pipelines)
        if airflow == "2.11" { findings += UnseenLateness.findings(of: pipelines) }
        pipelines.sort { $0.dag.id < $1.dag.id }
        findings.sort { a, b in
            if a.severity != b.severity { return a.severity > b.severity }
            return (a.code.number, a.entry?.description ?? "") < (b.code.number, b.entry?.description ?? "")
        }
        var plan = Plan(
            inventoryReadAt: inventory.readAt,
            pipelines: pipelines,
            judgements: judgements,
            findings: findings
        )
        plan.setAside = setAside
        plan.pools = pools.all
        return plan
    }

    // MARK: Pipelines

    /// The pipeline of an entry that no mapping mentions.
    private func ownPipeline(_ entry: LegacyEntry, reason: String?) -> PlannedPipeline {
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
    private func workflowPipeline(_ entry: LegacyEntry) -> PlannedPipeline {
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

    private func mapped(_ mapping: Mapping) -> (PlannedPipeline, [Finding]) {
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
    private func projection(of dag: DAGDefinition, _ mapping: Mapping, _ pools: PoolDeclarations) -> RunProjection {
        var lengths = recorded(dag)
        for task in mapping.tasks {
            guard let seconds = task.expected else { continue }
            lengths[task.definition.id] = RunProjection.Length(seconds: seconds, origin: .stated)
        }
        return RunProjection(dag.tasks, lengths: lengths, declared: pools.slots)
    }
}

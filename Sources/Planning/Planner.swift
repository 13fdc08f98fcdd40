import LosslessJSON
public import Migration
public import Schedules
public import Settings

/// Makes pipelines of an inventory and mappings, and judges every entry.
public struct Planner {
    let inventory: Inventory
    let zones: ZoneDatabase
    private let environments: Set<String>
    private let policy: CutoverPolicy
    private let pools: [PoolSettings]
    private let channels: [String: AlertChannelSettings]
    private let aside: SettingAside
    private let judge: EntryJudge
    let timetables: ProvenTimetables
    let router: MessageRouter
    let now: Instant
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
}

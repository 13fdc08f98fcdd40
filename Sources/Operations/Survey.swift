package import Cutover
import Foundation
import Legacy
package import Migration
import Redis
import Schedules
package import Settings
package import Store

/// Everything that can be learnt of all pipelines at once, whatever is missing.
package struct Survey: Sendable {
    package let workspace: Workspace
    package let store: Known<StateStore>
    /// The latest inventory and its plan; nil if there is none.
    package let planned: (inventory: Inventory, plan: Plan)?
    /// The entries of pipelines that have switches, and their sources.
    let groups: [String: (keys: RedBeatKeys, source: SourceSettings)]
    /// Entries whose clock stands and that no switch holds.
    package let lostClocks: [LostClock]
    /// How much each source may forget; none of one that cannot be read.
    let durabilities: [String: PolicyEvidence.Durability]
    /// Sources whose switches could not be read, and why.
    let blind: [String: String]
    /// What could not be read, one sentence each.
    package let unknowns: [String]
    /// Why Bailey's own state or the plan is not known, where something is wrong; that nothing was imported yet is nothing wrong.
    let fault: String?
    /// What mappings say, where there is no plan to say it.
    let mappedPolicies: [String: CutoverPolicy]
    private let index: EvidenceIndex?

    package init(_ workspace: Workspace) async {
        self.workspace = workspace
        store = workspace.knownStore()
        var unknowns: [String] = []
        var fault: String?
        if case .unknown(let why) = store {
            unknowns.append(why)
            fault = why
        }
        var planned: (Inventory, Plan)?
        do {
            if case .known(let store) = store, let inventory = try store.latestInventory() {
                planned = (inventory, try workspace.plan(inventory))
            } else if fault == nil {
                unknowns.append("there is no inventory, so only pipelines with a switch are shown; run bailey import")
            }
        } catch {
            unknowns.append("\(error)")
            fault = "\(error)"
        }
        self.fault = fault
        mappedPolicies = planned == nil ? workspace.mappedPolicies() : [:]
        var groups: [String: (keys: RedBeatKeys, source: SourceSettings)] = [:]
        var blind: [String: String] = [:]
        var durabilities: [String: PolicyEvidence.Durability] = [:]
        for source in workspace.redBeatSources {
            do {
                let search = SwitchSearch(url: try RedisURL(source.url), place: workspace.place(source))
                for (pipeline, keys) in try await search.groups() { groups[pipeline] = (keys, source) }
                durabilities[source.name] = try await RedBeatSwitch.use(
                    try RedisURL(source.url),
                    keys: workspace.place(source).keys([]),
                    patience: 2
                ) { try await $0.durability().evidence }
            } catch {
                blind[source.name] = "\(error)"
                unknowns.append("\(error)")
            }
        }
        lostClocks = await Survey.lostClocks(workspace, store, planned, &unknowns)
        self.planned = planned
        index = planned.map { [store] in EvidenceIndex(workspace, plan: $1, inventory: $0, store: store) }
        self.groups = groups
        self.durabilities = durabilities
        self.blind = blind
        self.unknowns = unknowns
    }

    /// The pipelines of the plan and of the switches, by id; rehearsals are none.
    package var pipelines: [String] {
        Set((planned?.plan.pipelines.map(\.dag.id) ?? []) + groups.keys).filter { !Rehearsing.isCopy($0) }.sorted()
    }

    func plannedPipeline(_ id: String) -> PlannedPipeline? { index?.pipeline(id) }

    /// The switches of a pipeline: of what it took over, else of what it would; nil if it has no RedBeat entries.
    package func keys(_ id: String) throws -> (keys: RedBeatKeys, source: SourceSettings)? {
        if let group = groups[id] { return group }
        guard let planned, let pipeline = plannedPipeline(id),
            let (group, source) = try workspace.redBeatGroup(pipeline.dag, inventory: planned.inventory)
        else { return nil }
        return (group.keys, source)
    }

    /// Where pipelines stand, in the order of their ids.
    ///
    /// - Parameter deployments: what Airflow says of each.
    package func statuses(_ ids: [String], deployments: [String: PolicyEvidence.Deployment]) async -> [PipelineStatus] {
        let switches = await switches(of: ids)
        var statuses: [PipelineStatus] = []
        for id in ids {
            let said = deployments[id] ?? .unknown("nobody asked Airflow")
            statuses.append(await status(id, switches: switches[id], deployment: said))
        }
        return statuses
    }

    /// The switches of pipelines, or why they cannot be told; none for one without RedBeat entries.
    private func switches(of ids: [String]) async -> [String: Result<SwitchStatus, any Error>] {
        var found: [String: Result<SwitchStatus, any Error>] = [:]
        var wanted: [String: [(id: String, keys: RedBeatKeys)]] = [:]
        for id in ids {
            do {
                if let (keys, source) = try keys(id) { wanted[source.name, default: []].append((id, keys)) }
            } catch {
                found[id] = .failure(error)
            }
        }
        for source in workspace.redBeatSources {
            guard let some = wanted[source.name] else { continue }
            do {
                let url = try RedisURL(source.url)
                let read = try await SwitchReading.statuses(of: some.map(\.keys), at: url, claims: 20)
                for ((id, _), status) in zip(some, read) { found[id] = status }
            } catch {
                for (id, _) in some { found[id] = .failure(error) }
            }
        }
        return found
    }

    /// Where a pipeline stands.
    private func status(
        _ id: String,
        switches: Result<SwitchStatus, any Error>?,
        deployment: PolicyEvidence.Deployment
    ) async -> PipelineStatus {
        var result = PipelineStatus(pipeline: id, stage: .planned)
        let pipeline = plannedPipeline(id)
        let now = workspace.surroundings.now()
        var gate = PolicyEvidence.Gate.none
        var durability: PolicyEvidence.Durability?
        var lead: EntryStatus?
        var obstacle: Refusal?
        do {
            if let status = try switches?.get() {
                gate = status.gate(of: id)
                if status.entries.allSatisfy({ $0.state == .legacy }) {
                    let sources = Set(pipeline?.dag.entries.map(\.source) ?? [])
                    durability = durabilities.first { sources.contains($0.key) }?.value
                }
                result.unknowns += disorder(id, status)
                lead = status.entries.first
                result.owner = status.state ?? .closing
            }
        } catch let refusal as Refusal {
            // What cannot be taken over was not: there is no switch of it.
            obstacle = refusal
            result.owner = .legacy
        } catch {
            result.unknowns.append("who owns its ticks: \(error)")
            gate = .unknown("\(error)")
            result.stage = .unknown
        }
        var queueState: SwitchState?
        var share = 100
        var isRetiring = false
        if case .known(let store) = store, let dag = pipeline?.dag {
            for part in workspace.queueParts(dag) {
                do {
                    let report = try await part.rollbackReport(workspace, store)
                    if report.refusals.contains(where: { $0.reason == .retiring }) {
                        isRetiring = true
                        queueState = .airflow
                        continue
                    }
                    if let refusal = report.refusals.first {
                        result.unknowns.append("who takes its jobs: \(refusal)")
                        result.stage = .unknown
                        continue
                    }
                    for standing in report.standings {
                        if let trouble = standing.trouble {
                            result.unknowns.append(
                                "how many jobs of \(standing.type) wait: the table has changed: \(trouble)"
                            )
                        }
                        if standing.state == .legacy, standing.held > 0 {
                            result.unknowns.append(
                                "whose \(standing.held) jobs of \(standing.type) are: they are held although the type is legacy's; bailey rollback \(id) gives them back"
                            )
                        }
                    }
                    let states = Set(report.standings.map(\.state.rawValue))
                    share = min(share, report.standings.filter { $0.state == .airflow }.map(\.share).min() ?? 100)
                    queueState =
                        states.contains("closing") ? .closing : states.contains("airflow") ? .airflow : .legacy
                } catch {
                    result.unknowns.append("who takes its jobs: \(error)")
                    result.stage = .unknown
                }
            }
        }
        if lead == nil, let queueState { result.owner = queueState }
        let record = lead?.record
        var seen: Set<Instant> = []
        let comparisons =
            index?.comparisons(id) ?? Workspace.stored(store) { try $0.comparisons(pipeline: id, limitPerPipeline: 50) }
        for comparison in comparisons.value ?? [] where comparison.legacy != nil {
            if let tick = comparison.key.tick { seen.insert(tick) }
        }
        if let clock = pipeline?.dag.clock, let schedule = clock.schedule {
            let zone = (try? workspace.zones.zone(clock.timezone)) ?? .utc
            let bytes = lead?.state == .airflow ? lead?.kept.meta : lead?.meta
            let ran = ((try? RedBeatBytes.lastRun(bytes, zones: workspace.zones)) ?? nil)?.instant
            let anchor = [record?.lastClaim, ran].compactMap { $0 }.max()
            var due = PipelineStatus.recent(schedule, in: zone, until: now, anchor: anchor)
            if let driver = clock.driver {
                let fires = Workspace.stored(store) { try $0.fires(driver, limit: 8) }.value ?? []
                for fire in fires where fire.run != nil { seen.insert(fire.tick) }
                // The ticks of an interval drift: what was fired is known, and no grid tells it.
                if case .interval(let interval) = schedule, let newest = fires.first {
                    let later = due.filter { $0.microseconds > newest.at.microseconds + interval.microseconds / 2 }
                    due = later + fires.map(\.tick)
                }
            }
            // What legacy's own meta says counts for the tick before it.
            if let ran, let tick = due.filter({ $0 <= ran }).max() { seen.insert(tick) }
            result.nextTick = clock.timetable?.next(after: now, anchor: anchor)
            result.ticks = PipelineStatus.runners(of: due, record: record, seen: seen)
            if result.stage == .unknown { result.ticks = due.map { PipelineStatus.Tick(tick: $0, runner: .unknown) } }
        } else {
            result.ticks = PipelineStatus.runners(of: [], record: record, seen: [])
        }
        if let index, let pipeline {
            let evidence = workspace.evidence(
                pipeline,
                index: index,
                gate: gate,
                deployment: deployment,
                durability: durability
            )
            result.policy = pipeline.policy.evaluate(evidence)
        }
        if let sentence = lost(id) { result.unknowns.append(sentence) }
        place(&result, lead: lead, compared: !(comparisons.value ?? []).isEmpty, gate: gate)
        if lost(id) != nil {
            result.stage = .unknown
            result.waitsFor = "bailey rollback \(id) --execute, which starts legacy's clock again"
        }
        if let obstacle, result.stage != .retired { result.waitsFor = obstacle.description }
        if isRetiring, result.stage == .airflow {
            result.waitsFor =
                "bailey retire \(id) --execute, which finishes what was begun (--undo puts the gate back)"
        } else if lead == nil, result.stage == .airflow {
            result.waitsFor =
                share < 100
                ? "a person: Airflow takes \(share) % of its jobs; bailey cutover \(id) --share 100% --execute gives it all"
                : "clean jobs, then bailey retire \(id)"
        }
        return result
    }

    /// The stage and what it waits for.
    private func place(_ status: inout PipelineStatus, lead: EntryStatus?, compared: Bool, gate: PolicyEvidence.Gate) {
        let id = status.pipeline
        if status.stage == .unknown {
            status.waitsFor = "a legacy system that cannot be read; see bailey doctor"
            return
        }
        let record = lead?.record
        switch status.owner {
        case .closing:
            status.stage = .closing
            status.waitsFor = "the fence; bailey watch, the DAG's gate or bailey cutover settles it"
        case .airflow:
            status.stage = .airflow
            if record?.isRetiring == true {
                status.waitsFor =
                    "bailey retire \(id) --execute, which finishes what was begun (--undo puts the gate back)"
            } else if let lead, lead.isUnparked || lead.isRewritten {
                status.waitsFor = "healing: something restarted legacy's clock; bailey watch or the gate parks it again"
            } else if record?.isOver == true {
                status.waitsFor = "bailey watch, which gives back the window that has ended"
            } else if let left = record?.ticksLeft {
                status.waitsFor = "\(left) more \(left == 1 ? "tick" : "ticks"), then ownership returns by itself"
            } else if let until = record?.until {
                status.waitsFor = "\(until.iso8601), when ownership returns by itself"
            } else {
                status.waitsFor = "clean ticks, then bailey retire \(id)"
            }
        case .legacy, nil:
            let isOfJobs = plannedPipeline(id).map { !workspace.queueParts($0.dag).isEmpty } ?? false
            if record == nil, let index, case .finished(let at)? = index.retirement(id),
                at > index.inventory.readAt || isOfJobs
            {
                // What stands in the schedule's history says nothing of who ran a tick since: no gate is asked any more.
                status.stage = .retired
                status.owner = .airflow
                status.ticks = []
                status.waitsFor =
                    isOfJobs
                    ? "nothing: its DAG takes the jobs by itself"
                    : "nothing; bailey import, once its mapping is deleted, and it is not listed any more"
                return
            }
            let file = workspace.absolute(workspace.settings.airflow.dagsFolder) + "/\(id).py"
            var asked = false
            if case .asked(.some) = gate { asked = true }
            if record?.givenBackAt != nil {
                status.stage = .rolledBack
            } else if status.policy?.holds == true {
                status.stage = .ready
            } else if compared || asked {
                status.stage = .shadowing
            } else if FileManager.default.fileExists(atPath: file) {
                status.stage = .generated
            }
            if let line = status.policy?.waitsFor {
                let when = line.when.map { " (\($0.iso8601))" } ?? ""
                status.waitsFor = "\(line.rule.rawValue): \(line.evidence)\(when)"
            } else if status.policy != nil {
                status.waitsFor = "a person: bailey cutover \(id) --execute"
            } else {
                status.waitsFor = "bailey import, without which nothing can be planned"
            }
        }
    }
}

package import Cutover
import LosslessJSON
package import Migration
import Reports
import Store

/// Moves pipelines to Airflow, or says what that would do.
package struct CuttingOver: Sendable {
    private let workspace: Workspace
    private let store: StateStore
    private let inventory: Inventory
    private let plan: Plan
    /// The pipelines, and what each has on the bridges.
    private let pipelines: [(id: String, crossings: [any Crossing])]
    private let request: CutoverRequest
    private let bridges: [any Bridge]

    /// Looks up what the pipelines have.
    ///
    /// - Throws: `OperationFailure` if there is no such pipeline or nothing to take over, `Refusal` if it cannot be, `StoreError`.
    package init(_ workspace: Workspace, _ names: [String], _ request: CutoverRequest, sharesJobs: Bool) throws {
        self.workspace = workspace
        store = try workspace.store()
        inventory = try workspace.inventory()
        plan = try workspace.plan(inventory)
        self.request = request
        bridges = workspace.bridges(store)
        var found: [(String, [any Crossing])] = []
        for name in names {
            guard let pipeline = plan.pipelines.first(where: { $0.dag.id == name }) else {
                throw Workspace.noPipeline(name, plan.pipelines.map(\.dag.id))
            }
            // A gate asks one switch: what another part of the pipeline runs in legacy would run there too.
            if let why = workspace.unmoved(pipeline.dag, inventory) { throw OperationFailure(.usage, why) }
            let crossings = try workspace.crossings(of: pipeline.dag, inventory, bridges)
            if crossings.isEmpty {
                throw OperationFailure(
                    .usage,
                    "the pipeline \(name) has neither entries nor job types of a source with a bridge, so there is nothing to take over"
                )
            }
            if request.isOfTicks, !crossings.contains(where: { $0.cargo == .ticks }) {
                throw OperationFailure(
                    .usage,
                    "the pipeline \(name) has job types only, so --ticks and --at mean nothing for it"
                )
            }
            found.append((name, crossings))
        }
        if sharesJobs, !found.contains(where: { $0.1.contains { $0.cargo == .jobs } }) {
            throw OperationFailure(.usage, "--share is for pipelines with job types of a queue")
        }
        pipelines = found
    }

    /// All crossings: those of ticks before those of jobs.
    private var crossings: [any Crossing] {
        let all = pipelines.flatMap(\.crossings)
        return all.filter { $0.cargo == .ticks } + all.filter { $0.cargo == .jobs }
    }

    /// What the switches need, one script for each source, for its administrator.
    ///
    /// - Throws: `OperationFailure` if there is none.
    package func scripts() async throws -> [String] {
        var scripts: [String: String] = [:]
        for crossing in crossings where scripts[crossing.source] == nil {
            scripts[crossing.source] = try await crossing.script(.install(roles: request.roles))
        }
        if scripts.isEmpty {
            throw OperationFailure(.usage, "--sql is for pipelines with job types of a queue")
        }
        return scripts.sorted { $0.key < $1.key }.map(\.value)
    }

    /// Looks, and does it if asked to.
    ///
    /// - Parameters:
    ///   - executes: whether to do it.
    ///   - allOrNone: whether what was moved is given back if something else cannot be moved.
    ///   - override: who goes on although the policy refuses.
    /// - Throws: an error of a legacy system, of Bailey's own state, or `Refusal`.
    package func run(executes: Bool, allOrNone: Bool, override: PolicyOverride?) async throws -> OwnershipReport {
        let crossings = crossings
        // Looked at before anything is changed, and again by each operation.
        var previews: [CutoverPreview] = []
        for crossing in crossings { previews.append(try await crossing.preview(request)) }
        var reports = previews.map(\.report)
        let doubled = try await doubled(crossings, &reports)
        let policies = try await policies(crossings, previews, override)
        let permitted = policies.allSatisfy(\.permits)
        if executes, permitted, !allOrNone || reports.allSatisfy(\.holds) {
            for policy in policies { try record(policy) }
            try await perform(crossings, &reports, doubled, allOrNone: allOrNone)
        }
        var document = OwnershipReport(command: "cutover", executed: executes, crossings: reports)
        document.policies = policies
        return document
    }

    /// Pipelines whose name has taken over something else, by the crossing's place: both would be theirs, and their gates ask for one.
    private func doubled(_ crossings: [any Crossing], _ reports: inout [CrossingReport]) async throws -> [Int: Refusal]
    {
        var found: [Int: Refusal] = [:]
        for (index, crossing) in crossings.enumerated() where crossing.cargo == .ticks {
            guard let other = try await workspace.doubles(of: crossing, bridges).first,
                case .ticks(var report) = reports[index]
            else { continue }
            let refusal = Refusal(
                .heldByOthers,
                "\(crossing.pipeline) has also taken over \(other.members.joined(separator: ", ")) in \(other.source), with another mapping than it has now",
                "Run bailey rollback \(crossing.pipeline) first: it gives back all of it"
            )
            found[index] = refusal
            report.preview.checks.append(Check("one group", refusal.found, refusal: refusal))
            reports[index] = .ticks(report)
        }
        return found
    }

    private func policies(
        _ crossings: [any Crossing],
        _ previews: [CutoverPreview],
        _ override: PolicyOverride?
    ) async throws -> [PolicyEvaluation] {
        // What is half done, or done, is completed whatever the policy says.
        let begun = Set(previews.map(\.report).filter(\.isBegun).map(\.pipeline))
        let ids = pipelines.map(\.id)
        let deployments = await workspace.deployments(ids)
        let index = EvidenceIndex(workspace, plan: plan, inventory: inventory, store: .known(store))
        return plan.pipelines.filter { ids.contains($0.dag.id) && !begun.contains($0.dag.id) }.map { pipeline in
            let id = pipeline.dag.id
            let ticks = zip(crossings, previews).first { $0.0.pipeline == id && $0.0.cargo == .ticks }?.1
            let evidence = workspace.evidence(
                pipeline,
                index: index,
                gate: ticks?.gate ?? .none,
                deployment: deployments[id] ?? .unknown("nobody asked Airflow"),
                durability: ticks?.durability
            )
            return pipeline.policy.evaluate(evidence, override: override)
        }
    }

    /// Writes into the journal by what the cutover was allowed, or who overrode what.
    private func record(_ policy: PolicyEvaluation) throws {
        let holder = OperatorLock.Holder.current(token: "", operation: "cutover")
        let journal = Journal(
            store: store,
            pipeline: policy.pipeline,
            operation: "policy",
            token: "",
            by: holder.by,
            now: workspace.surroundings.now
        )
        try journal.write(policy.holds ? .holds : .override, .after, policy.json)
    }

    /// Moves one after the other; the first that cannot be ends it.
    private func perform(
        _ crossings: [any Crossing],
        _ reports: inout [CrossingReport],
        _ doubled: [Int: Refusal],
        allOrNone: Bool
    ) async throws {
        for (index, crossing) in crossings.enumerated() {
            do {
                if let refusal = doubled[index], case .ticks(var report) = reports[index] {
                    (report.outcome, report.refusal) = ("refused", refusal)
                    reports[index] = .ticks(report)
                } else {
                    reports[index] = try await crossing.cutOver(request, reports[index])
                }
            } catch {
                if allOrNone {
                    do { try await undo(crossings[..<index], &reports) } catch let second {
                        workspace.tell(
                            "not everything could be given back (\(second)); bailey status says what Airflow owns"
                        )
                    }
                }
                throw error
            }
            switch reports[index].outcome {
            case "done", "completed", "already": continue
            case "refused" where allOrNone: try await undo(crossings[..<index], &reports)
            default: break
            }
            return
        }
    }

    /// Gives back what this command had taken, the last first.
    private func undo(_ done: ArraySlice<any Crossing>, _ reports: inout [CrossingReport]) async throws {
        for (index, crossing) in done.enumerated().reversed() where reports[index].outcome == "done" {
            reports[index] = try await crossing.rollBack(RollbackRequest(), reports[index])
            if reports[index].outcome == "done" { reports[index].outcome = "given-back" }
        }
    }
}

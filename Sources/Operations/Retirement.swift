import Cutover
import LosslessJSON
package import Migration
import Reports
import Schedules
import Store

/// Takes the bridge away from a pipeline that has proved itself, or says what that would do.
package struct Retirement: Sendable {
    private let workspace: Workspace
    private let pipeline: String
    private let executes: Bool
    private let undoes: Bool
    private let override: PolicyOverride?
    /// Seconds that Airflow may take to come to rest and to read a file.
    private let patience: Double

    /// Makes one; nothing is looked at yet.
    package init(
        _ workspace: Workspace,
        _ pipeline: String,
        executes: Bool,
        undoes: Bool,
        override: PolicyOverride?,
        patience: Double
    ) {
        self.workspace = workspace
        self.pipeline = pipeline
        self.executes = executes
        self.undoes = undoes
        self.override = override
        self.patience = patience
    }

    /// By what an administrator takes the switches of its queues away.
    ///
    /// - Throws: `OperationFailure` if it has none.
    package func scripts() async throws -> [String] {
        let store = try workspace.store()
        let inventory = try workspace.inventory()
        let planned = try workspace.chosen([pipeline], of: workspace.plan(inventory))[0]
        var scripts: [String] = []
        for bridge in workspace.bridges(store) where bridge.cargo == .jobs {
            let crossing = try bridge.crossing(of: planned.dag, in: inventory)
            if let script = try await crossing?.script(.remove) { scripts.append(script) }
        }
        if scripts.isEmpty {
            throw OperationFailure(.usage, "--sql is for pipelines with job types of a queue")
        }
        return scripts
    }

    /// Looks, and does it if asked to.
    ///
    /// - Throws: an error of a legacy system, of Airflow or of Bailey's own state.
    package func run() async throws -> RetireReport {
        let store = try workspace.store()
        let inventory = try workspace.inventory()
        var report = RetireReport(pipeline: pipeline, executed: executes)
        let plan = try workspace.plan(inventory)
        let bridges = workspace.bridges(store)
        let taken = try await workspace.ticks(of: pipeline, bridges).taken
        if case .finished(let at)? = try store.retirement(pipeline: pipeline), taken == nil {
            let known = plan.pipelines.first { $0.dag.id == pipeline }
            let parts = try known.map { try jobs(of: $0, inventory, bridges) } ?? []
            if known == nil || at > inventory.readAt || !parts.isEmpty {
                report.outcome = "already"
                report.archive = try store.archive(pipeline: pipeline)
                report.notes = ["its bridge was taken away at \(at.iso8601)"]
                // What could not be removed then.
                report.queues = try await parts.removals(.remove(executes: executes, isRetired: true))
                return report
            }
        }
        let planned = try workspace.chosen([pipeline], of: plan)[0]
        let parts = try jobs(of: planned, inventory, bridges)
        let driven = try workspace.crossings(of: planned.dag, inventory, bridges).first { $0.cargo == .ticks }
        if let crossing = taken ?? driven {
            let retiring = Retiring(
                workspace: workspace,
                plan: plan,
                inventory: inventory,
                pipeline: planned,
                crossing: crossing,
                jobTypes: parts.flatMap(\.members),
                patience: patience
            )
            try await retire(retiring, store, &report)
        } else if !parts.isEmpty {
            let retiring = try await JobsRetiring(
                workspace,
                plan: plan,
                inventory: inventory,
                pipeline: planned,
                crossings: parts,
                patience: patience
            )
            if retiring.isTaken {
                try await retire(retiring, store, &report)
            } else if undoes {
                report.outcome = "nothing"
                report.notes.append("no retirement of it was begun, so there is nothing to undo")
            } else {
                try await removeSwitches(parts, &report)
            }
        } else {
            throw OperationFailure(
                .usage,
                "the pipeline \(pipeline) has nothing to take away: neither entries nor job types of a source with a bridge"
            )
        }
        return report
    }

    private func retire(
        _ retiring: Retiring,
        _ store: StateStore,
        _ report: inout RetireReport
    ) async throws {
        let (evidence, look) = try await retiring.crossing.retiringTicks(nil) { try await retiring.evidence($0) }
        report.look(retiring, evidence, look, override)
        guard executes else { return }
        do {
            if undoes {
                guard report.isBegun else {
                    report.outcome = "nothing"
                    report.notes.append("no retirement of it was begun, so there is nothing to undo")
                    return
                }
                try await work(retiring, store) { operation, journal in
                    try await retiring.exchange.undo(operation, journal)
                }
                report.outcome = "undone"
                return
            }
            guard report.mayBegin else {
                report.outcome = "refused"
                return
            }
            let (isBegun, policy, waits) = (report.isBegun, report.policy, !report.inCode.isEmpty)
            let isArchived = try isBegun && store.archive(pipeline: pipeline) != nil
            try await work(retiring, store) { operation, journal in
                if let policy { try journal.write(.policy, .after, policy.json) }
                if !isArchived { try await retiring.archive(operation, journal, store) }
                if waits { return }
                try await retiring.removeGate(operation, journal, isMarked: isBegun)
                // A beat may have started with the entry in its code since the first look.
                guard try await operation.inCode().isEmpty else {
                    throw Refusal(
                        .retiring,
                        "a beat has started with an entry of it in its beat_schedule",
                        "Delete it there, restart the beats, then run the command again"
                    )
                }
                try await operation.finish()
            }
            report.outcome = waits ? "waiting" : "done"
            report.archive = try store.archive(pipeline: pipeline)
        } catch let refusal as Refusal {
            report.outcome = "refused"
            report.refusal = refusal
        }
    }

    /// Removes the switches of types that were given back.
    private func removeSwitches(
        _ parts: [any Crossing],
        _ report: inout RetireReport
    ) async throws {
        report.queues = try await parts.removals(.remove(executes: executes, isRetired: false))
        guard executes else { return }
        let isRefused = report.queues.contains { $0.refusal != nil }
        let isRemoved = report.queues.contains(where: \.isRemoved)
        report.outcome = isRefused ? "refused" : isRemoved ? "done" : "nothing"
        if isRemoved { report.notes.append("pause the DAG and delete its file: no job is left to it") }
    }

    /// Takes the bridge of job types away.
    private func retire(
        _ retiring: JobsRetiring,
        _ store: StateStore,
        _ report: inout RetireReport
    ) async throws {
        try await report.look(retiring, override)
        guard executes else { return }
        if undoes, !report.isBegun {
            report.outcome = "nothing"
            report.notes.append("no retirement of it was begun, so there is nothing to undo")
            return
        }
        guard undoes || report.mayBegin else {
            report.outcome = "refused"
            return
        }
        let (isBegun, policy, undo) = (report.isBegun, report.policy, undoes)
        do {
            let isArchived = try isBegun && store.archive(pipeline: pipeline) != nil
            try await retiring.workspace.session(pipeline, "retire", store: store).run { journal in
                if undo { return try await retiring.undo(journal) }
                if let policy { try journal.write(.policy, .after, policy.json) }
                try await retiring.perform(journal, store, isArchived: isArchived)
            }
            report.outcome = undo ? "undone" : "done"
            if undo { return }
            report.archive = try store.archive(pipeline: pipeline)
            report.queues = try await retiring.crossings.removals(.remove(executes: true, isRetired: true))
        } catch let refusal as Refusal {
            report.outcome = "refused"
            // What a queue's switch refuses of it has this one word.
            report.refusal = refusal.place == nil ? refusal : Refusal(.retiring, refusal.found, refusal.advice)
        }
    }

    /// Does something under the pipeline's lock.
    private func work(
        _ retiring: Retiring,
        _ store: StateStore,
        _ body: @escaping @Sendable (any RetiringTicks, Journal) async throws -> Void
    ) async throws {
        try await retiring.workspace.session(pipeline, "retire", store: store).run { journal in
            try await retiring.crossing.retiringTicks(journal) { try await body($0, journal) }
        }
    }

    /// What a pipeline has on bridges of jobs.
    private func jobs(of planned: PlannedPipeline, _ inventory: Inventory, _ bridges: [any Bridge]) throws
        -> [any Crossing]
    {
        try bridges.filter { $0.cargo == .jobs }.compactMap { try $0.crossing(of: planned.dag, in: inventory) }
    }
}

extension Crossing {
    /// Lends what takes the bridge of ticks away.
    ///
    /// - Throws: `OperationFailure` if it stays; an error of the legacy system, or what the work throws.
    fileprivate func retiringTicks<Value>(_ journal: Journal?, _ body: (any RetiringTicks) async throws -> Value)
        async throws -> Value
    {
        let value = try await retiring(journal) { work -> Value? in
            guard case .ticks(let ticks) = work else { return nil }
            return try await body(ticks)
        }
        guard case .some(.some(let value)) = value else {
            throw OperationFailure(.usage, "the bridge of the source \(source) cannot be taken away")
        }
        return value
    }
}

extension [any Crossing] {
    /// What becomes, or became, of the switches that these share with others.
    func removals(_ request: SwitchRemovalRequest) async throws -> [SwitchRemoval] {
        var found: [SwitchRemoval] = []
        for crossing in self { if let one = try await crossing.removeSwitch(request) { found.append(one) } }
        return found
    }
}

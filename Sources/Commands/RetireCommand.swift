import ArgumentParser
import Cutover
import LosslessJSON
import Migration
import Operations
import Reports
import Schedules
import Settings
import Store

struct RetireCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retire",
        abstract:
            "Take the bridge away from a pipeline that has proved itself in Airflow; without --execute, say what would happen.",
        discussion: """
            Proves the policy's clean ticks, or as many clean jobs, keeps the legacy entry's bytes, exchanges the DAG's file for one without a gate,
            waits until Airflow runs that, and removes the entry and its switch. What the application's code still makes is never removed: delete
            it there first. The jobs of job types wait for the DAG from then on, as they were, and the switch goes with the queue's last type that needs
            it; also that of a queue which was given back. May be broken off and repeated.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Do it.")
    var execute = false

    @Flag(
        help:
            "Put the gate back where a retirement was begun and not finished, so that the pipeline can be rolled back."
    )
    var undo = false

    @Option(
        help: ArgumentHelp("How long Airflow may take to come to rest and to read a file: 60s, 10m.", valueName: "time")
    )
    var wait = "6m"

    @Flag(help: "Print the SQL that takes a queue's switch away, for its administrator, and do nothing.")
    var sql = false

    @OptionGroup var override: OverrideOptions

    @Argument(help: "The pipeline.")
    var pipeline: String

    func validate() throws {
        guard YAMLFields.seconds(wait) != nil else { throw ValidationError("--wait is “\(wait)”; write 60s or 10m.") }
    }

    func run() async throws {
        let override = try override.decision()
        let workspace = try Workspace(common)
        let store = try workspace.store()
        let inventory = try workspace.inventory()
        var report = RetireReport(pipeline: pipeline, executed: execute)
        let plan = try workspace.plan(inventory)
        let taken = try await workspace.takenEntries(pipeline, store: store)
        let stage = try store.retirement(pipeline: pipeline)
        if case .finished(let at)? = stage, taken == nil, !sql {
            let known = plan.pipelines.first { $0.dag.id == pipeline }
            let parts = known.map { workspace.queueParts($0.dag) } ?? []
            if known == nil || at > inventory.readAt || !parts.isEmpty {
                report.outcome = "already"
                report.archive = try store.archive(pipeline: pipeline)
                report.notes = ["its bridge was taken away at \(at.iso8601)"]
                // What could not be removed then.
                for part in parts {
                    report.queues.append(
                        try await part.removeSwitch(workspace, store, execute: execute, isRetired: true)
                    )
                }
                return finish(report)
            }
        }
        let planned = try workspace.chosen([pipeline], of: plan)[0]
        let parts = workspace.queueParts(planned.dag)
        if sql {
            if parts.isEmpty { throw OperationFailure(.usage, "--sql is for pipelines with job types of a queue") }
            for part in parts { Console.print(text: try await QueueSwitch(workspace.queue(part.source)).removal) }
            return
        }
        let driven = try workspace.redBeatGroup(planned.dag, inventory: inventory)
        if let (keys, source) = taken ?? driven.map({ ($0.group.keys, $0.source) }) {
            let retiring = Retiring(
                workspace: workspace,
                plan: plan,
                inventory: inventory,
                pipeline: planned,
                source: source,
                keys: keys,
                patience: YAMLFields.seconds(wait) ?? 360
            )
            try await retire(retiring, override, store, &report)
        } else if !parts.isEmpty {
            let retiring = try await QueueRetiring(
                workspace,
                plan: plan,
                inventory: inventory,
                pipeline: planned,
                stage: stage,
                patience: YAMLFields.seconds(wait) ?? 360
            )
            if retiring.isTaken {
                try await retire(retiring, override, store, &report)
            } else if undo {
                report.outcome = "nothing"
                report.notes.append("no retirement of it was begun, so there is nothing to undo")
            } else {
                try await removeSwitches(parts, workspace, store, &report)
            }
        } else {
            throw OperationFailure(
                .usage,
                "the pipeline \(pipeline) has nothing to take away: neither RedBeat entries nor job types"
            )
        }
        finish(report)
        if !report.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }

    private func finish(_ report: RetireReport) {
        if common.json { Console.print(report.json) } else { Console.print(report.lines) }
    }

    private func retire(
        _ retiring: Retiring,
        _ override: PolicyOverride?,
        _ store: StateStore,
        _ report: inout RetireReport
    ) async throws {
        let workspace = retiring.workspace
        let (evidence, status) = try await workspace.withEngine(
            retiring.source,
            keys: retiring.keys,
            journal: workspace.previewJournal(pipeline, store: store)
        ) { try await retiring.evidence($0) }
        report.look(retiring, evidence, status, override)
        guard execute else { return }
        do {
            if undo {
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
                guard try await operation.inCode(prefix: retiring.source.prefix).isEmpty else {
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
        _ parts: [QueuePart],
        _ workspace: Workspace,
        _ store: StateStore,
        _ report: inout RetireReport
    ) async throws {
        for part in parts { report.queues.append(try await part.removeSwitch(workspace, store, execute: execute)) }
        guard execute else { return }
        let isRefused = report.queues.contains { $0.refusal != nil }
        let isRemoved = report.queues.contains(where: \.isRemoved)
        report.outcome = isRefused ? "refused" : isRemoved ? "done" : "nothing"
        if isRemoved { report.notes.append("pause the DAG and delete its file: no job is left to it") }
    }

    /// Takes the bridge of job types away.
    private func retire(
        _ retiring: QueueRetiring,
        _ override: PolicyOverride?,
        _ store: StateStore,
        _ report: inout RetireReport
    ) async throws {
        try await report.look(retiring, override)
        guard execute else { return }
        if undo, !report.isBegun {
            report.outcome = "nothing"
            report.notes.append("no retirement of it was begun, so there is nothing to undo")
            return
        }
        guard undo || report.mayBegin else {
            report.outcome = "refused"
            return
        }
        let (isBegun, policy, undo) = (report.isBegun, report.policy, undo)
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
            report.queues = []
            for part in retiring.bridge.parts {
                report.queues.append(
                    try await part.part.removeSwitch(retiring.workspace, store, execute: true, isRetired: true)
                )
            }
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
        _ body: @escaping @Sendable (RetireOperation, Journal) async throws -> Void
    ) async throws {
        try await retiring.workspace.session(pipeline, "retire", store: store).run { journal in
            try await retiring.workspace.withEngine(retiring.source, keys: retiring.keys, journal: journal) {
                try await body(RetireOperation(engine: $0), journal)
            }
        }
    }
}

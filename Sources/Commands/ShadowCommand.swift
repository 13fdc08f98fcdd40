import Airflow
import ArgumentParser
import LosslessJSON
import Migration
import Operations
import Settings
import Shadow
import Store

struct ShadowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shadow",
        abstract: "Run pipelines in shadow beside the legacy system and compare outcomes.",
        discussion: """
            --from-history takes the runs that legacy has recorded; --for watches the legacy system and shadows each run as it ends.
            Legacy systems are only read. A body runs only where a mapping declares it pure or gives it connections of its own.
            """
    )

    enum Engine: String, ExpressibleByArgument, CaseIterable {
        case embedded, airflow
    }

    @OptionGroup var common: CommonOptions

    @Flag(help: "Shadow the runs that legacy has recorded.")
    var fromHistory = false

    @Option(name: .customLong("for"), help: ArgumentHelp("Watch for so long: 60s, 15m, 2h.", valueName: "time"))
    var duration: String?

    @Option(help: "Where shadow runs run: embedded (on this machine) or airflow (the deployed DAGs).")
    var engine = Engine.embedded

    @Option(
        help: ArgumentHelp("With --engine airflow, how long one run may take, its waiting included.", valueName: "time")
    )
    var wait = "10m"

    @Option(help: "The most recorded runs per entry.")
    var limit = 50

    @Argument(help: "The pipelines; all if none is named.")
    var pipelines: [String] = []

    func validate() throws {
        guard fromHistory != (duration != nil) else {
            throw ValidationError("Say either --from-history or --for TIME.")
        }
        if let duration, YAMLFields.seconds(duration) == nil {
            throw ValidationError("--for is “\(duration)”; write 60s, 15m or 2h.")
        }
        guard YAMLFields.seconds(wait) != nil else {
            throw ValidationError("--wait is “\(wait)”; write 60s or 10m.")
        }
        guard limit > 0 else { throw ValidationError("--limit must be 1 or more.") }
    }

    func run() async throws {
        let workspace = try Workspace(common)
        let inventory = try workspace.inventory()
        let plan = try workspace.plan(inventory)
        let chosen = try workspace.unblocked(pipelines, of: plan).map(\.dag)
        let losses: [String]
        do { losses = try await shadow(chosen, plan.pools, workspace, inventory) } catch {
            // A policy must know that what was not compared may have differed.
            if !(error is CancellationError) { note(.brokenOff, "\(error)", chosen, workspace) }
            throw error
        }
        note(.ended, nil, chosen, workspace)
        // What was not seen may have differed.
        if !losses.isEmpty { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }

    /// Writes into the pipelines' journals how shadowing ended: each time that it broke off, and the first time after that that it did not.
    private func note(_ step: JournalStep, _ why: String?, _ pipelines: [DAGDefinition], _ workspace: Workspace) {
        guard let store = try? workspace.store() else { return }
        for pipeline in pipelines {
            let last = (try? store.journal(pipeline: pipeline.id, operation: "shadow", limit: 1))?.last
            guard why != nil || last?.step == .brokenOff else { continue }
            let holder = OperatorLock.Holder.current(token: "", operation: "shadow")
            let journal = Journal(
                store: store,
                pipeline: pipeline.id,
                operation: "shadow",
                token: "",
                by: holder.by,
                now: currentInstant
            )
            // That it cannot be written does not hide how shadowing ended.
            try? journal.write(step, .after, ["why": why.map { .string($0) } ?? .null])
        }
    }

    /// - Returns: what was lost, a line each.
    private func shadow(
        _ chosen: [DAGDefinition],
        _ pools: [Pool],
        _ workspace: Workspace,
        _ inventory: Inventory
    ) async throws -> [String] {
        switch engine {
        case .embedded:
            let engine = EmbeddedShadow(workspace.engine(pools: pools), zones: workspace.zones)
            let shadowing = try Shadowing(workspace, pipelines: chosen, inventory: inventory, engine: engine)
            try await run(shadowing)
            return try print(shadowing)
        case .airflow:
            let shadowed = chosen.filter { !$0.entries.isEmpty }
            return try await workspace.withAirflow("shadow --engine airflow") { client in
                let engine = try await AirflowShadow(
                    client: client,
                    pipelines: shadowed,
                    way: fromHistory ? .history : .live,
                    limit: YAMLFields.seconds(wait) ?? 600
                )
                let began = currentInstant()
                let shadowing = try Shadowing(workspace, pipelines: shadowed, inventory: inventory, engine: engine)
                try await run(shadowing)
                if !fromHistory { try await shadowing.addUnpaired(engine, began: began) }
                return try print(shadowing)
            }
        }
    }

    private func run(_ shadowing: Shadowing) async throws {
        if fromHistory {
            let tally = shadowing.tally
            try await withProgress({ tally.line }, tell: Console.note) { try await shadowing.replay(limit: limit) }
        } else {
            try await shadowing.watch(seconds: duration.flatMap(YAMLFields.seconds) ?? 60)
        }
    }

    /// Prints what was compared, and gives what was lost.
    private func print(_ shadowing: Shadowing) throws -> [String] {
        let losses = try shadowing.losses(isLive: !fromHistory)
        let coverage = try shadowing.coverage()
        if common.json {
            Console.print([
                "bailey": "shadow", "version": 1, "verdicts": shadowing.tally.json,
                "coverage": .array(coverage.map(\.json)),
                "older": .array(
                    shadowing.older.map {
                        ["entry": .string($0.entry.description), "runs": .number(JSONNumber($0.runs))]
                    }
                ),
                "losses": .array(losses.map { .string($0) }),
            ])
        } else {
            Console.print(line: "compared: \(shadowing.tally.line)")
            for part in coverage where part.fired > 0 || part.notScheduled > 0 {
                Console.print(line: "  \(part.entry): \(part.text)")
            }
            for (entry, runs) in shadowing.older {
                Console.print(line: "  \(entry): \(runs) older runs are recorded and were left out (--limit \(limit))")
            }
            for line in losses { Console.print(line: "  lost: \(line)") }
        }
        return losses
    }
}

import Airflow
import ArgumentParser
import Legacy
import LosslessJSON
import Migration
import Operations
import Schedules
import Settings
import Shadow
import Store
import Synchronization

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
        guard plan.holds else {
            throw OperationFailure(.doesNotHold, "the plan has findings of error severity; see bailey plan")
        }
        let chosen = try workspace.chosen(pipelines, of: plan).map(\.dag)
        do { try await shadow(chosen, workspace, inventory) } catch {
            // A policy must know that what was not compared may have differed.
            if !(error is CancellationError) { note(ShadowEnd.brokenOff, "\(error)", chosen, workspace) }
            throw error
        }
        note(ShadowEnd.ended, nil, chosen, workspace)
    }

    /// Writes into the pipelines' journals how shadowing ended: each time that it broke off, and the first time after that that it did not.
    private func note(_ step: String, _ why: String?, _ pipelines: [DAGDefinition], _ workspace: Workspace) {
        guard let store = try? workspace.store() else { return }
        for pipeline in pipelines {
            let last = (try? store.journal(pipeline: pipeline.id, operation: "shadow", limit: 1))?.last
            guard why != nil || last?.step == ShadowEnd.brokenOff else { continue }
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

    private func shadow(_ chosen: [DAGDefinition], _ workspace: Workspace, _ inventory: Inventory) async throws {
        switch engine {
        case .embedded:
            let session = ShadowSession(pipelines: chosen, engine: EmbeddedShadow(workspace.engine()))
            try await compare(session, workspace, inventory).print(json: common.json)
        case .airflow:
            let shadowed = chosen.filter { !$0.entries.isEmpty }
            let tally = try await workspace.withAirflow("shadow --engine airflow") { client in
                let engine = try await AirflowShadow(
                    client: client,
                    pipelines: shadowed,
                    way: fromHistory ? .history : .live,
                    limit: YAMLFields.seconds(wait) ?? 600
                )
                let began = currentInstant()
                let tally = try await compare(ShadowSession(pipelines: shadowed, engine: engine), workspace, inventory)
                if !fromHistory { try await addUnpaired(shadowed, engine, began, workspace, tally) }
                return tally
            }
            tally.print(json: common.json)
        }
    }

    /// Ticks that Airflow ran in shadow and legacy was not seen to run. Those of the last minute may yet be under way in legacy.
    private func addUnpaired(
        _ pipelines: [DAGDefinition],
        _ engine: AirflowShadow,
        _ began: Instant,
        _ workspace: Workspace,
        _ tally: Tally
    ) async throws {
        let until = currentInstant().adding(seconds: -60)
        guard began < until else { return }
        for pipeline in pipelines {
            // The runs of an interval carry no tick on legacy's side, so that none can be missed.
            guard let driver = pipeline.clock.driver, case .crontab? = pipeline.clock.schedule else { continue }
            let seen = tally.ticks(of: driver)
            let found = try await engine.unpaired(pipeline, ticks: began..<until, seen: seen)
            try workspace.store().save(found, at: currentInstant())
            for comparison in found { tally.add(comparison) }
        }
    }

    private func compare(_ session: ShadowSession, _ workspace: Workspace, _ inventory: Inventory) async throws -> Tally
    {
        let store = try workspace.store()
        let tally = Tally()
        let shadow: @Sendable (Outcome) async throws -> Void = { outcome in
            guard let comparison = try await session.shadow(outcome) else { return }
            try store.save([comparison], at: currentInstant())
            tally.add(comparison)
        }
        var watched: [(settings: SourceSettings, runs: any LegacyRuns)] = []
        for settings in workspace.settings.sources {
            let entries = inventory.entries.filter { $0.id.source == settings.name && session.covers($0.id) }
            if !entries.isEmpty { watched.append((settings, try workspace.runs(settings, entries: entries))) }
        }
        guard !watched.isEmpty else {
            throw OperationFailure(.usage, "none of the pipelines stands for an entry that legacy runs")
        }
        if fromHistory {
            try await withProgress({ tally.line }, tell: Console.note) { try await replay(watched, shadow, tally) }
        } else {
            try await watch(watched, seconds: duration.flatMap(YAMLFields.seconds) ?? 60, shadow, tally)
        }
        return tally
    }

    private func replay(
        _ watched: [(settings: SourceSettings, runs: any LegacyRuns)],
        _ shadow: @escaping @Sendable (Outcome) async throws -> Void,
        _ tally: Tally
    ) async throws {
        for (settings, runs) in watched {
            let recorded = try await runs.recorded(limit: limit)
            Console.note("\(settings.name): \(recorded.outcomes.count) recorded runs to shadow")
            for (reason, count) in recorded.unattributed.sorted(by: { $0.key < $1.key }) {
                Console.note("  \(count) records left out: \(reason)")
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                var running = 0
                for outcome in recorded.outcomes {
                    // A few more than the engine runs at once, so that it is never idle and no queue grows.
                    if running >= 16 {
                        try await group.next()
                        running -= 1
                    }
                    group.addTask { try await shadow(outcome) }
                    running += 1
                }
                try await group.waitForAll()
            }
        }
    }

    private func watch(
        _ watched: [(settings: SourceSettings, runs: any LegacyRuns)],
        seconds: Double,
        _ shadow: @escaping @Sendable (Outcome) async throws -> Void,
        _ tally: Tally
    ) async throws {
        try await withThrowingDiscardingTaskGroup { shadows in
            let (outcomes, feed) = AsyncStream.makeStream(of: Outcome.self)
            shadows.addTask {
                defer { feed.finish() }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for (settings, runs) in watched {
                        group.addTask {
                            try await runs.watch(
                                ready: { Console.note("watching \(settings.name)") },
                                handle: { feed.yield($0) }
                            )
                        }
                    }
                    group.addTask {
                        for elapsed in stride(from: 0.0, to: seconds, by: 5) {
                            try await Task.sleep(for: .seconds(min(5, seconds - elapsed)))
                            Console.note("  \(Int(min(seconds, elapsed + 5))) of \(Int(seconds)) s: \(tally.line)")
                        }
                    }
                    // The clock ends the watching; so does an error of a watcher.
                    try await group.next()
                    group.cancelAll()
                    while let rest = await group.nextResult() {
                        if case .failure(let error) = rest, !(error is CancellationError) { throw error }
                    }
                }
            }
            for await outcome in outcomes { shadows.addTask { try await shadow(outcome) } }
        }
    }
}

/// Counts verdicts as they come.
final class Tally: Sendable {
    private let counts = Mutex<[Comparison.Verdict: Int]>([:])
    private let ticks = Mutex<[EntryID: Set<Instant>]>([:])

    func add(_ comparison: Comparison) {
        counts.withLock { $0[comparison.verdict, default: 0] += 1 }
        if let tick = comparison.key.tick { ticks.withLock { _ = $0[comparison.key.entry, default: []].insert(tick) } }
    }

    /// The ticks of an entry that were compared.
    func ticks(of entry: EntryID) -> Set<Instant> { ticks.withLock { $0[entry] ?? [] } }

    var line: String {
        counts.withLock { counts in
            Comparison.Verdict.allCases.map { "\(counts[$0] ?? 0) \($0.rawValue)" }.joined(separator: ", ")
        }
    }

    func print(json: Bool) {
        if json {
            let members = counts.withLock { counts in
                Comparison.Verdict.allCases.map { ($0.rawValue, JSON.number(JSONNumber(counts[$0] ?? 0))) }
            }
            Console.print(["bailey": "shadow", "version": 1, "verdicts": .object(JSONObject(members))])
        } else {
            Console.print(line: "compared: \(line)")
        }
    }
}

import ArgumentParser
import Cutover
import LosslessJSON
import Migration
import Operations
import Reports
import Schedules
import Settings
import Store

struct CutoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cutover",
        abstract: "Move pipelines' ticks and jobs from legacy to Airflow; without --execute, say what would happen.",
        discussion: """
            Several pipelines are cut over one after another; the first that cannot be ends the command. With --all-or-none those already done
            are given back then. A cutover that was broken off is completed. Ends with status 1 if anything refuses.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Do it.")
    var execute = false

    @Option(help: "Let Airflow own so many ticks; then ownership returns by itself.")
    var ticks: Int?

    @Option(
        help: ArgumentHelp(
            "Let Airflow's window begin at an instant, such as 2026-12-01T02:00:00Z; the command waits until then.",
            valueName: "time"
        )
    )
    var at: String?

    @Option(
        help: ArgumentHelp(
            "Seconds to wait for a moment at which nothing is due; two of beat's longest loops and a minute if left out.",
            valueName: "seconds"
        )
    )
    var patience: Double?

    @Option(
        help: ArgumentHelp(
            "Which of several installations of Airflow that have the DAG is to run the ticks; `bailey status PIPELINE` names them.",
            valueName: "name"
        )
    )
    var installation: String?

    @Flag(help: "If one pipeline cannot be cut over, give back those that were.")
    var allOrNone = false

    @OptionGroup var override: OverrideOptions

    @Option(help: ArgumentHelp("Wait until so many ticks were claimed, and show them.", valueName: "number"))
    var claims = 0

    @Option(
        help: ArgumentHelp(
            "Let Airflow take so many percent of the jobs of queues, by a stable hash of their ids; 100 if left out.",
            valueName: "percent"
        )
    )
    var share: String?

    @Option(
        help: ArgumentHelp(
            "Seconds to wait until legacy's workers have let go of a queue's jobs.",
            valueName: "seconds"
        )
    )
    var drain = 600.0

    @Option(
        help: ArgumentHelp("Let this database user take jobs, such as Airflow's; may be repeated.", valueName: "user")
    )
    var grant: [String] = []

    @Flag(help: "Print the SQL that a queue's switch needs, for its administrator, and do nothing.")
    var sql = false

    @Argument(help: "The pipelines.")
    var pipelines: [String]

    private var percent: Int? {
        guard let share else { return 100 }
        return Int(share.hasSuffix("%") ? String(share.dropLast()) : share).flatMap {
            (0...100).contains($0) ? $0 : nil
        }
    }

    func validate() throws {
        if let ticks, ticks < 1 { throw ValidationError("--ticks must be 1 or more") }
        if percent == nil { throw ValidationError("--share must be a whole number of percent from 0 to 100") }
        if claims < 0 { throw ValidationError("--claims must not be negative") }
        if let at, Instant(iso8601: at) == nil {
            throw ValidationError("--at \(at) is no instant; write it with its offset, such as 2026-12-01T02:00:00Z")
        }
        if Set(pipelines).count != pipelines.count { throw ValidationError("a pipeline is named twice") }
    }

    func run() async throws {
        let override = try override.decision()
        let workspace = execute ? await (try Workspace(common)).askingWorkers() : try Workspace(common)
        let store = try workspace.store()
        let inventory = try workspace.inventory()
        let plan = try workspace.plan(inventory)
        let request = CutoverOperation.Request(
            ticks: ticks,
            at: at.flatMap { Instant(iso8601: $0) },
            patience: patience,
            installation: installation
        )
        if let at = request.at, at < currentInstant() {
            throw OperationFailure(.usage, "--at \(at.iso8601) has passed")
        }
        var works: [Work] = []
        var parts: [QueuePart] = []
        for name in pipelines {
            guard let pipeline = plan.pipelines.first(where: { $0.dag.id == name }) else {
                let known = plan.pipelines.map(\.dag.id).joined(separator: ", ")
                throw OperationFailure(.usage, "there is no pipeline “\(name)”; known are \(known)")
            }
            let own = workspace.queueParts(pipeline.dag)
            parts += own
            if let work = try work(pipeline, workspace, inventory, jobs: !own.isEmpty) { works.append(work) }
        }
        if sql { return try await printSQL(parts, workspace) }
        if share != nil, parts.isEmpty {
            throw OperationFailure(.usage, "--share is for pipelines with job types of a queue")
        }
        let share = percent ?? 100
        // Looked at before anything is changed, and again by each operation.
        var reports: [PipelineReport] = []
        var gates: [String: PolicyEvidence.Gate] = [:]
        var durabilities: [String: PolicyEvidence.Durability] = [:]
        for work in works {
            let (preview, gate, durability) = try await work.preview(workspace, store, request)
            gates[work.group.pipeline] = gate
            durabilities[work.group.pipeline] = durability
            reports.append(PipelineReport(preview: preview))
        }
        var queues: [QueueReport] = []
        for part in parts { queues.append(try await part.cutoverReport(workspace, store, share: share)) }
        // What is half done, or done, is completed whatever the policy says.
        let begun = Set(
            reports.filter { !$0.preview.entries.allSatisfy { $0.state == .legacy } }.map(\.preview.pipeline)
                + queues.filter { !$0.standings.allSatisfy { $0.state == .legacy } }.map(\.pipeline)
        )
        let deployments = await workspace.deployments(pipelines)
        let index = EvidenceIndex(workspace, plan: plan, inventory: inventory, store: .known(store))
        let policies = plan.pipelines.filter { pipelines.contains($0.dag.id) && !begun.contains($0.dag.id) }
            .map { pipeline in
                let evidence = workspace.evidence(
                    pipeline,
                    index: index,
                    gate: gates[pipeline.dag.id] ?? .none,
                    deployment: deployments[pipeline.dag.id] ?? .unknown("nobody asked Airflow"),
                    durability: durabilities[pipeline.dag.id]
                )
                return pipeline.policy.evaluate(evidence, override: override)
            }
        let permitted = policies.allSatisfy(\.permits)
        let all = reports.allSatisfy(\.preview.holds) && queues.allSatisfy { $0.refusals.isEmpty } && permitted
        if execute, all || !allOrNone, permitted {
            for policy in policies { try record(policy, store) }
            try await perform(works, &reports, workspace, store, request)
            if reports.allSatisfy({ $0.refusal == nil }) {
                try await perform(parts, &queues, works, &reports, workspace, store, share: share)
            }
            for (index, work) in works.enumerated() where reports[index].outcome != nil {
                reports[index].preview.entries = try await work.preview(workspace, store, request).0.entries
            }
        }
        var document = OwnershipReport(command: "cutover", executed: execute, pipelines: reports, queues: queues)
        document.policies = policies
        if common.json { Console.print(document.json) } else { Console.print(document.lines(zones: workspace.zones)) }
        if !document.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }

    /// One pipeline's RedBeat entries.
    struct Work: Sendable {
        let group: RedBeatGroup
        let source: SourceSettings

        /// What would be done, and what the switch knows of the gate.
        func preview(_ workspace: Workspace, _ store: StateStore, _ request: CutoverOperation.Request) async throws
            -> (OwnershipPreview, PolicyEvidence.Gate, PolicyEvidence.Durability)
        {
            let journal = Journal(
                store: store,
                pipeline: group.pipeline,
                operation: "preview",
                token: "",
                by: "",
                now: currentInstant
            )
            return try await workspace.withEngine(source, keys: group.keys, journal: journal) { engine in
                let preview = try await CutoverOperation(engine: engine, group: group, request: request).preview()
                let gate =
                    preview.entries.isEmpty
                    ? .unknown("the switch cannot be asked")
                    : try await engine.redbeat.status().gate(of: group.pipeline)
                return (preview, gate, try await engine.redbeat.durability().evidence)
            }
        }
    }

    /// Writes into the journal by what the cutover was allowed, or who overrode what.
    private func record(_ policy: PolicyEvaluation, _ store: StateStore) throws {
        let holder = OperatorLock.Holder.current(token: "", operation: "cutover")
        let journal = Journal(
            store: store,
            pipeline: policy.pipeline,
            operation: "policy",
            token: "",
            by: holder.by,
            now: currentInstant
        )
        try journal.write(policy.holds ? .holds : .override, .after, policy.json)
    }

    private func work(_ pipeline: PlannedPipeline, _ workspace: Workspace, _ inventory: Inventory, jobs: Bool) throws
        -> Work?
    {
        guard let (group, source) = try workspace.redBeatGroup(pipeline.dag, inventory: inventory) else {
            if jobs, ticks == nil, at == nil { return nil }
            throw OperationFailure(
                .usage,
                jobs
                    ? "the pipeline \(pipeline.dag.id) has job types only, so --ticks and --at mean nothing for it"
                    : "the pipeline \(pipeline.dag.id) has neither RedBeat entries nor job types, so there is nothing to take over"
            )
        }
        return Work(group: group, source: source)
    }

    private func perform(
        _ works: [Work],
        _ reports: inout [PipelineReport],
        _ workspace: Workspace,
        _ store: StateStore,
        _ request: CutoverOperation.Request
    ) async throws {
        var done: [Int] = []
        for (index, work) in works.enumerated() {
            do {
                let stopwatch = Stopwatch(name: work.group.pipeline, tell: Console.note)
                let outcome = try await cutOver(work, workspace, store, request, stopwatch)
                reports[index].outcome = outcome.word
                reports[index].from = outcome.from
                reports[index].seconds = stopwatch.seconds
                if case .done = outcome { done.append(index) }
                if case .givenBackByOthers = outcome { break }
            } catch {
                guard let refusal = error as? Refusal else {
                    if allOrNone { try? await undo(done, works, &reports, workspace, store) }
                    throw error
                }
                reports[index].outcome = "refused"
                reports[index].refusal = refusal
                if allOrNone { try await undo(done, works, &reports, workspace, store) }
                return
            }
        }
    }

    /// The job types, after all entries; the first that cannot be moved ends it.
    private func perform(
        _ parts: [QueuePart],
        _ queues: inout [QueueReport],
        _ works: [Work],
        _ reports: inout [PipelineReport],
        _ workspace: Workspace,
        _ store: StateStore,
        share: Int
    ) async throws {
        for (index, part) in parts.enumerated() {
            try await part.cutOver(workspace, store, share: share, roles: grant, limit: drain, &queues[index])
            if queues[index].outcome == "done" { continue }
            guard allOrNone else { return }
            for done in queues.indices where queues[done].outcome == "done" {
                try await parts[done].rollBack(workspace, store, deadRuns: [], &queues[done])
                queues[done].outcome = "given-back"
            }
            try await undo(reports.indices.filter { reports[$0].outcome == "done" }, works, &reports, workspace, store)
            return
        }
    }

    private func printSQL(_ parts: [QueuePart], _ workspace: Workspace) async throws {
        if parts.isEmpty { throw OperationFailure(.usage, "--sql is for pipelines with job types of a queue") }
        for source in Set(parts.map(\.source.name)).sorted() {
            guard let part = parts.first(where: { $0.source.name == source }) else { continue }
            let queue = try await QueueSwitch(workspace.queue(part.source))
            let roles = grant + [try await queue.user()]
            Console.print(text: queue.script(roles: roles))
        }
    }

    private func cutOver(
        _ work: Work,
        _ workspace: Workspace,
        _ store: StateStore,
        _ request: CutoverOperation.Request,
        _ stopwatch: Stopwatch
    ) async throws -> CutoverOperation.Outcome {
        let claims = claims
        return try await workspace.session(work.group.pipeline, "cutover", store: store).run { journal in
            let tell: @Sendable (CutoverProgress) -> Void = { stopwatch.note($0) }
            return try await workspace.withEngine(work.source, keys: work.group.keys, journal: journal, tell: tell) {
                engine in
                try await engine.mendForgotten(try store.journaledOwnership(work.group.pipeline))
                let outcome = try await CutoverOperation(engine: engine, group: work.group, request: request).run()
                if let from = outcome.from, claims > 0 { try await engine.firstClaims(claims, from: from) }
                return outcome
            }
        }
    }

    /// Gives back what this command had taken.
    private func undo(
        _ done: [Int],
        _ works: [Work],
        _ reports: inout [PipelineReport],
        _ workspace: Workspace,
        _ store: StateStore
    ) async throws {
        for index in done.reversed() {
            let work = works[index]
            let stopwatch = Stopwatch(name: work.group.pipeline, tell: Console.note)
            _ = try await workspace.session(work.group.pipeline, "rollback", store: store).run { journal in
                let tell: @Sendable (CutoverProgress) -> Void = { stopwatch.note($0) }
                return try await workspace.withEngine(work.source, keys: work.group.keys, journal: journal, tell: tell)
                {
                    try await RollbackOperation(engine: $0).run()
                }
            }
            reports[index].outcome = "given-back"
        }
    }
}

extension CutoverOperation.Outcome {
    fileprivate var word: String {
        switch self {
        case .done: "done"
        case .completed: "completed"
        case .already: "already"
        case .givenBackByOthers: "given-back-by-others"
        }
    }

    fileprivate var from: Instant? {
        switch self {
        case .done(let from), .completed(let from), .already(let from): from
        case .givenBackByOthers: nil
        }
    }
}

import ArgumentParser
import Cutover
import LosslessJSON
import Migration
import Operations
import Schedules
import Settings
import Store

struct RollbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback",
        abstract: "Give pipelines' ticks and jobs back to legacy; without --execute, say what would happen.",
        discussion: """
            Needs the legacy system alone: neither Airflow, nor Bailey's own state, nor the mappings. Undoes a cutover that was broken off.
            Ticks and jobs that a run of the DAG has claimed stay that run's; all others are legacy's again.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Do it.")
    var execute = false

    @Flag(help: "Write an entry anew that the application has deleted meanwhile.")
    var recreate = false

    @Flag(help: "Print SQL by which a queue's administrator gives the jobs back, and do nothing.")
    var sql = false

    @Option(
        help: ArgumentHelp(
            "A run that is dead, as <dag id>/<run id>: the jobs that it took are given back too; may be repeated.",
            valueName: "run"
        )
    )
    var returnClaims: [String] = []

    @Argument(help: "The pipelines.")
    var pipelines: [String]

    func run() async throws {
        let workspace = try Workspace(common)
        let store = try workspace.storeOrSubstitute()
        var reports: [PipelineReport] = []
        var queues: [QueueReport] = []
        for pipeline in pipelines {
            let (parts, unasked) = try await workspace.takenParts(pipeline)
            for error in unasked { Console.note("\(pipeline): job types of this queue are not given back: \(error)") }
            if sql {
                for part in parts {
                    Console.print(line: try await QueueSwitch(workspace.queue(part.source)).freeing(part.types))
                }
                if parts.isEmpty {
                    throw OperationFailure(.usage, "\(pipeline) has taken no job types of a queue that could be asked")
                }
                continue
            }
            for part in parts {
                var report = try await part.rollbackReport(workspace, store)
                if execute { try await part.rollBack(workspace, store, deadRuns: returnClaims, &report) }
                queues.append(report)
            }
            let taken = try await workspace.takenEntries(pipeline, store: store)
            let lost = try await workspace.lostEntries(of: pipeline, store: store, taken: taken)
            guard let (keys, source) = taken else {
                if let lost {
                    reports.append(try await restore(pipeline, lost, workspace, store))
                    continue
                }
                // That there is no switch is not known of a queue that could not be asked.
                if parts.isEmpty, let error = unasked.first { throw error }
                // Nor is it nothing where jobs are held that no switch knows.
                if parts.isEmpty {
                    for source in workspace.settings.sources {
                        guard let error = await workspace.stranded(source, guesses: true) else { continue }
                        var report = QueueReport(pipeline: pipeline, queue: source.name, types: [])
                        report.refusals = [error]
                        queues.append(report)
                    }
                }
                if parts.isEmpty, queues.allSatisfy({ $0.pipeline != pipeline }) {
                    var report = PipelineReport(
                        nothingOf: pipeline,
                        source: workspace.settings.sources.map(\.name).joined(separator: ", ")
                    )
                    if let note = try forgotten(pipeline, store) { report.notes = [note] }
                    if case .finished(let at)? = try? store.retirement(pipeline: pipeline) {
                        report.notes = ["its bridge was taken away at \(at.iso8601): its DAG runs by itself"]
                    }
                    reports.append(report)
                }
                continue
            }
            let journal = Journal(
                store: store,
                pipeline: pipeline,
                operation: "preview",
                token: "",
                by: "",
                now: currentInstant
            )
            var report = try await workspace.withEngine(source, keys: keys, journal: journal) { engine in
                let operation = RollbackOperation(engine: engine, recreates: recreate)
                let place = workspace.place(source)
                var report = PipelineReport(preview: try await operation.preview(pipeline: pipeline, place: place))
                if execute {
                    try await perform(pipeline, keys, source, workspace, store, &report)
                    report.preview.entries = try await operation.preview(pipeline: pipeline, place: place).entries
                }
                return report
            }
            if let lost { report.take(try await restore(pipeline, lost, workspace, store)) }
            reports.append(report)
        }
        if sql { return }
        let document = OwnershipReport(command: "rollback", executed: execute, pipelines: reports, queues: queues)
        if common.json { Console.print(document.json) } else { Console.print(document.lines(zones: workspace.zones)) }
        if !document.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }

    /// Entries whose switch is lost.
    private func restore(_ pipeline: String, _ lost: Restoring, _ workspace: Workspace, _ store: StateStore)
        async throws
        -> PipelineReport
    {
        let source = lost.source.name
        var report = PipelineReport(preview: OwnershipPreview(pipeline: pipeline, source: source))
        guard execute else {
            report.notes = lost.lost.map {
                "nobody runs \($0): its clock stands, or it is gone, and its switch is lost; --execute restores it from the journal, else from the inventory"
            }
            return report
        }
        let stopwatch = Stopwatch(name: pipeline, tell: Console.note)
        do {
            report.notes = try await lost.run(pipeline, store: store) { stopwatch.note($0) }
            report.outcome = "restored"
            report.seconds = stopwatch.seconds
        } catch let refusal as Refusal {
            report.outcome = "refused"
            report.refusal = refusal
        }
        return report
    }

    /// What to say where the journal knows of a cutover and no switch is there, and legacy's clock runs; it is written down that this was seen.
    private func forgotten(_ pipeline: String, _ store: StateStore) throws -> String? {
        let journaled = try store.journaledOwnership(pipeline)
        guard journaled.isAirflows else { return nil }
        if execute {
            let holder = OperatorLock.Holder.current(token: "", operation: "rollback")
            let journal = Journal(
                store: store,
                pipeline: pipeline,
                operation: "rollback",
                token: "",
                by: holder.by,
                now: currentInstant
            )
            try journal.write(.forgotten, .after)
        }
        return
            "its switch is gone, although the journal knows of a cutover (\(journaled.at?.iso8601 ?? "?")); its entries are there and their clock runs, so legacy owns it"
    }

    private func perform(
        _ pipeline: String,
        _ keys: RedBeatKeys,
        _ source: SourceSettings,
        _ workspace: Workspace,
        _ store: StateStore,
        _ report: inout PipelineReport
    ) async throws {
        let stopwatch = Stopwatch(name: pipeline, tell: Console.note)
        let recreate = recreate
        do {
            let outcome = try await workspace.session(pipeline, "rollback", store: store).run { journal in
                let tell: @Sendable (CutoverProgress) -> Void = { stopwatch.note($0) }
                return try await workspace.withEngine(source, keys: keys, journal: journal, tell: tell) {
                    try await RollbackOperation(engine: $0, recreates: recreate).run()
                }
            }
            report.seconds = stopwatch.seconds
            switch outcome {
            case .nothing: report.outcome = "nothing"
            case .done(_, let gone, let redefined):
                report.outcome = "done"
                for index in gone where report.preview.entries.indices.contains(index) {
                    let key = report.preview.entries[index].key
                    report.notes.append(
                        recreate
                            ? "\(key) had been deleted; it is written anew"
                            : "\(key) had been deleted by the application, so nothing was given back; --recreate writes it anew"
                    )
                }
                for index in redefined where report.preview.entries.indices.contains(index) {
                    report.notes.append(
                        "\(report.preview.entries[index].key) keeps the definition that the application wrote while Airflow owned it"
                    )
                }
            }
        } catch let refusal as Refusal {
            report.outcome = "refused"
            report.refusal = refusal
        }
    }
}

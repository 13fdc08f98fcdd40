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
            for part in parts {
                var report = try await part.rollbackReport(workspace, store)
                if execute { try await part.rollBack(workspace, store, deadRuns: returnClaims, &report) }
                queues.append(report)
            }
            guard let (keys, source) = try await workspace.takenEntries(pipeline, store: store) else {
                // That there is no switch is not known of a queue that could not be asked.
                if parts.isEmpty, let error = unasked.first { throw error }
                if parts.isEmpty {
                    var report = PipelineReport(
                        nothingOf: pipeline,
                        source: workspace.settings.sources.map(\.name).joined(separator: ", ")
                    )
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
            let engine = try workspace.cutoverEngine(source, keys: keys, journal: journal) { _ in }
            let operation = RollbackOperation(engine: engine, recreates: recreate)
            var report = PipelineReport(
                preview: try await operation.preview(pipeline: pipeline, place: workspace.place(source))
            )
            if execute {
                try await perform(pipeline, keys, source, workspace, store, &report)
                report.preview.entries = try await operation.preview(pipeline: pipeline, place: workspace.place(source))
                    .entries
            }
            await engine.redbeat.disconnect()
            reports.append(report)
        }
        let document = OwnershipReport(command: "rollback", executed: execute, pipelines: reports, queues: queues)
        if common.json { Console.print(document.json) } else { Console.print(document.lines(zones: workspace.zones)) }
        if !document.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
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
                let engine = try workspace.cutoverEngine(source, keys: keys, journal: journal) { stopwatch.note($0) }
                let outcome = try await RollbackOperation(engine: engine, recreates: recreate).run()
                await engine.redbeat.disconnect()
                return outcome
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
        } catch let refusal as CutoverRefusal {
            report.outcome = "refused"
            report.refusal = refusal
        }
    }
}

import ArgumentParser
import Cutover
import LosslessJSON
import Migration
import Operations
import Reports
import Settings
import Store

struct RehearseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rehearse",
        abstract:
            "Cut over and roll back a throw-away copy of the entry that runs nothing, against the real systems, and time each step.",
        discussion: """
            The copy has a name and a queue of its own that nobody consumes from; its messages name a task that no worker has, and expire. Everything
            is removed at the end; what a killed rehearsal leaves, the next one or bailey watch removes. Without --execute it says what it would do.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Do it.")
    var execute = false

    @Argument(help: "The pipeline.")
    var pipeline: String

    func run() async throws {
        let workspace = try Workspace(common)
        let store = try workspace.store()
        let inventory = try workspace.inventory()
        let plan = try workspace.plan(inventory)
        guard let planned = plan.pipelines.first(where: { $0.dag.id == pipeline }) else {
            throw OperationFailure(.usage, "there is no pipeline “\(pipeline)”")
        }
        let crossings = try workspace.crossings(of: planned.dag, inventory, workspace.bridges(store))
        let ticks = crossings.first { $0.cargo == .ticks }
        let source = workspace.settings.sources.first { $0.name == ticks?.source }
        let parts = crossings.filter { $0.cargo == .jobs }
        guard !crossings.isEmpty else {
            throw OperationFailure(
                .usage,
                "the pipeline \(pipeline) has neither entries nor job types of a source with a bridge"
            )
        }
        guard execute else {
            Console.print(
                line:
                    "Would make a copy of a RedBeat entry in \(source?.name ?? "no source"), let beat fire it, cut it over, claim a tick, roll it back, and remove it."
            )
            let senders = CelerySenders(workspace, planned.dag, inventory).senders
            if planned.policy.messageParity.required, planned.policy.messageParity.fires, !senders.isEmpty {
                let names = senders.map { "“\($0.call.task)”" }.joined(separator: ", ")
                Console.print(
                    line:
                        "Would let beat fire a copy of \(names), and send the DAG's, each into a queue that nobody consumes, and compare both."
                )
            }
            if planned.policy.roundTripRequired, !senders.isEmpty {
                Console.print(
                    line:
                        "Would send celery.accumulate, which does nothing, to the live workers the way of each task, and wait for the answer."
                )
            }
            if !parts.isEmpty {
                Console.print(
                    line: "Would look whether jobs of \(parts.map(\.source).joined(separator: ", ")) can be held."
                )
            }
            Console.print(line: "Nothing was changed. Run it with --execute to do it.")
            return
        }
        var rehearsal = Rehearsal(pipeline: pipeline, at: currentInstant(), steps: [])
        if let source {
            let rehearsing = Rehearsing(
                workspace: workspace,
                pipeline: pipeline,
                source: source,
                senders: CelerySenders(workspace, planned.dag, inventory),
                policy: planned.policy
            )
            rehearsal = try await workspace.session(pipeline, "rehearse", store: store).run {
                try await rehearsing.run($0)
            }
        }
        for part in parts {
            let start = ContinuousClock.now
            let report = try await part.preview(CutoverRequest()).report
            rehearsal.steps.append(
                Rehearsal.Step(
                    name: "queue \(part.source)",
                    seconds: Double(start.duration(to: .now).components.seconds),
                    passed: report.holds,
                    detail: report.firstRefusal?.found ?? "its jobs can be held, by rights, constraints and triggers"
                )
            )
        }
        if try workspace.airflowAccess() != nil {
            let said = await workspace.deployments([pipeline])[pipeline]
            let step: (Bool, String) =
                switch said {
                case .running(let what): (true, what)
                case .faulty(let what), .unknown(let what): (false, what)
                case nil: (false, "nobody asked")
                }
            rehearsal.steps.append(Rehearsal.Step(name: "airflow", seconds: 0, passed: step.0, detail: step.1))
        }
        try store.save(rehearsal)
        if common.json {
            Console.print(["bailey": "rehearse", "version": 1, "rehearsal": rehearsal.json])
        } else {
            Console.print(rehearsal.textLines())
        }
        if !rehearsal.passed { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}

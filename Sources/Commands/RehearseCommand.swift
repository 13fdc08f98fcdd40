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
            let would = would(
                ticks: source?.name,
                jobs: parts.map(\.source),
                senders: CelerySenders(workspace, planned.dag, inventory).senders.map(\.call.task),
                policy: planned.policy
            )
            guard !common.json else {
                let lines = JSON.array(would.map { .string($0) })
                return Console.print(["bailey": "rehearse", "version": 1, "would": lines, "rehearsal": nil])
            }
            would.forEach { Console.print(line: $0) }
            return Console.print(line: "Nothing was changed. Run it with --execute to do it.")
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
            Console.print(["bailey": "rehearse", "version": 1, "would": [], "rehearsal": rehearsal.json])
        } else {
            Console.print(rehearsal.textLines())
        }
        if !rehearsal.passed { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }

    /// What it would do, a sentence each.
    private func would(ticks: String?, jobs: [String], senders: [String], policy: CutoverPolicy) -> [String] {
        var lines: [String] = []
        if let ticks {
            lines.append(
                "Would make a copy of a RedBeat entry in \(ticks), let beat fire it, cut it over, claim a tick, roll it back, and remove it."
            )
        }
        if policy.messageParity.required, policy.messageParity.fires, !senders.isEmpty {
            let names = senders.map { "“\($0)”" }.joined(separator: ", ")
            lines.append(
                "Would let beat fire a copy of \(names), and send the DAG's, each into a queue that nobody consumes, and compare both."
            )
        }
        if policy.roundTripRequired, !senders.isEmpty {
            lines.append(
                "Would send celery.accumulate, which does nothing, to the live workers the way of each task, and wait for the answer."
            )
        }
        if !jobs.isEmpty {
            lines.append("Would look whether jobs of \(jobs.joined(separator: ", ")) can be held.")
        }
        return lines
    }
}

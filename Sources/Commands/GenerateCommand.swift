import Airflow
import ArgumentParser
import LosslessJSON
import Migration
import Operations
import Settings

struct GenerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Write one self-contained DAG file per pipeline; a second run changes nothing.",
        discussion: """
            A file that was edited by hand, or is not Bailey's, is never overwritten silently: it is named, and the status is 1.
            Each DAG begins with a gate that asks the switch who owns the tick, legacy without one; --ungated writes DAGs without it.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Write DAGs without the gate: they run their tasks whenever they are unpaused.")
    var ungated = false

    @Flag(help: "Overwrite generated files that were edited by hand, and files that are not Bailey's.")
    var force = false

    @Argument(help: "The pipelines; all if none is named.")
    var pipelines: [String] = []

    func run() async throws {
        let workspace = try Workspace(common)
        let inventory = try workspace.inventory()
        let plan = try workspace.plan(inventory)
        try workspace.notePlanned(inventory)
        let chosen = try workspace.unblocked(pipelines, of: plan)
        let folder = DAGFolder(path: workspace.absolute(workspace.settings.airflow.dagsFolder))
        let retired = try workspace.retired(inventory: inventory)
        if !ungated {
            for id in chosen.map(\.dag.id) where retired.contains(id) {
                Console.note("\(id) is retired, or about to be: its file has no gate")
            }
        }
        let ungatedIDs = ungated ? Set(chosen.map(\.dag.id)) : retired
        try await workspace.checkOwnDAGs(chosen, ungated: ungatedIDs)
        let written = try await withProgress({ "still writing \(chosen.count) files" }, tell: Console.note) {
            try await workspace.writeDAGFiles(chosen, of: plan, ungated: ungatedIDs, force: force, to: folder)
        }
        var changes = written.map { (name: $0.file.name, change: $0.change) }
        if pipelines.isEmpty {
            for (name, text) in DAGNotes(files: written.map(\.file), pools: plan.pools).texts {
                changes.append((name, try folder.write(note: text, name: name)))
            }
        }
        report(changes, workspace.settings.airflow.dagsFolder)
        let gateless = chosen.map(\.dag).filter { ungatedIDs.contains($0.id) }
        for (pipeline, step) in workspace.stepsByHand(gateless, inventory) {
            Console.note(
                "\(pipeline) has no gate, and legacy still runs what it stands for: before the DAG is unpaused, \(step)"
            )
        }
        let isWhole = pipelines.isEmpty ? plan.holds : true
        if !isWhole { Console.note("the plan has findings of error severity; see bailey plan") }
        if !isWhole || changes.contains(where: { $0.change == .edited || $0.change == .foreign }) {
            throw ExitCode(ExitStatus.doesNotHold.rawValue)
        }
    }

    private func report(_ changes: [(name: String, change: DAGFolder.Change)], _ folder: String) {
        if common.json {
            Console.print([
                "bailey": "generate", "version": 1, "folder": .string(folder),
                "files": .array(changes.map { ["name": .string($0.name), "change": .string($0.change.rawValue)] }),
            ])
            return
        }
        for (name, change) in changes { Console.print(line: "\(change.rawValue)  \(folder)/\(name)") }
        for (name, change) in changes where change == .edited {
            Console.note(
                "\(name) was edited by hand and left as it is. Put the edit into the mapping, or overwrite it with --force"
            )
        }
        for (name, change) in changes where change == .foreign {
            Console.note(
                "\(name) is not Bailey's and was left as it is. Rename the pipeline, or overwrite it with --force"
            )
        }
    }
}

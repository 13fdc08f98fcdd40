import Airflow
import ArgumentParser
import Foundation
import Migration
import Schedules
import Settings

struct DeployCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy",
        abstract: "Bring generated DAG files into Airflow, and check what it makes of them.",
        discussion: """
            Without --execute it only says what it would do. With it: missing pools and connections are made, the files are put in their place,
            and Bailey waits until Airflow has read exactly these texts and compares the structure with the plan. What exists is never
            overwritten. --unpause then unpauses the DAGs so that nothing runs that was due before.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Do it.")
    var execute = false

    @Flag(help: "Unpause the DAGs, in a way that fires no tick that has passed.")
    var unpause = false

    @Option(help: ArgumentHelp("How long Airflow may take to read the files: 60s, 10m.", valueName: "time"))
    var wait = "6m"

    @Argument(help: "The pipelines; all if none is named.")
    var pipelines: [String] = []

    func validate() throws {
        guard YAMLFields.seconds(wait) != nil else {
            throw ValidationError("--wait is “\(wait)”; write 60s or 10m.")
        }
    }

    func run() async throws {
        let desk = try Desk(common)
        let plan = try desk.plan(try desk.inventory())
        guard plan.holds else {
            throw CommandFailure(.doesNotHold, "the plan has findings of error severity; see bailey plan")
        }
        let findings = plan.findingsByPipeline()
        let prepared = try desk.chosen(pipelines, of: plan).map { try prepare($0, findings, desk) }
        let delivery = desk.delivery
        let report = try await desk.withAirflow("deploy") { client in
            try await deploy(prepared, delivery, desk, client)
        }
        if common.json { Console.print(report.json) } else { Console.print(report.lines) }
        if !report.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
        if !execute { Console.note("Nothing was changed. Do it with --execute") }
    }

    private struct Prepared {
        var item: Deployment.Item
        var needs: DAGFile
    }

    /// The generated file of a pipeline, which must be as the plan wants it: what was reviewed is what is brought.
    private func prepare(_ pipeline: PlannedPipeline, _ findings: [String: [Finding]], _ desk: Desk) throws -> Prepared
    {
        for gated in [true, false] {
            let file = desk.dagFile(pipeline, findings: findings, gated: gated)
            let place = desk.absolute(desk.workspace.airflow.dagsFolder) + "/" + file.name
            guard FileManager.default.contents(atPath: place).map({ $0 == Data(file.text.utf8) }) == true else {
                continue
            }
            let item = Deployment.Item(
                dag: pipeline.dag,
                file: DAGDelivery.File(name: file.name, text: file.text),
                gated: gated
            )
            return Prepared(item: item, needs: file)
        }
        throw CommandFailure(
            .doesNotHold,
            "\(desk.workspace.airflow.dagsFolder)/\(pipeline.dag.id).py is missing, older than the plan, or edited by hand. Run bailey generate"
        )
    }

    private func deploy(_ prepared: [Prepared], _ delivery: DAGDelivery, _ desk: Desk, _ client: AirflowClient)
        async throws -> DeployReport
    {
        let items = prepared.map(\.item)
        let deployment = Deployment(client: client) { Console.note($0) }
        var report = DeployReport(
            executed: execute,
            address: client.address,
            version: client.version.description
        )
        let (standings, findings) = try await deployment.survey(items, target: desk.target)
        report.standings = items.map { ($0.dag.id, standings[$0.dag.id] ?? .new) }
        report.findings = findings
        report.files = try await delivery.preview(items.map(\.file))
        report.findings += report.files.compactMap(obstacle)
        report.setups = try await setups(prepared, desk, client)
        guard execute, report.holds else {
            report.executed = false
            report.findings += report.setups.filter { $0.state == .missing }.map(missing)
            if unpause {
                for item in items {
                    report.unpausing.append((item.dag.id, try await Unpausing(client: client).preview(item.dag.id)))
                }
            }
            return report
        }
        try await make(&report, desk, client)
        let before = try await deployment.importTraces(items)
        report.files = try await delivery.put(items.map(\.file))
        let put = currentInstant()
        let unchanged = Set(report.files.filter { $0.change == .unchanged }.map(\.name))
        let seconds = YAMLFields.seconds(wait) ?? 360
        let readings = try await deployment.readings(
            items,
            put: put,
            before: before,
            unchanged: unchanged,
            seconds: seconds
        )
        let end = currentInstant().adding(seconds: Int64(min(seconds, Deployment.staleness)))
        for item in items {
            let found = try await deployment.check(
                item,
                readings[item.dag.id] ?? .unread,
                seconds: seconds,
                stale: Double(end.seconds(since: currentInstant()))
            )
            report.findings += found
            if found.isEmpty { report.parsed.insert(item.dag.id) }
        }
        for item in items where unpause && report.parsed.contains(item.dag.id) {
            let unpaused = try await Unpausing(client: client).unpause(item.dag.id, gated: item.gated)
            report.unpausing.append((item.dag.id, unpaused))
            if let refusal = unpaused.refusal {
                let fired = unpaused.fired.map { " \($0.run): \($0.became)." }.joined()
                report.findings.append(
                    Finding(.unpauseUnsafe, pipeline: item.dag.id, text: "It is still paused: \(refusal).\(fired)")
                )
            }
        }
        return report
    }

    /// A file in the place that is not ours to overwrite.
    private func obstacle(_ file: DAGDelivery.Placement) -> Finding? {
        let pipeline = String(file.name.dropLast(3))
        switch file.change {
        case .foreign?:
            return Finding(
                .dagIDTaken,
                pipeline: pipeline,
                text:
                    "\(file.place) is not Bailey's and was left as it is. Rename the pipeline, or move that file away."
            )
        case .edited?:
            return Finding(
                .dagIDTaken,
                pipeline: pipeline,
                text:
                    "\(file.place) was edited by hand and left as it is. Put the edit into the mapping, and move that file away."
            )
        default: return nil
        }
    }

    // MARK: Pools and connections

    private func setups(_ prepared: [Prepared], _ desk: Desk, _ client: AirflowClient) async throws
        -> [DeployReport.Setup]
    {
        let pools = prepared.reduce(into: Set<String>()) { $0.formUnion($1.needs.pools) }
        let connections = prepared.reduce(into: [String: String]()) {
            $0.merge($1.needs.connections) { first, _ in first }
        }
        var found: [DeployReport.Setup] = []
        if !pools.isEmpty {
            let there = Set(try await client.pools().map(\.name))
            found += pools.sorted().map {
                DeployReport.Setup(
                    kind: "pool",
                    name: $0,
                    leadsTo: "\(DAGNotes.poolSlots) slot",
                    state: there.contains($0) ? .exists : .missing
                )
            }
        }
        if !connections.isEmpty {
            let there = Set(try await client.connections().map(\.id))
            for (id, meaning) in connections.sorted(by: { $0.key < $1.key }) {
                let made = try? desk.sourceConnection(id)
                found.append(
                    DeployReport.Setup(
                        kind: "connection",
                        name: id,
                        leadsTo: made.map { "\(meaning), \($0.address)" } ?? meaning,
                        state: there.contains(id) ? .exists : .missing
                    )
                )
            }
        }
        return found
    }

    private func make(_ report: inout DeployReport, _ desk: Desk, _ client: AirflowClient) async throws {
        for index in report.setups.indices where report.setups[index].state == .missing {
            let setup = report.setups[index]
            let made: Bool
            if setup.kind == "pool" {
                made = try await client.create(
                    pool: setup.name,
                    slots: DAGNotes.poolSlots,
                    note: "used by pipelines that Bailey generated"
                )
            } else {
                do {
                    let source = try desk.sourceConnection(setup.name)
                    made = try await client.create(source.connection, password: source.password)
                } catch let failure as CommandFailure {
                    report.findings.append(Finding(.setupMissing, severity: .error, text: sentence(failure.message)))
                    continue
                }
            }
            // Somebody may have made it in the meantime; then it is theirs.
            report.setups[index].state = made ? .made : .exists
        }
    }

    private func missing(_ setup: DeployReport.Setup) -> Finding {
        Finding(
            .setupMissing,
            text: "The \(setup.kind) “\(setup.name)” does not exist there (\(setup.leadsTo)). --execute makes it."
        )
    }

    private func sentence(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() + "." }
}

extension Desk {
    /// How files reach the DAG processor.
    var delivery: DAGDelivery {
        switch workspace.airflow.deploy {
        case .folder(let path)?: .folder(absolute(path))
        case .git(let repository, let branch, let folder)?:
            .git(
                // A path is relative to the settings; a URL and `host:path` are git's own.
                repository: repository.contains(":") ? repository : absolute(repository),
                branch: branch,
                folder: folder
            )
        case .command(let words)?: .command(words, directory: folder)
        case nil: .folder(absolute(workspace.airflow.dagsFolder))
        }
    }

    /// The connection of an id that generated files name.
    func sourceConnection(_ id: String) throws -> SourceConnection {
        for source in workspace.sources {
            let own = DAGFile.connectionID(source.name)
            if id == own { return try SourceConnection(id: id, source: source, url: source.url) }
            if id.hasPrefix(own + "_"), let results = source.resultsURL {
                return try SourceConnection(id: id, source: source, url: results)
            }
        }
        throw CommandFailure(.usage, "no source of \(workspace.file) belongs to the connection \(id); make it by hand")
    }
}

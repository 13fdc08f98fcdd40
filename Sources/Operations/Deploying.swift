import Airflow
import Foundation
package import Migration
import Schedules
import Settings

/// Brings generated files into Airflow, and checks what it makes of them.
package struct Deploying: Sendable {
    let workspace: Workspace
    /// Whether it is done, or only looked at.
    let execute: Bool
    /// Whether the DAGs are unpaused.
    let unpause: Bool
    /// Seconds that Airflow may take to read the files.
    let seconds: Double

    package init(_ workspace: Workspace, execute: Bool, unpause: Bool, seconds: Double) {
        self.workspace = workspace
        self.execute = execute
        self.unpause = unpause
        self.seconds = seconds
    }

    /// Does it for some pipelines of a plan; all if none is named.
    ///
    /// - Throws: `OperationFailure`, `AirflowError` or `DeliveryError`.
    package func run(_ pipelines: [String], of plan: Plan) async throws -> DeployReport {
        let findings = plan.findingsByPipeline()
        let pools = plan.pools
        let prepared = try workspace.unblocked(pipelines, of: plan).map { try prepare($0, findings) }
        for one in prepared {
            guard let own = one.item.dag.own else { continue }
            try await workspace.check(own, of: one.item.dag, gated: one.item.gated)
        }
        let delivery = workspace.delivery
        return try await workspace.withAirflow("deploy") { client in
            try await deploy(prepared, pools, delivery, client)
        }
    }

    private struct Prepared {
        var item: Deployment.Item
        var needs: DAGFile
    }

    /// The generated file of a pipeline, which must be as the plan wants it: what was reviewed is what is brought.
    private func prepare(_ pipeline: PlannedPipeline, _ findings: [String: [Finding]]) throws -> Prepared {
        for gated in [true, false] {
            let file = workspace.dagFile(pipeline, findings: findings, gated: gated)
            let place = workspace.absolute(workspace.settings.airflow.dagsFolder) + "/" + file.name
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
        throw OperationFailure(
            .doesNotHold,
            "\(workspace.settings.airflow.dagsFolder)/\(pipeline.dag.id).py is missing, older than the plan, or edited by hand. Run bailey generate"
        )
    }

    private func deploy(
        _ prepared: [Prepared],
        _ pools: [Pool],
        _ delivery: DAGDelivery,
        _ client: AirflowClient
    ) async throws -> DeployReport {
        let items = prepared.map(\.item)
        let deployment = Deployment(client: client) { workspace.tell($0) }
        var report = DeployReport(
            executed: execute,
            address: client.address,
            version: client.version.description
        )
        let (standings, findings) = try await deployment.survey(items, target: workspace.target)
        report.standings = items.map { ($0.dag.id, standings[$0.dag.id] ?? .new) }
        report.findings = findings
        report.files = try await delivery.preview(items.map(\.file))
        report.findings += report.files.compactMap(obstacle)
        let deployed = DeployedPools(prepared.map { ($0.item.dag, $0.item.gated) }, declared: pools)
        let (poolSetups, poolFindings) = try await deployed.compare(client)
        report.findings += poolFindings
        let connections = DeployedConnections(workspace, prepared.map { ($0.item.dag, $0.needs) })
        let (connectionSetups, connectionFindings) = try await connections.compare(client)
        report.findings += connectionFindings
        report.setups = poolSetups + connectionSetups
        report.findings += try await proven(report.setups, client)
        guard execute, report.holds else {
            report.executed = false
            report.findings += report.setups.filter { $0.state == .missing && $0.canBeMade }.map(missing)
            if unpause {
                for item in items {
                    let unpausing = Unpausing(client: client, hasTicks: item.dag.clock.jobsEvery == nil)
                    report.unpausing.append((item.dag.id, try await unpausing.preview(item.dag.id)))
                }
            }
            return report
        }
        try await make(&report, deployed, client)
        let before = try await deployment.importTraces(items)
        report.files = try await delivery.put(items.map(\.file))
        let put = workspace.surroundings.now()
        let unchanged = Set(report.files.filter { $0.change == .unchanged }.map(\.name))
        let readings = try await deployment.readings(
            items,
            put: put,
            before: before,
            unchanged: unchanged,
            seconds: seconds
        )
        let end = workspace.surroundings.now().adding(seconds: Int64(min(seconds, Deployment.staleness)))
        for item in items {
            let found = try await deployment.check(
                item,
                readings[item.dag.id] ?? .unread,
                seconds: seconds,
                stale: Double(end.seconds(since: workspace.surroundings.now()))
            )
            report.findings += found
            if found.isEmpty { report.parsed.insert(item.dag.id) }
        }
        for item in items where unpause && report.parsed.contains(item.dag.id) {
            let unpausing = Unpausing(client: client, hasTicks: item.dag.clock.jobsEvery == nil)
            let unpaused = try await unpausing.unpause(item.dag.id, gated: item.gated)
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

    // MARK: Connections, and what is made

    /// What is wrong with connections that exist: somebody else made them, or the source has moved since.
    private func proven(_ setups: [DeployReport.Setup], _ client: AirflowClient) async throws -> [Finding] {
        let needed = Set(setups.filter { $0.kind == "connection" && $0.state == .exists }.map(\.name))
        guard !needed.isEmpty else { return [] }
        let proof = ConnectionProof(workspace: workspace)
        var findings: [Finding] = []
        for connection in try await client.connections() where needed.contains(connection.id) {
            if let found = try await proof.finding(connection) { findings.append(found) }
        }
        return findings
    }

    private func make(_ report: inout DeployReport, _ pools: DeployedPools, _ client: AirflowClient) async throws {
        for index in report.setups.indices
        where report.setups[index].state == .missing && report.setups[index].canBeMade {
            let setup = report.setups[index]
            let made: Bool
            if setup.kind == "pool" {
                guard let pool = pools.declared(setup.name) else { continue }
                made = try await client.create(pool: pool.name, slots: pool.slots, note: DAGNotes.note(pool))
            } else {
                do {
                    let known = try workspace.namedConnection(setup.name) ?? workspace.sourceConnection(setup.name)
                    made = try await client.create(known.connection, password: known.password)
                } catch let failure as OperationFailure {
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

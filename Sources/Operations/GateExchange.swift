package import Airflow
package import Cutover
import LosslessJSON
package import Migration
import Schedules
import Settings
package import Store

/// Exchanges the file of a DAG for one without a gate, and back.
package struct GateExchange: Sendable {
    package let workspace: Workspace
    package let plan: Plan
    package let pipeline: PlannedPipeline
    /// Seconds that Airflow may take to read a file, or to come to rest.
    package let patience: Double

    /// Seconds before the next tick that the DAG's file is best put in place.
    private static let lead = 60.0

    private var id: String { pipeline.dag.id }

    package func file(gated: Bool) -> DAGFile {
        workspace.dagFile(pipeline, findings: plan.findingsByPipeline(), gated: gated)
    }

    private func item(gated: Bool) -> Deployment.Item {
        let file = file(gated: gated)
        return Deployment.Item(
            dag: pipeline.dag,
            file: DAGDelivery.File(name: file.name, text: file.text),
            gated: gated
        )
    }

    /// Puts the file without a gate in place of the one with, and waits until Airflow has made the DAG from it. The DAG is paused from then on, so that
    /// no run begins with one file and goes on with the other. The switch is marked first, so that a later command knows what was begun.
    ///
    /// - Throws: `Refusal` if it was not possible; then the gate is in its place again, or the refusal says that it is not.
    package func removeGate(
        _ bridge: any RetiringSwitch,
        _ client: AirflowClient,
        _ journal: Journal,
        isMarked: Bool
    ) async throws {
        if let own = pipeline.dag.own { try await checkOwn(own) }
        let new = item(gated: false)
        try await refuseForeign(new)
        if !isMarked { try await bridge.mark(true) }
        guard try await !isServed(new, client) else { return }
        do { try await rest(bridge, client, journal) } catch {
            // Nothing was exchanged yet.
            try await bridge.mark(false)
            throw error
        }
        guard let fault = try await put(new, client, journal) else { return }
        let back = try await restoreGate(bridge, client, journal)
        let now = back.map { "the gate could not be put back either (\($0)), and the DAG is paused" }
        throw Refusal(
            .retiring,
            "\(fault) Now \(now ?? "the gate is in its place again, and the DAG runs as before")",
            back == nil
                ? "Mend what it says, then run the command again"
                : "Mend what it says, then run bailey retire \(id) --undo --execute"
        )
    }

    /// What a person has written to go on without the gate must be the same pipeline.
    private func checkOwn(_ own: OwnDAG) async throws {
        do { try await workspace.check(own, of: pipeline.dag, gated: false) } catch let failure as OperationFailure {
            throw Refusal(.retiring, failure.message, "Mend the file, then run the command again")
        }
    }

    /// Puts the gate back, so that the pipeline can be rolled back.
    ///
    /// - Throws: `Refusal` if Airflow does not run the gated file.
    package func undo(_ bridge: any RetiringSwitch, _ journal: Journal) async throws {
        try await workspace.withAirflow("retire --undo") { client in
            if let fault = try await restoreGate(bridge, client, journal) {
                throw Refusal(.retiring, fault, "Mend what it says, then run the command again")
            }
        }
    }

    package func unpause(_ client: AirflowClient, _ journal: Journal) async throws {
        try await journal.step(.unpause, outcome: { (_: AirflowDAG) in [:] }) { try await client.setPaused(id, false) }
    }

    /// Brings the gated file, records what ran without it, and lets the entries be given back again. What went wrong; nil if nothing did.
    private func restoreGate(_ bridge: any RetiringSwitch, _ client: AirflowClient, _ journal: Journal) async throws
        -> String?
    {
        if let fault = try await put(item(gated: true), client, journal) { return fault }
        if let since = try await bridge.lastClaim() {
            // Runs that asked no gate have run their ticks all the same.
            let runs = try await client.runs(id, from: since).compactMap { run in
                run.kind == "scheduled" ? run.logicalDate.map { (tick: $0, run: "\(id)/\(run.id)") } : nil
            }
            try await bridge.claim(runs)
        }
        try await bridge.mark(false)
        try await unpause(client, journal)
        return nil
    }
    /// Whether Airflow has made the DAG from this text, and could import it.
    private func isServed(_ item: Deployment.Item, _ client: AirflowClient) async throws -> Bool {
        guard let dag = try await client.dag(id), !dag.isStale, !dag.hasImportErrors else { return false }
        return try await client.source(of: dag) == item.file.text
    }

    /// Refuses where the file is not Bailey's to overwrite, before anything is changed.
    private func refuseForeign(_ item: Deployment.Item) async throws {
        let here = DAGDelivery.folder(workspace.absolute(workspace.settings.airflow.dagsFolder))
        for delivery in Set([here, workspace.delivery]) {
            for placement in try await delivery.preview([item.file])
            where placement.change == .foreign || placement.change == .edited {
                throw Refusal(
                    .retiring,
                    "\(placement.place) \(placement.change == .edited ? "was edited by hand" : "is not Bailey's")",
                    "Put the edit into the mapping, or move the file away; then run the command again"
                )
            }
        }
    }

    /// Waits until no run is under way and the next tick is not near, and pauses the DAG there.
    private func rest(_ bridge: any RetiringSwitch, _ client: AirflowClient, _ journal: Journal) async throws {
        var busy = "a run of \(id)"
        var waiting: [String] = []
        func isQuiet() async throws -> Bool {
            let runs = try await client.runs(id, states: [.queued, .running]).map(\.id)
            waiting = []
            for run in runs where try await awaitsJobs(run, client) { waiting.append(run) }
            let isIdle = waiting.count == runs.count
            let other = isIdle ? try await bridge.underWay() : nil
            if isIdle { busy = other ?? "a run of \(id)" }
            return isIdle && other == nil
        }
        workspace.tell("\(id): waiting until no run is under way …")
        // One that was broken off may have left the DAG paused with a run under way, which then never ends.
        if try await client.dag(id)?.isPaused == true { try await client.setPaused(id, false) }
        let rested = try await client.poll(seconds: patience, pause: 0.5) { () -> Bool? in
            guard try await isQuiet() else { return nil }
            let now = workspace.surroundings.now()
            let ticks = (pipeline.dag.clock.timetable?.ticks(after: now)).map { Array($0.prefix(2)) } ?? []
            // Of a pipeline that is due often, the first half between two ticks is as good as it gets.
            let gap = ticks.count == 2 ? ticks[1].seconds(since: ticks[0]) : 2 * GateExchange.lead
            let next = pipeline.dag.clock.jobsEvery == nil ? try await client.dag(id)?.nextRunAfter : nil
            if let next, next.seconds(since: now) < min(GateExchange.lead, gap / 2) { return nil }
            try await journal.step(.pause, outcome: { (_: AirflowDAG) in [:] }) {
                try await client.setPaused(id, true)
            }
            if try await isQuiet() {
                for run in waiting { try await client.markSuccess(id, run) }
                return true
            }
            try await client.setPaused(id, false)
            return nil
        }
        guard rested == true else {
            throw Refusal(
                .retiring,
                "\(busy) was under way at every moment for \(Int(patience)) s, so that its file cannot be exchanged",
                "Run it again when it has less to do, or with a longer --wait"
            )
        }
    }

    /// Whether a run of a pipeline that due jobs start has done nothing yet but wait for them. Of a paused DAG it begins nothing either.
    private func awaitsJobs(_ run: String, _ client: AirflowClient) async throws -> Bool {
        guard pipeline.dag.clock.jobsEvery != nil else { return false }
        let instances = try await client.taskInstances(id, run)
        return instances.allSatisfy { $0.task == "gate" ? ["deferred", nil].contains($0.state) : $0.state == nil }
    }

    /// Brings a file, and waits until Airflow has made the DAG from exactly this text. What went wrong; nil if nothing did.
    private func put(_ item: Deployment.Item, _ client: AirflowClient, _ journal: Journal) async throws -> String? {
        let deployment = Deployment(client: client) { workspace.tell("\(id): \($0)") }
        let detail: JSON = [
            "file": .string(item.file.name), "gated": .bool(item.gated), "text": .string(item.file.text),
        ]
        return try await journal.step(
            .file,
            detail,
            outcome: { (fault: String?) in ["fault": fault.map { .string($0) } ?? .null] }
        ) {
            let before = try await deployment.importTraces([item])
            let here = DAGDelivery.folder(workspace.absolute(workspace.settings.airflow.dagsFolder))
            var changes: [DAGFolder.Change?] = []
            for delivery in Set([here, workspace.delivery]) {
                changes += try await delivery.put([item.file]).map(\.change)
            }
            workspace.tell("\(id): waiting until Airflow has read \(item.file.name) …")
            let readings = try await deployment.readings(
                [item],
                put: workspace.surroundings.now(),
                before: before,
                unchanged: changes.allSatisfy { $0 == .unchanged } ? [item.file.name] : [],
                seconds: patience
            )
            let faults = try await deployment.check(
                item,
                readings[id] ?? .unread,
                seconds: patience,
                stale: min(patience, Deployment.staleness)
            )
            return faults.first.map { "\($0.code.id): \($0.text)" }
        }
    }
}

extension GateExchange {
    /// What the DAG will do otherwise without its gate.
    ///
    /// - Parameter countsTicks: whether each tick means work of its own; jobs that wait are taken at the next.
    package func changes(countsTicks: Bool) -> [Finding] {
        let file = file(gated: false)
        var found: [Finding] = []
        if pipeline.dag.clock.timetable != nil, countsTicks {
            let meant: String =
                switch pipeline.dag.missedTicks {
                case .coalesce: "one late run stood for all of them"
                case .every: "each was run"
                case .none: "none was run"
                }
            found.append(
                Finding(
                    .ungatedMissedTicks,
                    pipeline: id,
                    text:
                        "Of ticks that pass while Airflow is down, Airflow itself runs the one it had in mind and the latest; with the gate \(meant)."
                )
            )
        }
        if file.requirements.contains("bailey-runtime") {
            found.append(
                Finding(
                    .timetableStays,
                    pipeline: id,
                    text:
                        "No stock timetable of Airflow has the same ticks, so that the file goes on importing BaileyTimetable: leave bailey-runtime and its plugin installed."
                )
            )
        }
        if pipeline.dag.sla != nil, workspace.target == .airflow3 {
            found.append(
                Finding(
                    .ungatedMissedTicks,
                    pipeline: id,
                    severity: .warning,
                    text: "The alert for late runs (sla) is Bailey's and goes with the gate. Make one of Airflow's own."
                )
            )
        }
        return found
    }
}

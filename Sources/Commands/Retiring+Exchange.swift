import Airflow
import Cutover
import LosslessJSON
import Migration
import Schedules
import Settings
import Store

/// Keeps the entries' bytes, and exchanges the DAG's file.
extension Retiring {
    /// Keeps the bytes, unless that has been done.
    func archive(_ operation: RetireOperation, _ journal: Journal, _ store: StateStore) async throws {
        var document = try await operation.archive()
        if case .object(var members) = document {
            members["source"] = .string(source.name)
            members["inventory"] =
                Inventory(
                    readAt: inventory.readAt,
                    entries: pipeline.dag.entries.compactMap { inventory[$0] }
                ).json["entries"] ?? .null
            document = .object(members)
        }
        let kept = document
        try await journal.step("archive", kept, outcome: { (_: Void) in [:] }) {
            try store.archive(kept, pipeline: id, at: currentInstant())
        }
    }

    /// Puts the file without a gate in place of the one with, and waits until Airflow runs that. The DAG is paused meanwhile, so that no run
    /// begins with one file and goes on with the other. The entries are marked first, so that a later command knows what was begun.
    ///
    /// - Throws: `CutoverRefusal` if it was not possible; then the gate is in its place again, or the refusal says that it is not.
    func removeGate(_ operation: RetireOperation, _ journal: Journal, isMarked: Bool) async throws {
        try await desk.withAirflow("retire") { client in
            let new = item(gated: false)
            try await refuseForeign(new)
            if !isMarked { try await operation.mark(true) }
            if try await !isServed(new, client) {
                do { try await rest(client, journal) } catch {
                    // Nothing was exchanged yet.
                    try await operation.mark(false)
                    throw error
                }
                if let fault = try await put(new, client, journal) {
                    let back = try await restoreGate(operation, client, journal)
                    let now = back.map { "the gate could not be put back either (\($0)), and the DAG is paused" }
                    throw CutoverRefusal(
                        .retiring,
                        "\(fault) Now \(now ?? "the gate is in its place again, and the DAG runs as before")",
                        back == nil
                            ? "Mend what it says, then run the command again"
                            : "Mend what it says, then run bailey retire \(id) --undo --execute"
                    )
                }
            }
            try await unpause(client, journal)
        }
    }

    /// Puts the gate back, so that the pipeline can be rolled back.
    ///
    /// - Throws: `CutoverRefusal` if Airflow does not run the gated file.
    func undo(_ operation: RetireOperation, _ journal: Journal) async throws {
        try await desk.withAirflow("retire --undo") { client in
            if let fault = try await restoreGate(operation, client, journal) {
                throw CutoverRefusal(.retiring, fault, "Mend what it says, then run the command again")
            }
        }
    }

    /// Brings the gated file, records what ran without it, and lets the entries be given back again. What went wrong; nil if nothing did.
    private func restoreGate(_ operation: RetireOperation, _ client: AirflowClient, _ journal: Journal) async throws
        -> String?
    {
        if let fault = try await put(item(gated: true), client, journal) { return fault }
        // Runs that asked no gate have run their ticks all the same.
        let since = try await operation.lastClaim()
        let runs = try await client.runs(id, from: since).compactMap { run in
            run.kind == "scheduled" ? run.logicalDate.map { (tick: $0, run: "\(id)/\(run.id)") } : nil
        }
        try await operation.claim(runs)
        try await operation.mark(false)
        try await unpause(client, journal)
        return nil
    }

    private func unpause(_ client: AirflowClient, _ journal: Journal) async throws {
        try await journal.step("unpause", outcome: { (_: AirflowDAG) in [:] }) { try await client.setPaused(id, false) }
    }

    /// Whether Airflow has made the DAG from this text, and could import it.
    private func isServed(_ item: Deployment.Item, _ client: AirflowClient) async throws -> Bool {
        guard let dag = try await client.dag(id), !dag.isStale, !dag.hasImportErrors else { return false }
        return try await client.source(of: dag) == item.file.text
    }

    /// Refuses where the file is not Bailey's to overwrite, before anything is changed.
    private func refuseForeign(_ item: Deployment.Item) async throws {
        let here = DAGDelivery.folder(desk.absolute(desk.workspace.airflow.dagsFolder))
        for delivery in Set([here, desk.delivery]) {
            for placement in try await delivery.preview([item.file])
            where placement.change == .foreign || placement.change == .edited {
                throw CutoverRefusal(
                    .retiring,
                    "\(placement.place) \(placement.change == .edited ? "was edited by hand" : "is not Bailey's")",
                    "Put the edit into the mapping, or move the file away; then run the command again"
                )
            }
        }
    }

    /// Waits until no run is under way and the next tick is not near, and pauses the DAG there.
    private func rest(_ client: AirflowClient, _ journal: Journal) async throws {
        func isQuiet() async throws -> Bool { try await client.runs(id, states: [.queued, .running]).isEmpty }
        Console.note("\(id): waiting until no run is under way …")
        // One that was broken off may have left the DAG paused with a run under way, which then never ends.
        if try await client.dag(id)?.isPaused == true { try await client.setPaused(id, false) }
        let rested = try await client.poll(seconds: patience, pause: 0.5) { () -> Bool? in
            guard try await isQuiet() else { return nil }
            let now = currentInstant()
            let ticks = (pipeline.dag.clock.timetable?.ticks(after: now)).map { Array($0.prefix(2)) } ?? []
            // Of a pipeline that is due often, the first half between two ticks is as good as it gets.
            let gap = ticks.count == 2 ? ticks[1].seconds(since: ticks[0]) : 2 * Retiring.lead
            let next = try await client.dag(id)?.nextRunAfter
            if let next, next.seconds(since: now) < min(Retiring.lead, gap / 2) { return nil }
            try await journal.step("pause", outcome: { (_: AirflowDAG) in [:] }) {
                try await client.setPaused(id, true)
            }
            if try await isQuiet() { return true }
            try await client.setPaused(id, false)
            return nil
        }
        guard rested == true else {
            throw CutoverRefusal(
                .retiring,
                "a run of \(id) was under way at every moment for \(Int(patience)) s, so that its file cannot be exchanged",
                "Run it again when it has less to do, or with a longer --wait"
            )
        }
    }

    /// Brings a file, and waits until Airflow has made the DAG from exactly this text. What went wrong; nil if nothing did.
    private func put(_ item: Deployment.Item, _ client: AirflowClient, _ journal: Journal) async throws -> String? {
        let deployment = Deployment(client: client) { Console.note("\(id): \($0)") }
        let detail: JSON = [
            "file": .string(item.file.name), "gated": .bool(item.gated), "text": .string(item.file.text),
        ]
        return try await journal.step(
            "file",
            detail,
            outcome: { (fault: String?) in ["fault": fault.map { .string($0) } ?? .null] }
        ) {
            let before = try await deployment.importTraces([item])
            let here = DAGDelivery.folder(desk.absolute(desk.workspace.airflow.dagsFolder))
            var changes: [DAGFolder.Change?] = []
            for delivery in Set([here, desk.delivery]) { changes += try await delivery.put([item.file]).map(\.change) }
            Console.note("\(id): waiting until Airflow has read \(item.file.name) …")
            let readings = try await deployment.readings(
                [item],
                put: currentInstant(),
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

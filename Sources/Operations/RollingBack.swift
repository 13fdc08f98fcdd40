package import Cutover
import LosslessJSON
import Migration
import Schedules
import Settings
import Store

/// Gives pipelines back to legacy, or says what that would do. Needs the legacy systems alone: neither Airflow, nor Bailey's own state, nor
/// the mappings.
package struct RollingBack: Sendable {
    private let workspace: Workspace
    private let store: StateStore
    private let bridges: [any Bridge]
    private let request: RollbackRequest
    private let executes: Bool

    /// Opens what there is.
    ///
    /// - Throws: `StoreError` if not even a substitute for Bailey's own state can be made.
    package init(_ workspace: Workspace, _ request: RollbackRequest, executes: Bool) throws {
        self.workspace = workspace
        let store = try workspace.storeOrSubstitute()
        self.store = store
        bridges = workspace.bridges(store)
        self.request = request
        self.executes = executes
    }

    /// By what an administrator gives jobs of a pipeline back without Bailey.
    ///
    /// - Throws: `OperationFailure` if it has taken none.
    package func scripts(_ pipeline: String) async throws -> [String] {
        var scripts: [String] = []
        for crossing in try await jobs(pipeline).taken {
            if let script = try await crossing.script(.free) { scripts.append(script) }
        }
        if scripts.isEmpty {
            throw OperationFailure(.usage, "\(pipeline) has taken no job types of a queue that could be asked")
        }
        return scripts
    }

    /// Gives back all of some pipelines.
    ///
    /// - Throws: an error of a legacy system of which nothing could be learnt.
    package func run(_ pipelines: [String]) async throws -> OwnershipReport {
        var reports: [CrossingReport] = []
        for pipeline in pipelines { reports += try await run(pipeline) }
        return OwnershipReport(command: "rollback", executed: executes, crossings: reports)
    }

    /// The job types that a pipeline took over, and why a queue could not be asked.
    private func jobs(_ pipeline: String) async throws -> (taken: [any Crossing], unasked: [any Error]) {
        var taken: [any Crossing] = []
        var unasked: [any Error] = []
        for bridge in bridges where bridge.cargo == .jobs {
            do {
                if let crossing = try await bridge.taken(by: pipeline) { taken.append(crossing) }
            } catch let error where !(error is CancellationError) {
                // Others are given back all the same; wrong settings of one queue keep nobody else's jobs.
                unasked.append(error)
            }
        }
        for error in unasked {
            workspace.tell("\(pipeline): job types of this queue are not given back: \(error)")
        }
        return (taken, unasked)
    }

    private func run(_ pipeline: String) async throws -> [CrossingReport] {
        let (jobs, unasked) = try await jobs(pipeline)
        var reports: [CrossingReport] = []
        for crossing in jobs { reports.append(try await giveBack(crossing)) }
        let ticks = try await ticks(pipeline)
        reports += ticks
        if !ticks.isEmpty || !jobs.isEmpty { return reports }
        // That there is no switch is not known of a queue that could not be asked.
        if let error = unasked.first { throw error }
        // Nor is it nothing where something is held that no switch knows.
        for bridge in bridges {
            guard let refusal = try await bridge.stranded(guesses: true) else { continue }
            var report = QueueReport(pipeline: pipeline, queue: bridge.source, types: [])
            report.refusals = [refusal]
            reports.append(.jobs(report))
        }
        // Where no switch can say it, nobody knows whether a person has moved it.
        if reports.isEmpty, let words = workspace.givenBackByHand(pipeline, store) {
            throw OperationFailure(.usage, words)
        }
        return try reports.isEmpty ? [.ticks(nothing(of: pipeline))] : reports
    }

    private func giveBack(_ crossing: any Crossing) async throws -> CrossingReport {
        let report = try await crossing.preview(request)
        return executes ? try await crossing.rollBack(request, report) : report
    }

    /// What became of its ticks, also of those whose switch is lost; none if it has none.
    private func ticks(_ pipeline: String) async throws -> [CrossingReport] {
        let bridges = bridges.filter { $0.cargo == .ticks }
        var (taken, unasked) = try await workspace.ticks(of: pipeline, bridges)
        var lost: (any LostCrossing)?
        let inventory = try? store.latestInventory()
        let plan = inventory.flatMap { try? workspace.plan($0) }
        let dag = plan?.pipelines.first { $0.dag.id == pipeline }?.dag
        // Where the switches are is the first place to look.
        let first = bridges.filter { $0.source == taken?.source }
        for bridge in first + bridges.filter({ $0.source != taken?.source }) where lost == nil {
            do { lost = try await bridge.lost(of: pipeline, dag, inventory, taken: taken) } catch let error
                where !(error is CancellationError) && taken != nil && bridge.source != taken?.source
            { unasked.append(error) }
        }
        guard let taken else {
            guard let lost else { return [] }
            return [.ticks(try await restore(pipeline, lost))]
        }
        var report = try await giveBack(taken)
        if let lost, case .ticks(var ticks) = report {
            ticks.take(try await restore(pipeline, lost))
            // A store that forgot its last second meanwhile may say again of the others that they are Airflow's.
            if executes, let again = try await workspace.ticks(of: pipeline, bridges).taken, !again.isResting,
                case .ticks(let rest) = try await giveBack(again)
            {
                ticks.take(rest)
            }
            report = .ticks(ticks)
        }
        var reports = [report]
        for bridge in bridges {
            do {
                for double in try await workspace.doubles(of: taken, [bridge]) {
                    reports.append(try await giveBack(double))
                }
            } catch let error where !(error is CancellationError) && bridge.source != taken.source {
                unasked.append(error)
            }
        }
        for why in Set(unasked.map { "\($0)" }).sorted() {
            workspace.tell("\(pipeline): whether it has taken over anything in this source is not known: \(why)")
        }
        return reports
    }

    /// Entries whose switch is lost.
    private func restore(_ pipeline: String, _ lost: any LostCrossing) async throws -> PipelineReport {
        var report = PipelineReport(preview: OwnershipPreview(pipeline: pipeline, source: lost.source))
        guard executes else {
            report.notes = lost.notes
            return report
        }
        if case .ticks(let restored) = try await lost.restore(.ticks(report)) { report = restored }
        return report
    }

    /// What to say where no switch is there.
    private func nothing(of pipeline: String) throws -> PipelineReport {
        var report = PipelineReport(
            nothingOf: pipeline,
            source: workspace.settings.sources.map(\.name).joined(separator: ", ")
        )
        if let note = try forgotten(pipeline) { report.notes = [note] }
        if case .finished(let at)? = try? store.retirement(pipeline: pipeline) {
            report.notes = ["its bridge was taken away at \(at.iso8601): its DAG runs by itself"]
        }
        return report
    }

    /// What to say where the journal knows of a cutover and no switch is there, and legacy's clock runs; it is written down that this was seen.
    private func forgotten(_ pipeline: String) throws -> String? {
        let journaled = try store.journaledOwnership(pipeline)
        let queues = try bridges.filter { $0.cargo == .jobs }.compactMap { bridge in
            let known = try store.journaledTypes(pipeline, queue: bridge.source)
            return known.airflows.isEmpty ? nil : (source: bridge.source, known: known)
        }
        guard journaled.isAirflows || !queues.isEmpty else { return nil }
        if executes {
            let holder = OperatorLock.Holder.current(token: "", operation: "rollback")
            let journal = Journal(
                store: store,
                pipeline: pipeline,
                operation: "rollback",
                token: "",
                by: holder.by,
                now: workspace.surroundings.now
            )
            if journaled.isAirflows { try journal.write(.forgotten, .after) }
            for queue in queues { try journal.write(.forgotten, .after, ["queue": .string(queue.source)]) }
        }
        if !journaled.isAirflows, let queue = queues.first {
            return
                "the database of \(queue.source) has come back older than the journal, which knows of a cutover of \(queue.known.airflows.joined(separator: ", ")) (\(queue.known.at?.iso8601 ?? "?")); none of their jobs is held, so legacy takes them"
        }
        return
            "its switch is gone, although the journal knows of a cutover (\(journaled.at?.iso8601 ?? "?")); its entries are there and their clock runs, so legacy owns it"
    }
}

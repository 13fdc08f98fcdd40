package import Cutover
import Legacy
package import Migration
import Postgres
import Schedules
package import Settings
package import Store

/// The job types of a pipeline that lie in one queue.
package struct QueuePart: Sendable {
    package let pipeline: String
    package let source: SourceSettings
    package let types: [String]
}

/// What the commands that move job types need of a workspace.
extension Workspace {
    /// The job types of a pipeline, by queue.
    package func queueParts(_ dag: DAGDefinition) -> [QueuePart] {
        settings.sources.filter { $0.kind == "queue" }.compactMap { source in
            let types = dag.entries.filter { $0.source == source.name }.map(\.name)
            return types.isEmpty ? nil : QueuePart(pipeline: dag.id, source: source, types: types)
        }
    }

    /// The job types that a pipeline took over, by what the queues' own switches say; and why a queue could not be asked.
    ///
    /// - Throws: `Refusal`.
    package func takenParts(_ pipeline: String) async throws -> (parts: [QueuePart], unasked: [any Error]) {
        var parts: [QueuePart] = []
        var unasked: [any Error] = []
        for source in settings.sources where source.kind == "queue" {
            let queue = try queue(source)
            // A table that can only be read was never moved.
            guard queue.layout.hold != nil else { continue }
            do {
                let types = try await QueueSwitch(queue).types(of: pipeline)
                if !types.isEmpty { parts.append(QueuePart(pipeline: pipeline, source: source, types: types)) }
            } catch let error where error is PostgresError || error is Refusal {
                unasked.append(error)
            }
        }
        return (parts, unasked)
    }

    /// Why rows of a queue that are held for nobody are an error; nil if there are none, or the table can only be read. A queue that cannot be
    /// asked is another's to tell of.
    ///
    /// - Parameter guesses: whether rows count that only look as if they were held.
    package func stranded(_ source: SourceSettings, guesses: Bool = false) async -> Refusal? {
        guard source.kind == "queue", let queue = try? queue(source), queue.layout.hold != nil,
            let connected = try? await QueueSwitch(queue)
        else { return nil }
        do {
            return try await connected.strandedError("looking for rows that are held for nobody", guesses: guesses)
        } catch {
            return error as? Refusal
        }
    }

    /// What operations on a queue need.
    func queueSurroundings(_ journal: Journal, tell: @escaping @Sendable (QueueProgress) -> Void) -> QueueSurroundings {
        let start = ContinuousClock.now
        return QueueSurroundings(
            journal: journal,
            progress: tell,
            seconds: {
                let elapsed = start.duration(to: .now)
                return Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
            },
            wait: { try await surroundings.sleep(0.2) }
        )
    }

    /// A journal for looking only: nothing is written to it.
    package func previewJournal(_ pipeline: String, store: StateStore) -> Journal {
        Journal(store: store, pipeline: pipeline, operation: "preview", token: "", by: "", now: surroundings.now)
    }
}

extension QueuePart {
    /// What a cutover would do.
    package func cutoverReport(_ workspace: Workspace, _ store: StateStore, share: Int) async throws -> QueueReport {
        var report = QueueReport(pipeline: pipeline, queue: source.name, types: types)
        do {
            try refuseRetired(store)
            let plan = try await cutover(workspace, workspace.previewJournal(pipeline, store: store), share: share)
                .plan()
            report.plan = plan
            report.standings = plan.standings
            report.refusals = plan.refusals
        } catch let error as Refusal {
            report.refusals = [error]
        }
        return report
    }

    /// Moves the types, and writes into the report what came of it.
    package func cutOver(
        _ workspace: Workspace,
        _ store: StateStore,
        share: Int,
        roles: [String],
        limit: Double,
        _ report: inout QueueReport
    ) async throws {
        do {
            try refuseRetired(store)
            let plan = try await workspace.session(pipeline, "cutover", store: store).run { journal in
                let cutover = try await cutover(workspace, journal, share: share)
                try await cutover.execute(try await cutover.plan(), roles: roles, limit: limit)
                return try await cutover.plan()
            }
            report.standings = plan.standings
            report.outcome = "done"
        } catch let error as Refusal {
            report.outcome = "refused"
            report.refusals = [error]
        }
    }

    /// Refuses a pipeline whose bridge was taken away: with the queue's last type its switch is gone too, and only Bailey's own state knows.
    private func refuseRetired(_ store: StateStore) throws {
        guard case .finished? = try store.retirement(pipeline: pipeline) else { return }
        throw Refusal(retired: types, of: pipeline, queue: source.name, operation: "cutting over")
    }

    /// What a rollback would do.
    package func rollbackReport(_ workspace: Workspace, _ store: StateStore) async throws -> QueueReport {
        var report = QueueReport(pipeline: pipeline, queue: source.name, types: types)
        do {
            let plan = try await rollback(workspace, workspace.previewJournal(pipeline, store: store)).plan()
            (report.standings, report.claims) = (plan.standings, plan.claims)
        } catch let error as Refusal {
            report.refusals = [error]
        }
        return report
    }

    /// Gives the types back, and writes into the report what came of it.
    package func rollBack(_ workspace: Workspace, _ store: StateStore, deadRuns: [String], _ report: inout QueueReport)
        async throws
    {
        do {
            let left = try await workspace.session(pipeline, "rollback", store: store).run { journal in
                try await rollback(workspace, journal).execute(deadRuns: deadRuns, limit: 30)
            }
            report.outcome = "done"
            let after = try await rollback(workspace, workspace.previewJournal(pipeline, store: store)).plan()
            (report.standings, report.claims) = (after.standings, after.claims)
            report.unswept = left
        } catch let error as Refusal {
            report.outcome = "refused"
            report.refusals = [error]
        }
    }

    private func cutover(_ workspace: Workspace, _ journal: Journal, share: Int) async throws -> QueueCutover {
        QueueCutover(
            queue: try await QueueSwitch(workspace.queue(source)),
            types: types,
            pipeline: pipeline,
            share: share,
            surroundings: workspace.queueSurroundings(journal) { workspace.tell("\(pipeline): \($0.line)") }
        )
    }

    private func rollback(_ workspace: Workspace, _ journal: Journal) async throws -> QueueRollback {
        QueueRollback(
            queue: try await QueueSwitch(workspace.queue(source)),
            types: types,
            pipeline: pipeline,
            surroundings: workspace.queueSurroundings(journal) { workspace.tell("\(pipeline): \($0.line)") }
        )
    }
}

extension QueueProgress {
    /// The step for people.
    package var line: String {
        switch self {
        case .installed: "install: schema bailey and the triggers are in place"
        case .closed(let type, let fence): "close: \(type): new jobs are held (fence \(fence))"
        case .held(let type, let count): "hold: \(type): \(count) waiting jobs are held"
        case .waiting(let type, let reason, let amount):
            switch reason {
            case .pending: "settle: \(type): waiting for \(amount) jobs that somebody has locked …"
            case .transactions: "settle: \(type): waiting for transactions that began before …"
            case .running: "settle: \(type): waiting for \(amount) jobs that legacy runs …"
            case .pause: "settle: \(type): waiting until the workers have paused for \(amount) s more …"
            }
        case .settled(let type): "settle: \(type): DAG runs take its jobs from now on"
        case .released(let type, let count): "give-back: \(type): \(count) jobs wait for legacy again"
        case .returned(let type, let count): "give-back: \(type): \(count) jobs of dead runs"
        case .blocked(let rest):
            "give-back: \(rest.type): waiting for \(rest.held) jobs that are locked by \(rest.blockers.map(\.text).joined(separator: "; ")) …"
        case .swept(let type): "give-back: \(type): no transaction can hold a job any more"
        }
    }
}

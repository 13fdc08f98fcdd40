import Airflow
import Cutover
import LosslessJSON
package import Migration
import Settings
import Store

/// A complete cutover and rollback of what a pipeline's crossings try it on, each step timed, and what Airflow says of its DAG.
package struct Rehearsing: Sendable {
    private let workspace: Workspace
    private let store: StateStore
    private let planned: PlannedPipeline
    private let crossings: [any Crossing]
    /// Who sends for the pipeline's Celery tasks.
    private let senders: CelerySenders

    private var pipeline: String { planned.dag.id }
    private var policy: CutoverPolicy { planned.policy }

    /// One of a pipeline of the plan.
    ///
    /// - Throws: `OperationFailure` if there is no such pipeline or it has nothing that can be moved, `Refusal`, or an error of Bailey's own state.
    package init(_ workspace: Workspace, _ pipeline: String) throws {
        self.workspace = workspace
        store = try workspace.store()
        let inventory = try workspace.inventory()
        planned = try workspace.chosen([pipeline], of: workspace.plan(inventory))[0]
        crossings = try workspace.crossings(of: planned.dag, inventory, workspace.bridges(store))
        senders = CelerySenders(workspace, planned.dag, inventory)
        guard !crossings.isEmpty else {
            throw OperationFailure(
                .usage,
                "the pipeline \(pipeline) has neither entries nor job types of a source with a bridge"
            )
        }
    }

    /// What it would do, a sentence each.
    package var words: [String] {
        var words = crossings.map { "Would \($0.rehearsalWords)." }
        guard !senders.senders.isEmpty else { return words }
        if policy.messageParity.required, policy.messageParity.fires {
            let names = senders.senders.map { "“\($0.call.task)”" }.joined(separator: ", ")
            words.append(
                "Would let beat fire a copy of \(names), and send the DAG's, each into a queue that nobody consumes, and compare both."
            )
        }
        if policy.roundTripRequired {
            words.append(
                "Would send celery.accumulate, which does nothing, to the live workers the way of each task, and wait for the answer."
            )
        }
        return words
    }

    /// Does it, and keeps what came of it.
    ///
    /// - Throws: what keeps it from being tried; what fails once it has begun is a failed step.
    package func run() async throws -> Rehearsal {
        var rehearsal = Rehearsal(pipeline: pipeline, at: workspace.surroundings.now(), steps: [])
        for crossing in crossings {
            let (began, at) = (rehearsal, rehearsal.at)
            let tried = try await workspace.session(pipeline, "rehearse", store: store).run { journal in
                try await crossing.rehearsing(journal) { try await run($0, crossing, began) }
            }
            if let tried {
                rehearsal = tried
                rehearsal.at = at
            } else {
                rehearsal.steps.append(try await look(crossing))
            }
        }
        if try workspace.airflowAccess() != nil {
            let step: (Bool, String) =
                switch await workspace.deployments([pipeline])[pipeline] {
                case .running(let what)?: (true, what)
                case .faulty(let what)?, .unknown(let what)?: (false, what)
                case nil: (false, "nobody asked")
                }
            rehearsal.steps.append(Rehearsal.Step(name: "airflow", seconds: 0, passed: step.0, detail: step.1))
        }
        try store.save(rehearsal)
        return rehearsal
    }

    private func run(_ work: any CrossingRehearsal, _ crossing: any Crossing, _ began: Rehearsal) async throws
        -> Rehearsal
    {
        let left = try await work.sweep()
        if left > 0 { workspace.tell("\(pipeline): removed \(left) keys that a broken-off rehearsal had left") }
        let remover = try await work.sendsElsewhere() ? try await broker(of: crossing.source) : nil
        var rehearsal = began
        let steps = RehearsalSteps(pipeline, tell: workspace.surroundings.tell)
        do {
            try await messages(work, crossing, &rehearsal)
            try await work.run(steps, remove: remover)
            rehearsal.steps += steps.steps
        } catch let error as CancellationError {
            throw error
        } catch {
            rehearsal.steps += steps.steps
            rehearsal.steps.append(Rehearsal.Step(name: "end", seconds: 0, passed: false, detail: "\(error)"))
        }
        return rehearsal
    }

    /// What can be looked at of a crossing of which nothing can be tried.
    private func look(_ crossing: any Crossing) async throws -> Rehearsal.Step {
        let start = ContinuousClock.now
        let report = try await crossing.preview(CutoverRequest()).report
        let isJobs = crossing.cargo == .jobs
        let holds =
            isJobs ? "its jobs can be held, by rights, constraints and triggers" : "a cutover would move its entries"
        return Rehearsal.Step(
            name: "\(isJobs ? "queue" : "entries of") \(crossing.source)",
            seconds: start.elapsedSeconds,
            passed: report.holds,
            detail: report.firstRefusal?.found ?? holds
        )
    }

    /// Compares messages and sends something there and back. What fails here keeps nothing else from being tried.
    private func messages(_ work: any CrossingRehearsal, _ crossing: any Crossing, _ rehearsal: inout Rehearsal)
        async throws
    {
        if policy.messageParity.required, senders.senders.contains(where: { $0.entry != nil }) {
            let start = ContinuousClock.now
            workspace.tell("\(pipeline): rehearsal: messages …")
            let proving = MessageProving(
                workspace: workspace,
                source: crossing.source,
                pipeline: pipeline,
                rehearsal: work,
                senders: senders,
                fires: policy.messageParity.fires
            )
            let longest = workspace.settings.sources.first { $0.name == crossing.source }?.maxInterval ?? 0
            rehearsal.messages = try await proving.run(at: rehearsal.at, patience: Double(longest) + 30)
            for found in rehearsal.messages {
                rehearsal.steps.append(found.step(start.elapsedSeconds, ignoring: policy.messageParity.ignored))
            }
        }
        guard policy.roundTripRequired, !senders.senders.isEmpty else { return }
        let start = ContinuousClock.now
        workspace.tell("\(pipeline): rehearsal: round trip …")
        rehearsal.roundTrips = try await senders.roundTrips()
        for trip in rehearsal.roundTrips {
            rehearsal.steps.append(
                Rehearsal.Step(
                    name: "round trip \(trip.task)",
                    seconds: start.elapsedSeconds,
                    passed: trip.cameBack,
                    detail: trip.text
                )
            )
        }
    }

    /// What takes a copy's messages away where they go to another broker.
    private func broker(of source: String) async throws -> @Sendable (String) async throws -> Void {
        let words =
            "the source \(source) does not carry Celery's messages (there is no _kombu.binding.* in it): what a copy sends could not be taken away again"
        guard let sender = senders.senders.first(where: { $0.call.source == source }) else {
            throw OperationFailure(.doesNotHold, words)
        }
        do {
            let (program, request) = (try await senders.program(sender.call), try senders.request(sender.call))
            // Of a broker that nobody said to be elsewhere nothing is known.
            let isNamed = workspace.settings.sources.contains { $0.name == source && $0.brokerURL != nil }
            guard isNamed || sender.call.sending.app != nil else {
                throw OperationFailure(.doesNotHold, "its “broker_url” is not written")
            }
            return { name in
                var request = request
                request["do"] = "remove"
                request["names"] = [.string(name)]
                _ = try await program.answer(.object(request), seconds: 60)
            }
        } catch let error as CancellationError {
            throw error
        } catch {
            throw OperationFailure(.doesNotHold, "\(words): \(error)")
        }
    }
}

extension MessageComparison {
    /// It as a step of a rehearsal.
    fileprivate func step(_ seconds: Double, ignoring ignored: Set<String>) -> Rehearsal.Step {
        let counted = differences.filter { !ignored.contains($0.property) }
        let passed: Bool
        switch verdict {
        case .same, .offline: passed = true
        case .different: passed = counted.isEmpty
        case .failed: passed = false
        }
        let first = counted.first.map { ": \($0.property) is \($0.dag), beat's is \($0.beat)" } ?? ""
        let words = counted.isEmpty ? self.words : "\(counted.count) properties differ\(first)"
        return Rehearsal.Step(name: "message \(task)", seconds: seconds, passed: passed, detail: words)
    }
}

import Airflow
import Cutover
import LosslessJSON
package import Migration
import Reports
package import Schedules
import Store

/// Lets Airflow own the ticks of a pipeline without a legacy side from a date on, or ends that.
///
/// What Airflow owns stands in a variable of that Airflow (`LaunchRecord`), where the gates of its runs read it.
package struct Launching: Sendable {
    /// What is asked for.
    package enum Request: Sendable, Hashable {
        /// Own the ticks from an instant on; from now if none is given.
        case launch(from: Instant?)
        /// Own none from now on.
        case stop
    }

    private let workspace: Workspace
    private let store: StateStore
    private let plan: Plan
    private let pipeline: PlannedPipeline

    /// Looks up the pipeline.
    ///
    /// - Throws: `OperationFailure` if there is none, or it has a legacy side; `StoreError`.
    package init(_ workspace: Workspace, _ name: String) throws {
        self.workspace = workspace
        store = try workspace.store()
        plan = try workspace.plan(try workspace.inventory())
        guard let found = try workspace.chosen([name], of: plan).first else {
            throw OperationFailure(.usage, "there is no pipeline “\(name)”")
        }
        if !Workspace.isOwn(found.dag) {
            let entries = found.dag.entries.map(\.description).joined(separator: ", ")
            throw OperationFailure(
                .usage,
                "\(name) stands for legacy entries (\(entries)), so bailey cutover moves it; bailey launch is for pipelines without a legacy side"
            )
        }
        if found.dag.clock.schedule == nil, found.dag.clock.assets.isEmpty {
            throw OperationFailure(
                .usage,
                "\(name) has no schedule, so there are no ticks to own; who starts a run in Airflow chooses by bailey_mode whether it is live"
            )
        }
        pipeline = found
    }

    private var id: String { pipeline.dag.id }

    /// Looks, and does it if asked to.
    ///
    /// - Throws: `AirflowError`, `StoreError`, `OperationFailure`, or `Refusal` if somebody else is at work on the pipeline.
    package func run(_ request: Request, executes: Bool, override: PolicyOverride?) async throws -> LaunchReport {
        if case .launch(let from?) = request, from < workspace.surroundings.now() {
            throw OperationFailure(
                .usage,
                "--from \(from.iso8601) has passed; ticks of the past are run by bailey backfill \(id)"
            )
        }
        return try await workspace.withAirflow("launch") { client in
            let trials = pipeline.policy.launch.trialRuns
            let state = await LaunchState(id, newest: max(20, trials * 2), trials: trials, client)
            var report = LaunchReport(pipeline: id, request: request, airflow: client.address)
            // Not known is not the same as not launched.
            if case .unknown = state.record { _ = try await LaunchState.record(id, client) }
            report.before = state.record.value ?? nil
            let now = workspace.surroundings.now()
            let next = pipeline.dag.clock.timetable?.next(after: now, anchor: nil)
            report.nextTick = next
            switch request {
            case .launch(let from):
                if let open = report.before?.open, open.from <= from ?? now {
                    report.outcome = .already
                    return report
                }
                let dag = try await client.dag(id)
                var deployment = Workspace.deployment(dag, id, client.address)
                if state.isGated == false {
                    deployment = .faulty(
                        "the DAG \(id) there has no gate, so each of its ticks runs already; generate it with its gate, and deploy it"
                    )
                }
                let evidence = LaunchEvidence(
                    pipeline: id,
                    now: now,
                    findings: plan.findingsByPipeline()[id] ?? [],
                    deployment: deployment,
                    trials: state.trials,
                    nextTick: next
                )
                let policy = pipeline.policy.evaluate(evidence, override: override)
                report.policy = policy
                report.from = from ?? now
                guard executes, policy.permits else {
                    report.outcome = policy.permits ? .would : .refused
                    return report
                }
            case .stop:
                guard report.before?.windows.contains(where: { $0.until.map { $0 > now } ?? true }) == true else {
                    report.outcome = .already
                    return report
                }
                guard executes else {
                    report.outcome = .would
                    return report
                }
            }
            return try await perform(report, client)
        }
    }

    /// Writes the variable, with a line in the journal before and after it, and reads it back.
    private func perform(_ report: LaunchReport, _ client: AirflowClient) async throws -> LaunchReport {
        let session = OperatorSession(
            store: store,
            pipeline: id,
            operation: "launch",
            now: workspace.surroundings.now,
            sleep: workspace.surroundings.sleep,
            note: workspace.tell
        )
        let id = id
        let workspace = workspace
        return try await session.run { journal in
            var report = report
            let now = workspace.surroundings.now()
            if let policy = report.policy {
                try journal.write(.policy, .after, policy.json)
            }
            // Somebody may have changed it since it was looked at.
            var record =
                try await LaunchState.record(id, client)
                ?? LaunchRecord(windows: [], by: journal.by, at: now, session: journal.token)
            let before = record
            switch report.request {
            case .launch(let from):
                report.from = from ?? now
                record.launch(from: from ?? now)
            case .stop:
                report.until = now
                record.stop(at: now)
            }
            (record.by, record.at, record.session) = (journal.by, now, journal.token)
            try await LaunchState.write(
                record,
                over: before,
                of: id,
                report.request == .stop ? .stop : .launch,
                journal,
                client
            )
            report.after = record
            report.outcome = .done
            return report
        }
    }
}

extension LaunchState {
    /// Writes the variable, journaled, and reads back that it is there.
    ///
    /// - Throws: `AirflowError`, `StoreError`, or `OperationFailure` if another text was read.
    static func write(
        _ record: LaunchRecord,
        over before: LaunchRecord,
        of pipeline: String,
        _ step: JournalStep,
        _ journal: Journal,
        _ client: AirflowClient
    ) async throws {
        let key = LaunchRecord.key(pipeline)
        try await journal.step(
            step,
            [
                "variable": .string(key), "airflow": .string(client.address), "before": before.json,
                "after": record.json,
            ],
            outcome: { (read: LaunchRecord) in ["read": read.json] }
        ) {
            try await client.set(
                variable: key,
                value: record.text,
                note: "Which ticks of \(pipeline) Airflow owns; written by bailey launch. Without it none."
            )
            guard let read = try await LaunchState.record(pipeline, client), read.windows == record.windows else {
                throw OperationFailure(
                    .doesNotHold,
                    "the variable “\(key)” was written and another was read; is somebody else launching \(pipeline) with a state of Bailey's of their own? Run the command again"
                )
            }
            return read
        }
    }
}

import Airflow
import Cutover
import LosslessJSON
import Migration
package import Schedules
import Store

/// Runs ticks of the past in Airflow, each once.
package struct Backfilling: Sendable {
    /// What is asked for.
    package struct Request: Sendable {
        /// The first moment whose tick is run, and the last; the ticks of a last day belong to it.
        package var from: Moment
        package var to: Moment
        /// How many runs may be under way at once.
        package var parallel: Int
        /// Ticks that are run although legacy ran them, or may have.
        package var named: Set<Instant>
        /// Seconds that it may take until all runs are over.
        package var seconds: Double

        package init(from: Moment, to: Moment, parallel: Int, named: Set<Instant>, seconds: Double) {
            self.from = from
            self.to = to
            self.parallel = parallel
            self.named = named
            self.seconds = seconds
        }
    }

    /// An instant, or a day in the pipeline's zone.
    package enum Moment: Sendable, Hashable {
        case instant(Instant)
        case day(CivilDate)

        /// Reads `2026-12-01T02:00:00Z` or `2026-12-01`; nil of anything else.
        package init?(_ text: String) {
            if let instant = Instant(iso8601: text) {
                self = .instant(instant)
            } else if text.utf8.count == 10, let midnight = Instant(iso8601: text + "T00:00:00Z") {
                self = .day(Zone.utc.local(at: midnight).date)
            } else {
                return nil
            }
        }

        /// The first instant of it.
        func beginning(in zone: Zone) -> Instant {
            switch self {
            case .instant(let instant): instant
            case .day(let day): zone.instant(of: LocalTime(wallSeconds: Int64(day.epochDay) * 86_400))
            }
        }

        /// The last.
        func end(in zone: Zone) -> Instant {
            switch self {
            case .instant(let instant): instant
            case .day(let day):
                zone.instant(of: LocalTime(wallSeconds: Int64(day.epochDay + 1) * 86_400)).adding(microseconds: -1)
            }
        }
    }

    /// The most ticks of one command.
    package static let mostTicks = 10_000

    let workspace: Workspace
    let store: StateStore
    let pipeline: PlannedPipeline
    let request: Request
    private let inventory: Inventory

    /// Looks up the pipeline.
    ///
    /// - Throws: `OperationFailure` if there is none, or it has no past ticks; `StoreError`.
    package init(_ workspace: Workspace, _ name: String, _ request: Request) throws {
        self.workspace = workspace
        self.request = request
        store = try workspace.store()
        inventory = try workspace.inventory()
        let plan = try workspace.plan(inventory)
        guard let found = try workspace.unblocked([name], of: plan).first else {
            throw OperationFailure(.usage, "there is no pipeline “\(name)”")
        }
        pipeline = found
        if found.dag.entries.contains(where: { inventory[$0]?.kind == .jobType }) {
            throw OperationFailure(
                .usage,
                "\(name) takes jobs of a queue, which are taken when they are there; there are no past ticks to run"
            )
        }
    }

    var id: String { pipeline.dag.id }

    /// Looks, and does it if asked to.
    ///
    /// - Throws: `AirflowError`, `StoreError`, `OperationFailure`, or `Refusal` if somebody else is at work on the pipeline.
    package func run(executes: Bool) async throws -> BackfillReport {
        let due = try due()
        return try await workspace.withAirflow("backfill") { client in
            var report = BackfillReport(pipeline: id, airflow: client.address, version: client.version.description)
            if case .faulty(let what) = Workspace.deployment(try await client.dag(id), id, client.address) {
                throw OperationFailure(.doesNotHold, "\(what), so that its runs would only wait; see bailey deploy")
            }
            report.ticks = try await judged(due, client)
            guard executes, report.ticks.contains(where: \.runs) else { return report }
            report.executed = true
            return try await perform(report, client)
        }
    }

    /// The ticks that are asked for.
    private func due() throws -> [Instant] {
        let now = workspace.surroundings.now()
        let clock = pipeline.dag.clock
        let zone = (try? workspace.zones.zone(clock.timezone)) ?? .utc
        let (from, to) = (request.from.beginning(in: zone), request.to.end(in: zone))
        guard from <= to else { throw OperationFailure(.usage, "--from is after --to") }
        if from > now { throw OperationFailure(.usage, "--from has not come yet; a backfill is of the past") }
        if case .interval? = clock.schedule {
            throw OperationFailure(
                .usage,
                "\(id) runs at an interval, whose ticks are counted from its last run: it has no ticks in the past but those that were run"
            )
        }
        guard let timetable = clock.timetable else {
            throw OperationFailure(.usage, "\(id) has no schedule, so it has no ticks in the past")
        }
        let ticks = timetable.ticks(after: from.adding(microseconds: -1)).prefix(Backfilling.mostTicks + 1)
            .prefix { $0 <= to && $0 < now }
        guard ticks.count <= Backfilling.mostTicks else {
            throw OperationFailure(.usage, "there are more than \(Backfilling.mostTicks) ticks between; do it in parts")
        }
        let found = Array(ticks)
        if let unknown = request.named.subtracting(found).min() {
            throw OperationFailure(
                .usage,
                "--although-legacy \(unknown.iso8601) is no tick of \(id) between --from and --to"
            )
        }
        return found
    }

    /// What is to become of each tick, by the switch, what was seen of legacy, and the runs in Airflow.
    private func judged(_ due: [Instant], _ client: AirflowClient) async throws -> [BackfillTick] {
        guard let first = due.first, let last = due.last else { return [] }
        var judge = BackfillJudge(pipeline: pipeline, record: nil, legacysLast: nil, fires: [:], named: request.named)
        if !Workspace.isOwn(pipeline.dag) { judge = try await legacySide() }
        var runs: [Instant: LaunchState.Run] = [:]
        for run in try await client.runs(id, from: first) {
            guard let tick = run.logicalDate, tick <= last else { continue }
            var one = LaunchState.Run(run: run)
            one.mode = try await client.value(id, run.id, .returned(by: "gate"))?["mode"]?.string
            runs[tick] = one
        }
        return due.map { BackfillTick(tick: $0, fate: judge.fate($0, runs[$0]), run: runs[$0]?.run.id) }
    }

    /// What is known of a pipeline's legacy side.
    ///
    /// - Throws: what cannot be read: what is not known is not run.
    private func legacySide() async throws -> BackfillJudge {
        let bridges = workspace.bridges(store).filter { $0.cargo == .ticks }
        let crossings = try workspace.crossings(of: pipeline.dag, inventory, bridges)
        var record: SwitchRecord?
        var last: Instant?
        for crossing in crossings where crossing.cargo == .ticks {
            let bridge = bridges.first { $0.source == crossing.source }
            let taken = try await bridge?.taken(by: id) ?? crossing
            guard let standing = try await bridge?.standings(of: [Look(taken)]).first?.get() else { continue }
            record = standing.record
            last = standing.lastRun
        }
        var fires: [Instant: String] = [:]
        for entry in pipeline.dag.entries {
            for fire in try store.fires(entry, limit: Backfilling.mostTicks) {
                fires[fire.tick] = fire.run ?? "at \(fire.at.iso8601)"
            }
        }
        return BackfillJudge(
            pipeline: pipeline,
            record: record,
            legacysLast: last,
            fires: fires,
            named: request.named
        )
    }

    // MARK: Doing it

    private func perform(_ report: BackfillReport, _ client: AirflowClient) async throws -> BackfillReport {
        let session = OperatorSession(
            store: store,
            pipeline: id,
            operation: "backfill",
            now: workspace.surroundings.now,
            sleep: workspace.surroundings.sleep,
            note: workspace.tell
        )
        return try await session.run { journal in
            var report = report
            try await allow(report.stretches, journal, client)
            let began = workspace.surroundings.now()
            let end = began.adding(microseconds: Int64(request.seconds * 1_000_000))
            var runs = BackfillRuns(backfilling: self, client: client, journal: journal, ticks: report.ticks, end: end)
            try await runs.make()
            report.ticks = runs.ticks
            report.seconds = workspace.surroundings.now().seconds(since: began)
            try journal.write(.backfill, .after, report.json)
            return report
        }
    }

    /// Lets the gates run these ticks live: the variable of the launch gets a window for each stretch.
    private func allow(_ stretches: [ClosedRange<Instant>], _ journal: Journal, _ client: AirflowClient) async throws {
        var record =
            try await LaunchState.record(id, client)
            ?? LaunchRecord(windows: [], by: journal.by, at: workspace.surroundings.now(), session: journal.token)
        let before = record
        for stretch in stretches {
            record.allow(from: stretch.lowerBound, until: stretch.upperBound.adding(microseconds: 1))
        }
        guard record.windows != before.windows else { return }
        (record.by, record.at, record.session) = (journal.by, workspace.surroundings.now(), journal.token)
        try await LaunchState.write(record, over: before, of: id, .backfill, journal, client)
    }
}

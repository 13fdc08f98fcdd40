import LosslessJSON
import Migration
import Schedules
import Store

/// The entries of one pipeline in one source, which move together.
struct DjangoBeatCrossing: Crossing {
    let bridge: DjangoBeatBridge
    let pipeline: String
    let members: [String]
    /// The entries as they were planned; nil where only the switch is known.
    let group: DjangoBeatGroup?

    var source: String { bridge.source }
    var cargo: Cargo { .ticks }

    var surroundings: BridgeSurroundings { bridge.surroundings }

    func engine(_ journal: Journal, tell: @escaping @Sendable (CutoverProgress) -> Void = { _ in }) async throws
        -> DjangoBeatEngine
    {
        DjangoBeatEngine(
            connection: try await bridge.connected(),
            pipeline: pipeline,
            journal: journal,
            longest: bridge.longest,
            now: surroundings.around.now,
            sleep: surroundings.around.sleep,
            tell: tell
        )
    }

    private var unplanned: Refusal {
        Refusal(
            .notImported,
            "the entries of \(pipeline) in \(source) are not in the plan",
            "Run bailey import, then look at the plan again"
        )
    }

    // MARK: Looking

    func preview(_ request: CutoverRequest) async throws -> CutoverPreview {
        guard let group else { throw unplanned }
        let engine = try await engine(surroundings.previewJournal(pipeline))
        var report = try await look(engine)
        report.preview.checks = try await engine.checks(group, request)
        let start = max(request.at?.adding(microseconds: -1) ?? .earliest, try await engine.connection.status([]).now)
        report.preview.ticks =
            group.timetable.map { Array($0.ticks(after: start).prefix(min(5, request.ticks ?? 5))) } ?? []
        let standing = bridge.standing(
            pipeline,
            try await engine.connection.status([pipeline]),
            timetable: nil,
            isGuarded: true
        )
        return CutoverPreview(
            report: .ticks(report),
            gate: standing.gate,
            durability: try await bridge.durability()
        )
    }

    func preview(_ request: RollbackRequest) async throws -> CrossingReport {
        let engine = try await engine(surroundings.previewJournal(pipeline))
        var report = try await look(engine)
        if let refusal = try await engine.retirementUnderWay() {
            report.preview.checks.append(Check("not being retired", refusal.found, refusal: refusal))
        }
        return .ticks(report)
    }

    private func look(_ engine: DjangoBeatEngine) async throws -> PipelineReport {
        let status = try await engine.connection.status([pipeline], claims: 5)
        let found = status.pipelines[pipeline]
        var preview = OwnershipPreview(pipeline: pipeline, source: source)
        preview.entries = members.enumerated().map { index, name in
            let entry = found?.entries.first { $0.name == name }
            let last = [entry?.lastRun, found?.record?.lastClaim].compactMap { $0 }.max()
            let planned = group?.entries.first { $0.id.name == name }
            return OwnershipPreview.Entry(
                key: name,
                drives: index == 0 && (found?.record?.hasEntryClock ?? group?.hasEntryClock ?? false),
                state: found?.state ?? .legacy,
                lastRun: last,
                nextDue: planned.flatMap {
                    $0.isEnabled ? $0.schedule.next(after: last ?? status.now, in: $0.zone) : nil
                }
            )
        }
        if let record = found?.record, record.state != .legacy {
            preview.from = record.lastClaim?.adding(microseconds: 1) ?? record.windows.last?.from
            preview.claims = record.claims
        }
        preview.longestFence = engine.longest * 2
        return PipelineReport(preview: preview)
    }

    // MARK: Doing

    /// Works under the pipeline's lock with an engine, and keeps how long each step took.
    private func work<Value: Sendable>(
        _ operation: String,
        _ report: inout PipelineReport,
        _ body: @escaping @Sendable (DjangoBeatEngine) async throws -> Value
    ) async throws -> Value {
        let stopwatch = Stopwatch(name: pipeline, tell: surroundings.around.tell)
        let value = try await surroundings.session(pipeline, operation).run { journal in
            try await body(try await engine(journal, tell: { stopwatch.note($0) }))
        }
        report.seconds = stopwatch.seconds
        return value
    }

    func cutOver(_ request: CutoverRequest, _ report: CrossingReport) async throws -> CrossingReport {
        guard let group, case .ticks(var report) = report else { throw unplanned }
        do {
            let outcome = try await work("cutover", &report) { engine in
                let outcome = try await engine.cutOver(group, request)
                if let from = outcome.from, request.claims > 0 {
                    try await engine.firstClaims(request.claims, from: from)
                }
                return outcome
            }
            (report.outcome, report.from) = (outcome.word, outcome.from)
        } catch let refusal as Refusal {
            (report.outcome, report.refusal) = ("refused", refusal)
        }
        report.preview.entries = try await look(engine(surroundings.previewJournal(pipeline))).preview.entries
        return .ticks(report)
    }

    func rollBack(_ request: RollbackRequest, _ report: CrossingReport) async throws -> CrossingReport {
        guard case .ticks(var report) = report else { throw unplanned }
        do {
            let answer = try await work("rollback", &report) { engine in
                if let why = request.why { try engine.journal.write(.watch, .after, ["why": .string(why)]) }
                return try await engine.giveBack(fence: request.fence, recreates: request.recreates)
            }
            report.outcome = answer == nil ? "nothing" : "done"
            report.givenBackAt = answer?["at"].instant
            let gone = answer?["gone"]?.array?.compactMap(\.string) ?? []
            report.gone = gone.count
            report.notes += gone.map {
                request.recreates
                    ? "\($0) had been deleted; it is written anew"
                    : "\($0) had been deleted by the application, so nothing was given back; --recreate writes it anew"
            }
            report.notes += (answer?["redefined"]?.array ?? []).compactMap(\.string).map {
                "\($0) keeps the definition that the application wrote while Airflow owned it"
            }
        } catch let refusal as Refusal {
            (report.outcome, report.refusal) = ("refused", refusal)
        }
        if !report.preview.entries.isEmpty {
            report.preview.entries = try await look(engine(surroundings.previewJournal(pipeline))).preview.entries
        }
        return .ticks(report)
    }

    func heal(_ standing: CrossingStanding) async throws -> [BridgeNotice] {
        guard let record = standing.record, record.state != .legacy else { return [] }
        let healed = try await surroundings.session(pipeline, "watch").run { journal in
            try await engine(
                journal,
                tell: { [surroundings, pipeline] in
                    if let line = $0.line { surroundings.around.tell("\(pipeline): \(line)") }
                }
            ).heal()
        }
        let identity = "\(pipeline) \(record.fence)"
        switch healed {
        case .sound: return []
        case .ended:
            return [BridgeNotice("ended", identity, .info, "Airflow's window has ended; legacy has its clock again.")]
        case .undone:
            let text = "A cutover that was broken off could not be completed; legacy has its clock again."
            return [BridgeNotice("undone", identity, .warning, text)]
        case .settled:
            let text = "A cutover that was broken off is completed: Airflow owns the ticks."
            return [BridgeNotice("settled", identity, .info, text)]
        case .parked:
            let text =
                "Something had enabled the entry while Airflow owns it; it is closed again. What legacy fired meanwhile stays its own."
            return [BridgeNotice("healed", identity, .warning, text)]
        }
    }
}

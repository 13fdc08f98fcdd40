import Legacy
import LosslessJSON
public import Migration
import Redis
import Schedules
public import Store

/// The RedBeat entries of one pipeline, which move together.
public struct RedBeatCrossing: Crossing {
    let bridge: RedBeatBridge
    public let pipeline: String
    /// The entries' keys, the deciding one first.
    public let keys: RedBeatKeys
    /// The entries as they were planned; nil where only their switches are known.
    let group: RedBeatGroup?
    public var isResting = false

    public var source: String { bridge.source }
    public var cargo: Cargo { .ticks }
    public var location: String { (try? bridge.address).map { "\($0.place)/\($0.database)" } ?? source }
    public var store: String { "Redis" }
    public var members: [String] { keys.entries.map { String(decoding: $0, as: UTF8.self) } }

    private var surroundings: BridgeSurroundings { bridge.surroundings }

    // MARK: Looking

    public func preview(_ request: CutoverRequest) async throws -> CutoverPreview {
        guard let group else { throw unplanned }
        return try await bridge.withEngine(keys, try surroundings.previewJournal(pipeline)) { engine in
            let preview = try await CutoverOperation(engine: engine, group: group, request: request).preview()
            let gate =
                preview.entries.isEmpty
                ? .unknown("the switch cannot be asked") : try await engine.redbeat.status().gate(of: pipeline)
            return CutoverPreview(
                report: .ticks(PipelineReport(preview: preview)),
                gate: gate,
                durability: try await engine.redbeat.durability().evidence
            )
        }
    }

    public func preview(_ request: RollbackRequest) async throws -> CrossingReport {
        try await bridge.withEngine(keys, try surroundings.previewJournal(pipeline)) { engine in
            let operation = RollbackOperation(engine: engine, recreates: request.recreates)
            var report = PipelineReport(
                preview: try await operation.preview(pipeline: pipeline, place: bridge.place)
            )
            report.notes = report.preview.entries.filter(\.isGone).map {
                request.recreates
                    ? "\($0.key) was deleted by the application: it is written anew"
                    : "\($0.key) was deleted by the application: nothing goes back of it; --recreate writes it anew"
            }
            return .ticks(report)
        }
    }

    /// What a cutover is told where only switches are known: nothing says what was planned.
    private var unplanned: Refusal {
        Refusal(
            .notImported,
            "the entries of \(pipeline) in \(source) are not in the plan",
            "Run bailey import, then look at the plan again"
        )
    }

    func standing(_ status: SwitchStatus, timetable: AirflowTimetable?, isJournaled: Bool = true) -> CrossingStanding {
        let lead = status.entries.first
        let record = lead?.record
        var standing = CrossingStanding(
            now: status.now,
            state: status.state,
            isLegacys: status.entries.allSatisfy { $0.state == .legacy },
            fence: record.map { "\($0.fence)" } ?? ""
        )
        standing.record = record
        let meta = lead?.state == .airflow ? lead?.kept.meta : lead?.meta
        standing.lastRun = ((try? RedBeatBytes.lastRun(meta, zones: surroundings.zones)) ?? nil)?.instant
        standing.ownTimetable = lead.flatMap(ownTimetable)
        standing.gate = status.gate(of: pipeline)
        let isClosing = status.entries.contains { $0.state == .closing }
        standing.isReopened = status.entries.contains { $0.isUnparked || $0.isRewritten }
        standing.isHealable = isClosing || standing.isReopened
        standing.isRetiring = record?.isRetiring == true
        let settled = record?.settledAt?.iso8601 ?? ""
        standing.troubles = status.disorders(of: pipeline, timetable: timetable, names: members).map {
            $0.notice(pipeline, settled: settled)
        }
        if isJournaled, let journaled = surroundings.journaled(pipeline) {
            standing.forgotten = journaled.forgotten(by: status)
            standing.journaledAt = journaled.at
        }
        return standing
    }

    /// When the DAG is due by the definition that the switch keeps; nil where it does not tell.
    private func ownTimetable(_ lead: EntryStatus) -> AirflowTimetable? {
        guard lead.record?.hasEntryClock == true,
            let definition = lead.kept.definition.flatMap({ try? JSON(parsing: $0) }),
            let schedule = definition["schedule"].flatMap({ try? Schedule(redbeat: $0) }),
            let ran = (try? RedBeatBytes.lastRun(lead.kept.meta, zones: surroundings.zones)) ?? nil
        else { return nil }
        // The ticks of an interval stand on a grid that only the plan knows.
        if case .interval = schedule { return nil }
        return .exact(schedule, zone: ran.zone)
    }

    public func askedFor(_ runs: [String]) async throws -> Set<String> {
        // What the DAG sends to the workers has a mark of its own beside the queue.
        let asked = runs.map { RedisCommand("EXISTS", "bailey:sent:\($0)") }
        let sent = try await RedisConnection.use(try bridge.address) { try await $0.read(asked) }
        return Set(zip(runs, sent).filter { $1.int != 0 }.map(\.0))
    }

    // MARK: Taking the bridge away

    public func retiring<Value>(_ journal: Journal?, _ body: (RetiringWork) async throws -> Value) async throws
        -> Value?
    {
        let journal = try journal ?? surroundings.previewJournal(pipeline)
        return try await bridge.withEngine(keys, journal) { engine in
            try await body(.ticks(RetireOperation(engine: engine, crossing: self)))
        }
    }

    // MARK: Doing

    /// Works under the pipeline's lock with an engine, and keeps how long each step took.
    private func work<Value: Sendable>(
        _ operation: String,
        _ report: inout PipelineReport,
        _ body: @escaping @Sendable (CutoverEngine, Journal) async throws -> Value
    ) async throws -> Value {
        let stopwatch = Stopwatch(name: pipeline, tell: surroundings.around.tell)
        let (bridge, keys) = (bridge, keys)
        let value = try await surroundings.session(pipeline, operation).run { journal in
            try await bridge.withEngine(keys, journal, tell: { stopwatch.note($0) }) { try await body($0, journal) }
        }
        report.seconds = stopwatch.seconds
        return value
    }

    public func cutOver(_ request: CutoverRequest, _ report: CrossingReport) async throws -> CrossingReport {
        guard let group, case .ticks(var report) = report else { throw unplanned }
        do {
            let (pipeline, surroundings) = (pipeline, surroundings)
            let outcome = try await work("cutover", &report) { engine, _ in
                if let journaled = surroundings.journaled(pipeline) { try await engine.mendForgotten(journaled) }
                let outcome = try await CutoverOperation(engine: engine, group: group, request: request).run()
                if let from = outcome.from, request.claims > 0 {
                    try await engine.firstClaims(request.claims, from: from)
                }
                return outcome
            }
            report.outcome = outcome.word
            report.from = outcome.from
        } catch let refusal as Refusal {
            report.outcome = "refused"
            report.refusal = refusal
        }
        if case .ticks(let now) = try await preview(request).report { report.preview.entries = now.preview.entries }
        return .ticks(report)
    }

    public func rollBack(_ request: RollbackRequest, _ report: CrossingReport) async throws -> CrossingReport {
        guard case .ticks(var report) = report else { throw unplanned }
        do {
            let outcome = try await work("rollback", &report) { engine, journal in
                if let why = request.why { try journal.write(.watch, .after, ["why": .string(why)]) }
                if let fence = request.fence {
                    // Between the look and the lock somebody may have given it back and cut it over anew: that is another fence.
                    let now = try await engine.redbeat.status().entries.first?.record
                    guard now.map({ "\($0.fence)" }) == fence else { return RollbackOperation.Outcome.nothing }
                }
                return try await RollbackOperation(engine: engine, recreates: request.recreates).run()
            }
            switch outcome {
            case .nothing: report.outcome = "nothing"
            case .done(let at, let gone, let redefined):
                report.outcome = "done"
                (report.givenBackAt, report.gone) = (at, gone.count)
                report.notes += notes(gone, redefined, recreates: request.recreates)
            }
        } catch let refusal as Refusal {
            report.outcome = "refused"
            report.refusal = refusal
        }
        // What nobody looked at before need not be looked at afterwards.
        if !report.preview.entries.isEmpty, case .ticks(let now) = try await preview(request) {
            report.preview.entries = now.preview.entries
        }
        return .ticks(report)
    }

    private func notes(_ gone: [Int], _ redefined: [Int], recreates: Bool) -> [String] {
        let members = members
        let lost = gone.filter(members.indices.contains).map { index in
            recreates
                ? "\(members[index]) had been deleted; it is written anew"
                : "\(members[index]) had been deleted by the application, so nothing was given back; --recreate writes it anew"
        }
        return lost
            + redefined.filter(members.indices.contains).map {
                "\(members[$0]) keeps the definition that the application wrote while Airflow owned it"
            }
    }

    public func heal(_ standing: CrossingStanding) async throws -> [BridgeNotice] {
        guard let record = standing.record else { return [] }
        let (bridge, keys, pipeline) = (bridge, keys, pipeline)
        let healed = try await surroundings.session(pipeline, "watch").run { journal in
            let tell: @Sendable (CutoverProgress) -> Void = { progress in
                if let line = progress.line { bridge.surroundings.around.tell("\(pipeline): \(line)") }
            }
            return try await bridge.withEngine(keys, journal, tell: tell) { try await $0.heal() }
        }
        let identity = "\(pipeline) \(record.fence) \(record.closedAt?.iso8601 ?? "")"
        switch healed {
        case .sound, .notMine: return []
        case .undone:
            let text = "A cutover that was broken off could not be completed; legacy has its clock again."
            return [BridgeNotice("undone", identity, .warning, text)]
        case .tidied:
            let text = "Something wrote the entry's definition anew; it is closed again. Its clock had stayed parked."
            // A definition is tidied without a new fence: each time counts.
            return [BridgeNotice("healed", "\(identity) \(surroundings.around.now().iso8601)", .info, text)]
        case .parked where record.state == .closing && !record.isHealing:
            let text = "A cutover that was broken off is completed: Airflow owns the ticks."
            return [BridgeNotice("settled", identity, .info, text)]
        case .parked:
            let text =
                "Something had restarted legacy's clock while Airflow owned the entry; it is parked again. What legacy fired meanwhile stays its own."
            return [BridgeNotice("healed", identity, .warning, text)]
        }
    }
}

extension SwitchDisorder {
    fileprivate func notice(_ pipeline: String, settled: String) -> BridgeNotice {
        let urgency: BridgeNotice.Urgency =
            switch kind {
            case .unasked, .halfLost: .urgent
            case .otherInstallation, .redefined, .deleted: .warning
            }
        // A DAG whose gate does not ask misses tick after tick: that is one event.
        return BridgeNotice(kind.rawValue, "\(pipeline) \(kind == .unasked ? settled : event)", urgency, text)
    }
}

extension SwitchStatus {
    /// The newest tick for which a DAG's gate asked at this very place.
    public func gate(of dag: String) -> PolicyEvidence.Gate {
        guard let lead = entries.first else { return .none }
        return .asked(lead.marks.filter { $0.dag == dag }.map(\.tick).max())
    }
}

extension CutoverOperation.Outcome {
    fileprivate var word: String {
        switch self {
        case .done: "done"
        case .completed: "completed"
        case .already: "already"
        case .givenBackByOthers: "given-back-by-others"
        }
    }

    fileprivate var from: Instant? {
        switch self {
        case .done(let from), .completed(let from), .already(let from): from
        case .givenBackByOthers: nil
        }
    }
}

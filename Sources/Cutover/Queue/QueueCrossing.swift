import LosslessJSON
import Migration
import Postgres
import Schedules
import Store

/// The job types of one pipeline that lie in one queue, which move together.
public struct QueueCrossing: Crossing {
    let bridge: QueueBridge
    public let pipeline: String
    public let members: [String]

    public var source: String { bridge.source }
    public var cargo: Cargo { .jobs }

    var surroundings: BridgeSurroundings { bridge.surroundings }

    // MARK: Looking

    public func preview(_ request: CutoverRequest) async throws -> CutoverPreview {
        var report = QueueReport(pipeline: pipeline, queue: source, types: members)
        do {
            try refuseRetired()
            let journal = try surroundings.previewJournal(pipeline)
            let plan = try await cutover(request, journal).plan()
            report.plan = plan
            report.standings = plan.standings
            report.refusals = plan.refusals
        } catch let refusal as Refusal {
            report.refusals = [refusal]
        }
        return CutoverPreview(report: .jobs(report))
    }

    public func preview(_ request: RollbackRequest) async throws -> CrossingReport {
        var report = QueueReport(pipeline: pipeline, queue: source, types: members)
        do {
            let queue = try await bridge.connected()
            let plan = try await queue.rollbackPlan(members, pipeline)
            (report.standings, report.claims) = (plan.standings, plan.claims)
            if !plan.standings.isEmpty, let refusal = try await queue.missingRights("giving back") { throw refusal }
        } catch let refusal as Refusal {
            report.refusals = [refusal]
        }
        return .jobs(report)
    }

    /// Where the types stand. What it is that keeps that from being known stands in `unknown`.
    ///
    /// - Parameters:
    ///   - timetable: when the pipeline's DAG is due, if that is known.
    ///   - isJournaled: whether the journal is asked what the switch may have forgotten.
    func standing(
        _ queue: QueueSwitch,
        timetable: AirflowTimetable? = nil,
        isJournaled: Bool = false
    ) async throws -> CrossingStanding {
        let now = surroundings.around.now()
        var standing = CrossingStanding(now: now, state: .legacy, isLegacys: true, fence: "")
        let standings: [QueueStanding]
        do {
            let plan = try await queue.rollbackPlan(members, pipeline)
            standings = plan.standings
            standing.openRuns = plan.claims.map { claims in
                OpenRun(
                    run: claims.run,
                    type: claims.type,
                    jobs: claims.count,
                    since: claims.since,
                    seconds: claims.seconds,
                    isOverdue: claims.isOverdue
                )
            }
        } catch let refusal as Refusal {
            guard refusal.reason == .retiring else {
                standing.unknown = refusal.description
                return standing
            }
            standing.isRetiring = true
            standing.state = .airflow
            standing.isLegacys = false
            return standing
        }
        if isJournaled, let (what, at) = try await forgotten(by: queue, standings) {
            (standing.forgotten, standing.journaledAt) = (what, at)
        }
        let states = Set(standings.map(\.state))
        standing.state = states.contains(.closing) ? .closing : states.contains(.airflow) ? .airflow : .legacy
        standing.isLegacys = states.isSubset(of: [.legacy])
        standing.share = standings.filter { $0.state == .airflow }.map(\.share).min() ?? 100
        standing.fence = standings.map { "\($0.type) \($0.fence)" }.joined(separator: " ")
        standing.isHealable = standings.contains { $0.state == .closing || ($0.state == .legacy && !$0.isSwept) }
        let lacking = standings.isEmpty ? nil : try await queue.missingRights("looking")
        if let lacking {
            standing.remarks.append("whether jobs can be taken or given back: \(lacking.found). \(lacking.advice)")
        } else {
            standing.troubles += try await troubles(of: standings, standing, queue, timetable)
        }
        for one in standings {
            if let trouble = one.trouble {
                standing.remarks.append("how many jobs of \(one.type) wait: \(trouble)")
            }
            if one.state == .legacy, one.held > 0 {
                standing.remarks.append(
                    "whose \(one.held) jobs of \(one.type) are: they are held although the type is legacy's; bailey rollback \(pipeline) gives them back"
                )
            }
        }
        return standing
    }

    /// What the switch has forgotten of what the journal knows, of these types and others of the pipeline; nil if nothing.
    private func forgotten(by queue: QueueSwitch, _ standings: [QueueStanding]) async throws -> (
        what: JournaledOwnership.Forgotten, at: Instant
    )? {
        guard let journaled = try? surroundings.known.value?.journaledTypes(pipeline, queue: source) else { return nil }
        var all = standings
        let others = journaled.names.filter { type in !standings.contains { $0.type == type } }
        // One that is being retired is not asked for: its owner is no question.
        if !others.isEmpty { all += (try? await queue.rollbackPlan(others, pipeline))?.standings ?? [] }
        return journaled.forgotten(by: all)
    }

    /// Refuses a pipeline whose bridge was taken away: with the queue's last type its switch is gone too, and only Bailey's own state knows.
    private func refuseRetired() throws {
        guard case .finished? = try surroundings.journal().retirement(pipeline: pipeline) else { return }
        throw Refusal(retired: members, of: pipeline, queue: source, operation: "cutting over")
    }

    public func script(_ purpose: ScriptPurpose) async throws -> String? {
        let queue = try await bridge.connected()
        switch purpose {
        case .install(let roles): return queue.script(roles: roles + [try await queue.user()])
        case .free: return try await queue.freeing(members)
        case .remove: return queue.removal
        }
    }

    public func liveJobs(_ standing: CrossingStanding) async throws -> LiveJobs? {
        let queue = try await bridge.connected()
        let uses = try await queue.uses().filter { $0.pipeline == pipeline && members.contains($0.type) }
        // While it is retired its DAG takes nothing, which is no delay.
        let types = uses.filter { $0.state == .airflow && !$0.isRetiring }.map(\.type)
        guard !types.isEmpty else { return nil }
        let (jobs, oldest, since) = try await queue.live(types)
        return LiveJobs(jobs: jobs, oldest: oldest, since: since)
    }

    // MARK: Doing

    public func cutOver(_ request: CutoverRequest, _ report: CrossingReport) async throws -> CrossingReport {
        guard case .jobs(var report) = report else { return report }
        do {
            try refuseRetired()
            let plan = try await surroundings.session(pipeline, "cutover").run { [self] journal in
                if let (what, at) = try await forgotten(by: bridge.connected(), []), what == .rollback {
                    surroundings.around.tell(
                        "\(pipeline): the database of \(source) has come back older than the journal and has forgotten the rollback of \(at.iso8601): what it holds since then is Airflow's with the rest"
                    )
                }
                let cutover = try await cutover(request, journal)
                try await cutover.execute(try await cutover.plan(), roles: request.roles, limit: request.drain)
                return try await cutover.plan()
            }
            report.standings = plan.standings
            report.outcome = "done"
        } catch let refusal as Refusal {
            report.outcome = "refused"
            report.refusals = [refusal]
        }
        return .jobs(report)
    }

    public func rollBack(_ request: RollbackRequest, _ report: CrossingReport) async throws -> CrossingReport {
        guard case .jobs(var report) = report else { return report }
        do {
            let left = try await surroundings.session(pipeline, "rollback").run { [self] journal -> [QueueRest]? in
                if let why = request.why { try journal.write(.watch, .after, ["why": .string(why)]) }
                let queue = try await bridge.connected()
                if let fence = request.fence {
                    // Between the look and the lock somebody may have given it back and cut it over anew: that is another fence.
                    guard try await standing(queue).fence == fence else { return nil }
                }
                let rollback = QueueRollback(
                    queue: queue,
                    types: members,
                    pipeline: pipeline,
                    surroundings: queueSurroundings(journal)
                )
                return try await rollback.execute(deadRuns: request.deadRuns, limit: request.patience)
            }
            report.outcome = left == nil ? "nothing" : "done"
            let after = try await bridge.connected().rollbackPlan(members, pipeline)
            (report.standings, report.claims) = (after.standings, after.claims)
            report.unswept = left ?? []
        } catch let refusal as Refusal {
            report.outcome = "refused"
            report.refusals = [refusal]
        }
        return .jobs(report)
    }

    public func heal(_ standing: CrossingStanding) async throws -> [BridgeNotice] {
        let queue = try await bridge.connected()
        let uses = try await queue.uses().filter { $0.pipeline == pipeline }
        let halfDone = uses.filter { $0.state == .closing || ($0.state == .legacy && !$0.isSwept) }
        guard !halfDone.isEmpty else { return [] }
        let settled = try await surroundings.session(pipeline, "watch").run {
            try await QueueCrossing.complete(halfDone, queue, $0)
        }
        return settled.map { use in
            BridgeNotice(
                "settled",
                "\(pipeline) \(use.type) \(use.fence)",
                .info,
                "A cutover of \(use.type) that was broken off is completed: DAG runs take its jobs."
            )
        }
    }

    /// Settles types that are closing if nothing stands against it, and sweeps those that were given back. Those that were settled.
    private static func complete(_ uses: [QueueUse], _ queue: QueueSwitch, _ journal: Journal) async throws
        -> [QueueUse]
    {
        var settled: [QueueUse] = []
        for use in uses {
            guard use.state == .closing else {
                _ = try await queue.sweep(use.type)
                continue
            }
            let detail: JSON = ["type": .string(use.type), "fence": .number(JSONNumber(Int(use.fence)))]
            let answer = try await journal.step(
                .settle,
                detail,
                outcome: { (answer: QueueSettling) in ["answer": .string("\(answer)")] }
            ) {
                _ = try await queue.hold(use.type)
                return try await queue.settle(use.type, fence: use.fence)
            }
            if answer == .settled { settled.append(use) }
        }
        return settled
    }

    private func cutover(_ request: CutoverRequest, _ journal: Journal) async throws -> QueueCutover {
        QueueCutover(
            queue: try await bridge.connected(),
            types: members,
            pipeline: pipeline,
            share: request.share,
            installation: request.installation,
            surroundings: queueSurroundings(journal)
        )
    }

    /// What operations on a queue need.
    private func queueSurroundings(_ journal: Journal) -> QueueSurroundings {
        let start = ContinuousClock.now
        let (around, pipeline) = (surroundings.around, pipeline)
        return QueueSurroundings(
            journal: journal,
            progress: { around.tell("\(pipeline): \($0.line)") },
            seconds: {
                let elapsed = start.duration(to: .now)
                return Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
            },
            wait: { try await around.sleep(0.2) }
        )
    }
}

extension QueueSwitch {
    /// Where types stand, and which runs have taken jobs that they have not finished: those stay theirs.
    ///
    /// - Throws: `Refusal` if the switch is not installed or not this version's, or the types are being retired; or `PostgresError`.
    func rollbackPlan(_ types: [String], _ pipeline: String) async throws -> (
        standings: [QueueStanding], claims: [QueueClaims]
    ) {
        guard try await isSwitchThere() else {
            if let error = try await strandedError("looking for the switch") { throw error }
            return ([], [])
        }
        var standings: [QueueStanding] = []
        var claims: [QueueClaims] = []
        for type in types {
            let standing = try await standing(type)
            if standing.retirement == .begun { throw retiring([type], pipeline, "giving back \(type)") }
            standings.append(standing)
            claims += try await openClaims(type)
        }
        return (standings, claims)
    }
}

import LosslessJSON
import Migration
import Postgres
public import Store

/// What a queue's operations tell while they work.
public enum QueueProgress: Sendable, Hashable {
    case installed
    case closed(type: String, fence: Int64)
    case held(type: String, count: Int)
    case waiting(type: String, QueueSettling.Reason, Int)
    case settled(type: String)
    case released(type: String, count: Int)
    case returned(type: String, count: Int)
    case swept(type: String)
    /// Held rows that somebody has locked.
    case blocked(QueueRest)
}

/// What operations on queues need from around them.
public struct QueueSurroundings: Sendable {
    /// Where each step is written down before and after it is taken.
    public var journal: Journal
    /// Tells a person how it goes.
    public var progress: @Sendable (QueueProgress) -> Void
    /// Waits before the next question.
    public var wait: @Sendable () async throws -> Void
    /// Seconds on a clock that never goes back.
    public var seconds: @Sendable () -> Double
    /// Makes surroundings.
    public init(
        journal: Journal,
        progress: @escaping @Sendable (QueueProgress) -> Void,
        seconds: @escaping @Sendable () -> Double,
        wait: @escaping @Sendable () async throws -> Void
    ) {
        self.journal = journal
        self.progress = progress
        self.seconds = seconds
        self.wait = wait
    }

    /// Who does it, as it stands in the switch.
    var by: String { journal.by }

    func step<Value>(
        _ name: JournalStep,
        _ queue: QueueSwitch,
        _ detail: [(String, JSON)],
        outcome: (Value) -> JSON = { _ in .object([:]) },
        _ body: () async throws -> Value
    ) async throws -> Value {
        try await journal.step(
            name,
            .object(JSONObject([("queue", .string(queue.queue))] + detail)),
            outcome: outcome,
            body
        )
    }
}

/// What a cutover of job types would do; nothing was changed to find out.
public struct QueuePlan: Sendable, Hashable {
    /// The source's name, and `schema.table`.
    public var queue: String
    public var table: String
    /// The address without credentials.
    public var address: String
    /// The share of jobs that Airflow is to have, in percent.
    public var share: Int
    /// Whether the switch is, or can be, installed.
    public var readiness: QueueReadiness
    /// Whether the workers lock the rows that they claim.
    public var workers: QueueWorkers
    /// Where each type stands now; empty while the switch is not installed.
    public var standings: [QueueStanding]
    /// The zone that columns without one are written in.
    public var timezone: String
    /// Why the moment at which legacy's workers run nothing could not be told; nil if it can, or need not.
    var blindness: Refusal?
    /// Rows that are held although the switch does not say so.
    var stranded: Refusal?
    /// Why a type is another pipeline's; nil if none is.
    var taken: Refusal?

    /// Why nothing can be moved; empty if it can.
    public var refusals: [Refusal] {
        var all = readiness.refusals + [stranded, blindness, taken].compactMap { $0 }
        if !readiness.missingRights.isEmpty {
            all.append(
                Refusal(
                    .noRights,
                    queue: queue,
                    operation: "checking",
                    found: "\(readiness.user) lacks \(readiness.missingRights.joined(separator: ", "))",
                    advice: "Give the output of bailey cutover PIPELINE --sql to the database's administrator"
                )
            )
        }
        return all
    }
}

/// Moves the job types of a pipeline that lie in one queue to Airflow, or changes their share.
public struct QueueCutover: Sendable {
    private let queue: QueueSwitch
    private let types: [String]
    private let pipeline: String
    private let share: Int
    private let installation: String?
    private let surroundings: QueueSurroundings

    /// A cutover.
    ///
    /// - Parameters:
    ///   - share: percent of the jobs, by a stable hash of their ids.
    ///   - installation: the installation of Airflow whose runs are to take; nil for the first that does.
    public init(
        queue: QueueSwitch,
        types: [String],
        pipeline: String,
        share: Int,
        installation: String? = nil,
        surroundings: QueueSurroundings
    ) {
        self.installation = installation
        self.queue = queue
        self.types = types
        self.pipeline = pipeline
        self.share = share
        self.surroundings = surroundings
    }

    /// What it would do. Only reads.
    ///
    /// - Throws: `PostgresError`, or what waiting throws.
    public func plan() async throws -> QueuePlan {
        let readiness = try await queue.readiness()
        let workers = try await queue.workers(wait: surroundings.wait)
        var blindness: Refusal?
        var stranded: Refusal?
        if readiness.refusals.isEmpty {
            if workers.needDrain, !workers.isIdle { blindness = try await queue.blindness() }
            // What a rollback has left is taken up again by a cutover.
            if readiness.installation == .absent { stranded = try await queue.strandedError("checking") }
        }
        var standings: [QueueStanding] = []
        if readiness.installation != .absent {
            for type in types { standings.append(try await queue.standing(type)) }
        }
        return QueuePlan(
            queue: queue.queue,
            table: queue.sql.table,
            address: queue.connection.address,
            share: share,
            readiness: readiness,
            workers: workers,
            standings: standings,
            timezone: queue.timezone,
            blindness: blindness,
            stranded: stranded,
            taken: standings.first { $0.state != .legacy && $0.pipeline != pipeline }.map {
                queue.otherPipeline($0.type, $0.pipeline ?? "another pipeline", "closing \($0.type)")
            }
        )
    }

    /// Does it: installs, closes, holds and settles every type, whatever an earlier one has left half done. When it returns all are Airflow's.
    ///
    /// - Parameters:
    ///   - plan: what `plan()` gave.
    ///   - roles: users that may call the switch's functions.
    ///   - limit: seconds until the types must have settled.
    /// - Throws: `Refusal`; with the code `not-drained` the types that were legacy's are legacy's again. Or `PostgresError`, or what the
    ///   journal throws: the next cutover or rollback goes on from there.
    public func execute(_ plan: QueuePlan, roles: [String], limit: Double) async throws {
        if let refusal = plan.refusals.first { throw refusal }
        if plan.readiness.installation != .present {
            try await surroundings.step(.install, queue, []) { try await queue.install(roles: roles) }
            surroundings.progress(.installed)
        }
        var fences: [(type: String, fence: Int64)] = []
        var fresh: [String] = []
        for type in types {
            let isFresh = try await queue.standing(type).state == .legacy
            let detail: [(String, JSON)] = [
                ("type", .string(type)), ("share", .number(JSONNumber(share))),
                ("drain", .bool(plan.workers.needDrain)),
            ]
            let written: (Int64) -> JSON = { ["fence": .number(JSONNumber(Int($0)))] }
            let fence: Int64
            do {
                fence = try await surroundings.step(.close, queue, detail, outcome: written) {
                    try await queue.close(
                        type,
                        share: share,
                        pipeline: pipeline,
                        by: surroundings.by,
                        drain: plan.workers.needDrain,
                        installation: installation
                    )
                }
            } catch let refusal as Refusal {
                // All or none: what was closed for it a moment ago is legacy's again.
                try await release(fresh)
                throw refusal
            }
            if isFresh { fresh.append(type) }
            fences.append((type, fence))
            surroundings.progress(.closed(type: type, fence: fence))
        }
        let end = surroundings.seconds() + limit
        for (type, fence) in fences {
            try await surroundings.step(
                .settle,
                queue,
                [("type", .string(type)), ("fence", .number(JSONNumber(Int(fence))))]
            ) {
                try await settle(type, fence: fence, end: end, fresh: fresh)
            }
            surroundings.progress(.settled(type: type))
        }
    }

    private func settle(_ type: String, fence: Int64, end: Double, fresh: [String]) async throws {
        var last: QueueSettling.Reason?
        while true {
            let count = try await queue.hold(type)
            if count > 0 { surroundings.progress(.held(type: type, count: count)) }
            switch try await queue.settle(type, fence: fence) {
            case .settled: return
            case .changed:
                throw Refusal(
                    .changed,
                    queue: queue.queue,
                    operation: "settling \(type)",
                    found: "somebody else has moved it meanwhile",
                    advice: "Run bailey status, then decide again"
                )
            case .waiting(let reason, let amount):
                if last != reason { surroundings.progress(.waiting(type: type, reason, amount)) }
                last = reason
                if surroundings.seconds() >= end { throw try await notDrained(type, reason, amount, fresh) }
                try await surroundings.wait()
            }
        }
    }

    /// Gives back types that were legacy's when this began.
    private func release(_ fresh: [String]) async throws {
        guard !fresh.isEmpty else { return }
        let detail: [(String, JSON)] = [("types", .array(fresh.map(JSON.string)))]
        _ = try await surroundings.step(.giveBack, queue, detail, outcome: QueueRollback.journaled) {
            try await queue.release(fresh, pipeline: pipeline, by: surroundings.by)
        }
        for type in fresh { _ = try await queue.sweep(type) }
    }

    private func notDrained(_ type: String, _ reason: QueueSettling.Reason, _ amount: Int, _ fresh: [String])
        async throws -> Refusal
    {
        try await release(fresh)
        let what =
            switch reason {
            case .pending: "\(amount) waiting rows are locked by somebody"
            case .transactions: "a transaction that began before has not ended"
            case .running: "\(amount) jobs are run by legacy's workers"
            case .pause: "the workers have not paused for long enough"
            }
        return Refusal(
            .notDrained,
            queue: queue.queue,
            operation: "settling \(type)",
            found: what + (fresh.isEmpty ? "; its new jobs wait" : "; everything was given back to legacy"),
            advice: reason == .running || reason == .pause
                ? "Stop the workers of this queue for the moment of the cutover, or make them lock the rows that they claim"
                : "See pg_stat_activity for the oldest transaction, then run the command again"
        )
    }
}

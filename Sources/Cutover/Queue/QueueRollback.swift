import LosslessJSON
import Store

/// Gives the job types of a pipeline that lie in one queue back to legacy. Needs neither Airflow nor Bailey's own state.
public struct QueueRollback: Sendable {
    private let queue: QueueSwitch
    private let types: [String]
    private let pipeline: String
    private let surroundings: QueueSurroundings

    /// A rollback.
    public init(queue: QueueSwitch, types: [String], pipeline: String, surroundings: QueueSurroundings) {
        self.queue = queue
        self.types = types
        self.pipeline = pipeline
        self.surroundings = surroundings
    }

    /// Where the types stand, and which runs have taken jobs that they have not finished: those stay theirs.
    ///
    /// - Throws: `Refusal` if the switch is not installed or not this version's, or `PostgresError`.
    public func plan() async throws -> (standings: [QueueStanding], claims: [QueueClaims]) {
        try await queue.rollbackPlan(types, pipeline)
    }

    /// Does it: all types become legacy's in one transaction; their held rows wait again, in batches; then it waits for rows that somebody has
    /// locked, and for transactions that had not seen it, and releases what they held.
    ///
    /// - Parameters:
    ///   - deadRuns: runs that a person calls dead: what they have taken is given back too.
    ///   - limit: seconds to wait for such transactions and locks.
    /// - Returns: what is left of the types; `bailey rollback` again, `bailey watch`, or the next gate, releases it.
    /// - Throws: `Refusal`: with the code `stranded` the types are legacy's, and the held rows could not be given back; with another one
    ///   nothing was. Or `PostgresError`, or what the journal throws.
    public func execute(deadRuns: [String] = [], limit: Double) async throws -> [QueueRest] {
        let standings = try await plan().standings
        guard !standings.isEmpty else { return [] }
        // That new jobs are legacy's again is worth nothing if those that are held stay held.
        if let refusal = try await queue.missingRights("giving back") { throw refusal }
        let detail: [(String, JSON)] = [
            ("types", .array(types.map(JSON.string))), ("dead_runs", .array(deadRuns.map(JSON.string))),
        ]
        let given = try await surroundings.step(.giveBack, queue, detail, outcome: QueueRollback.journaled) {
            var given = try await queue.release(types, pipeline: pipeline, by: surroundings.by)
            for (index, type) in types.enumerated() where given.indices.contains(index) {
                given[index].count += try await queue.giveBack(type)
            }
            return given
        }
        for (type, one) in zip(types, given) { surroundings.progress(.released(type: type, count: one.count)) }
        if !deadRuns.isEmpty {
            for type in types {
                let count = try await queue.giveUp(type, runs: deadRuns, by: surroundings.by)
                if count > 0 { surroundings.progress(.returned(type: type, count: count)) }
            }
        }
        var open = types
        var told: Set<QueueRest> = []
        let end = surroundings.seconds() + limit
        while true {
            var left: [String] = []
            for type in open {
                let (isDone, released) = try await queue.sweep(type)
                if released > 0 { surroundings.progress(.released(type: type, count: released)) }
                if isDone { surroundings.progress(.swept(type: type)) } else { left.append(type) }
            }
            open = left
            if open.isEmpty { return [] }
            let isOver = surroundings.seconds() >= end
            var rests: [QueueRest] = []
            for type in open {
                let rest = try await queue.rest(type)
                if !rest.blockers.isEmpty, told.insert(rest).inserted { surroundings.progress(.blocked(rest)) }
                rests.append(rest)
            }
            if isOver { return rests }
            try await surroundings.wait()
        }
    }
}

extension QueueRollback {
    /// What was given back, for the journal: a switch that says less later has come back older.
    static func journaled(_ given: [(count: Int, fence: Int64)]) -> JSON {
        [
            "released": .array(given.map { .number(JSONNumber($0.count)) }),
            "fences": .array(given.map { .number(JSONNumber(Int($0.fence))) }),
        ]
    }
}

import LosslessJSON

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
    /// - Throws: `QueueSwitchError` if the switch is not installed or not this version's, or `PostgresError`.
    public func plan() async throws -> (standings: [QueueStanding], claims: [QueueClaims]) {
        let readiness = try await queue.readiness()
        if let foreign = readiness.refusals.first(where: { [.foreignSchema, .noRights, .readOnly].contains($0.code) }) {
            throw foreign
        }
        guard readiness.installation != .absent else { return ([], []) }
        var standings: [QueueStanding] = []
        var claims: [QueueClaims] = []
        for type in types {
            let standing = try await queue.standing(type)
            if standing.retirement == .begun { throw queue.retiring([type], pipeline, "giving back \(type)") }
            standings.append(standing)
            claims += try await queue.openClaims(type)
        }
        return (standings, claims)
    }

    /// Does it: all types in one transaction; then waits for transactions that had not seen it, and releases what they held.
    ///
    /// - Parameters:
    ///   - deadRuns: runs that a person calls dead: what they have taken is given back too.
    ///   - limit: seconds to wait for such transactions.
    /// - Returns: the types for which a transaction is under way still; `bailey rollback` again, or the next gate, releases what it may hold.
    /// - Throws: `QueueSwitchError`, then nothing was given back; or `PostgresError`, or what the journal throws.
    public func execute(deadRuns: [String] = [], limit: Double) async throws -> [String] {
        let standings = try await plan().standings
        guard !standings.isEmpty else { return [] }
        let detail: [(String, JSON)] = [
            ("types", .array(types.map(JSON.string))), ("dead_runs", .array(deadRuns.map(JSON.string))),
        ]
        let written: ([Int]) -> JSON = { ["released": .array($0.map { .number(JSONNumber($0)) })] }
        let counts = try await surroundings.step("give-back", queue, detail, outcome: written) {
            try await queue.release(types, pipeline: pipeline, by: surroundings.by)
        }
        for (type, count) in zip(types, counts) { surroundings.progress(.released(type: type, count: count)) }
        if !deadRuns.isEmpty {
            for type in types {
                let count = try await queue.giveUp(type, runs: deadRuns, by: surroundings.by)
                if count > 0 { surroundings.progress(.returned(type: type, count: count)) }
            }
        }
        var open = types
        let end = surroundings.seconds() + limit
        while true {
            var left: [String] = []
            for type in open {
                let (isDone, released) = try await queue.sweep(type)
                if released > 0 { surroundings.progress(.released(type: type, count: released)) }
                if isDone { surroundings.progress(.swept(type: type)) } else { left.append(type) }
            }
            open = left
            if open.isEmpty || surroundings.seconds() >= end { return open }
            try await surroundings.wait()
        }
    }
}

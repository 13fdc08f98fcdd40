public import Legacy
public import Migration
import Postgres
import Store

/// The bridge of a queue: jobs of a type are held by triggers on its table, and a switch in schema `bailey` says who takes them.
public struct QueueBridge: Bridge {
    public let source: String
    /// The table; read by whoever needs it, so that wrong settings are said there.
    let table: @Sendable () throws -> QueueSource
    let surroundings: BridgeSurroundings

    /// The bridge of a source.
    public init(
        source: String,
        table: @escaping @Sendable () throws -> QueueSource,
        surroundings: BridgeSurroundings
    ) {
        self.source = source
        self.table = table
        self.surroundings = surroundings
    }

    public var cargo: Cargo { .jobs }

    public func rights() throws -> [NeededRights] {
        let table = try table()
        guard table.layout.hold != nil else { return [] }
        let hold = table.layout.hold
        let acting = hold?.deletes.isEmpty == false ? "SELECT, UPDATE, DELETE" : "SELECT, UPDATE"
        let log = hold?.log.map { log in
            "GRANT INSERT ON \(table.quotedSchema ?? "public").\(PostgresConnection.identifier(log.table)) TO bailey;"
        }
        let moving =
            table.entryRights + ["GRANT \(acting) ON \(table.quotedTable) TO bailey;"] + [log].compactMap { $0 }
        return [
            NeededRights(
                commands: "cutover (or give the output of cutover --sql to the administrator)",
                lines: table.entryRights + [
                    "GRANT CREATE ON DATABASE \(PostgresConnection.identifier(table.database)) TO bailey;",
                    "GRANT \(acting), TRIGGER ON \(table.quotedTable) TO bailey;",
                ] + [log].compactMap { $0 }
            ),
            NeededRights(commands: "rollback, watch, status after a cutover", lines: moving),
            NeededRights(
                commands:
                    "retire (triggers are the table owner's to remove: give the output of retire --sql to the administrator)",
                lines: moving
            ),
        ]
    }

    /// The switch of the table.
    func connected() async throws -> QueueSwitch { try await QueueSwitch(table()) }

    /// The same; nil of a table that can only be read: nothing of it was ever moved.
    private func held() async throws -> QueueSwitch? {
        let table = try table()
        return table.layout.hold == nil ? nil : try await QueueSwitch(table)
    }

    public func crossing(of dag: DAGDefinition, in inventory: Inventory) throws -> (any Crossing)? {
        // A row that recurs is none: holding jobs of its name would hold nothing.
        let types = dag.entries.filter { $0.source == source && inventory[$0]?.kind != .recurringJob }.map(\.name)
        return types.isEmpty ? nil : QueueCrossing(bridge: self, pipeline: dag.id, members: types)
    }

    public func taken(by pipeline: String) async throws -> (any Crossing)? {
        guard let types = try await held()?.types(of: pipeline), !types.isEmpty else { return nil }
        return QueueCrossing(bridge: self, pipeline: pipeline, members: types)
    }

    public func taken() async throws -> [String: any Crossing] {
        guard let queue = try await held(), try await queue.isInstalled() else { return [:] }
        let uses = Dictionary(grouping: try await queue.uses(), by: \.pipeline)
        return uses.reduce(into: [:]) { found, use in
            found[use.key] = QueueCrossing(bridge: self, pipeline: use.key, members: use.value.map(\.type))
        }
    }

    public func forgotten() async throws -> [any Crossing] {
        guard try table().layout.hold != nil, let store = surroundings.known.value else { return [] }
        let known = try store.pipelinesKept().journaled
        guard !known.isEmpty else { return [] }
        let taken = try await taken()
        return try known.sorted().filter { taken[$0] == nil }.compactMap { pipeline in
            let types = try store.journaledTypes(pipeline, queue: source).airflows
            return types.isEmpty ? nil : QueueCrossing(bridge: self, pipeline: pipeline, members: types)
        }
    }

    public func standings(of looks: [Look]) async throws -> [Result<CrossingStanding, any Error>] {
        guard !looks.isEmpty else { return [] }
        let queue = try await connected()
        // Most of many pipelines have no line in the journal: those are not looked up one by one.
        let kept = looks.count < 20 ? nil : (try? surroundings.known.value?.pipelinesKept())?.journaled
        var found: [Result<CrossingStanding, any Error>] = []
        for look in looks {
            do {
                let isJournaled = kept?.contains(look.crossing.pipeline) ?? true
                let crossing = QueueCrossing(
                    bridge: self,
                    pipeline: look.crossing.pipeline,
                    members: look.crossing.members
                )
                found.append(
                    .success(try await crossing.standing(queue, timetable: look.timetable, isJournaled: isJournaled))
                )
            } catch {
                found.append(.failure(error))
            }
        }
        return found
    }

    public func stranded(guesses: Bool) async throws -> Refusal? {
        guard let queue = try await held() else { return nil }
        do {
            return try await queue.strandedError("looking for rows that are held for nobody", guesses: guesses)
        } catch let refusal as Refusal {
            return refusal
        }
    }

    public func tend() async throws -> [BridgeNotice] {
        guard let queue = try await held() else { return [] }
        var notices: [BridgeNotice] = []
        let stranded: Refusal?
        do { stranded = try await queue.strandedError("looking after it") } catch let error as PostgresError {
            // Whose right is missing is told below.
            guard error.code == .rights, try await queue.missingRights("looking after it") != nil else { throw error }
            stranded = nil
        }
        if let error = stranded {
            // What a rollback could not release is released now, if nobody has it locked any more.
            var isLeft = true
            if try await queue.isInstalled() {
                for type in try await queue.stranded().compactMap(\.type) { _ = try await queue.giveBack(type) }
                isLeft = try await !queue.stranded().isEmpty
            }
            let text = "\(error.found). \(error.advice)."
            if isLeft { notices.append(BridgeNotice("stranded", "\(source) \(error.found)", .urgent, text)) }
        }
        guard try await queue.isInstalled() else { return notices }
        if try await !queue.uses().isEmpty, let refusal = try await queue.missingRights("looking after it") {
            let text = "\(refusal.found): no job is taken or given back. \(refusal.advice)."
            notices.append(BridgeNotice("no-rights", "\(source) \(refusal.found)", .urgent, text))
        }
        if try await !queue.uses().isEmpty {
            for refusal in try await queue.obstacles("looking after it") {
                let text = "\(refusal.found). \(refusal.advice)."
                notices.append(BridgeNotice("unfit-use", "\(source) \(refusal.found)", .urgent, text))
            }
        }
        for seen in try await queue.sightings() {
            let identity = "\(source) \(seen.what) \(seen.count)"
            let urgency: BridgeNotice.Urgency = seen.what == "begun" ? .warning : .urgent
            notices.append(BridgeNotice("sighting", identity, urgency, seen.text(source)))
        }
        return notices
    }
}

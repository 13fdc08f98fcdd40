import Legacy
public import Migration
import Redis
import Schedules
import Store

/// Entries whose clock stands although no switch holds them, and how they are given back.
extension RedBeatBridge {
    public func lost(_ dags: [DAGDefinition], _ inventory: Inventory?, journaled: [String: JournaledOwnership])
        async throws -> [LostWork]
    {
        var owners: [[UInt8]: String] = [:]
        for dag in dags {
            for entry in dag.entries {
                if let key = inventory?[entry]?.definitionKey { owners[key] = dag.id }
            }
        }
        for (pipeline, known) in journaled { for key in known.keys { owners[key] = pipeline } }
        let mine = journaled.values.filter { $0.source == source }
        let closed = mine.reduce(into: [:]) { $0.merge($1.closedDefinitions) { first, _ in first } }
        let search = LostSwitches(url: try address, place: place)
        let lost = try await search.find(known: mine.flatMap(\.keys), closed: closed)
        let renamed = try await search.renamed()
        let moved = Set(renamed.map(\.key))
        return renamed.map(work)
            + [(lost.standing.filter { !moved.contains($0) }, false), (lost.gone, true)].flatMap { keys, isGone in
                keys.map { work(String(decoding: $0, as: UTF8.self), pipeline: owners[$0], isGone: isGone) }
            }
    }

    private func work(_ entry: RenamedEntry) -> LostWork {
        let (key, former) = (String(decoding: entry.key, as: UTF8.self), String(decoding: entry.former, as: UTF8.self))
        return LostWork(
            source: source,
            key: key,
            pipeline: entry.pipeline,
            text:
                "\(key) in \(source) was called \(former) when it was taken over, and its clock stands: a DAG that was made before then goes on under the former name, one made since runs nothing; bailey rollback \(entry.pipeline) --execute ends that and starts legacy's clock under the new name"
        )
    }

    private func work(_ key: String, pipeline: String?, isGone: Bool) -> LostWork {
        let next =
            pipeline.map { "bailey rollback \($0) --execute starts legacy's clock again" }
            ?? "set last_run_at in its meta to its last run and enable it"
        let text =
            isGone
            ? "\(key) in \(source) and its switch are gone, and the journal says that Airflow owned it: nobody runs it; \(next)"
            : "the clock of \(key) in \(source) stands and no switch is there: nobody runs it; \(next)"
        return LostWork(source: source, key: key, pipeline: pipeline, text: text)
    }

    public func lost(of pipeline: String, _ dag: DAGDefinition?, _ inventory: Inventory?, taken: (any Crossing)?)
        async throws -> (any LostCrossing)?
    {
        let journaled = try surroundings.known.value?.journaledOwnership(pipeline) ?? JournaledOwnership([])
        let search = LostSwitches(url: try address, place: place)
        // One connection for all: a rollback does not wait for what is not needed.
        return try await RedisConnection.use(try address) { redis in
            try await lost(of: pipeline, dag, inventory, taken, journaled, search, redis)
        }
    }

    private func lost(
        of pipeline: String,
        _ dag: DAGDefinition?,
        _ inventory: Inventory?,
        _ taken: (any Crossing)?,
        _ journaled: JournaledOwnership,
        _ search: LostSwitches,
        _ redis: RedisConnection
    ) async throws -> (any LostCrossing)? {
        let renamed = try await search.renamed(on: redis).filter { $0.pipeline == pipeline }
        let former = Dictionary(renamed.map { ($0.key, $0.former) }) { first, _ in first }
        var candidates: [[[UInt8]]] = []
        if let taken = taken as? RedBeatCrossing, !renamed.isEmpty {
            // In the group's order: the first one tells what the others go on from.
            candidates.append(taken.keys.entries.flatMap { old in renamed.filter { $0.former == old }.map(\.key) })
        }
        if let taken = taken as? RedBeatCrossing, taken.source == source { candidates.append(taken.keys.entries) }
        if journaled.source == source, !journaled.keys.isEmpty { candidates.append(journaled.keys) }
        let planned = dag?.entries.filter { $0.source == source }.compactMap { inventory?[$0]?.definitionKey } ?? []
        if !planned.isEmpty { candidates.append(planned) }
        var looked: Set<[[UInt8]]> = []
        for keys in candidates where !keys.isEmpty && looked.insert(keys).inserted {
            let lost = try await search.find(
                redis,
                journaled.isAirflows ? keys : [],
                renamed.reduce(into: journaled.closedDefinitions) { $0[$1.key] = $1.closed },
                keys
            )
            let found = Set(lost.standing + lost.gone)
            guard !found.isEmpty else { continue }
            return RedBeatLostCrossing(
                // In the group's order: the first one tells what the others go on from.
                crossing: crossing(of: pipeline, keys),
                members: keys.filter(found.contains).map { String(decoding: $0, as: UTF8.self) },
                journaled: journaled,
                imported: inventory?.keptBytes ?? [:],
                former: former
            )
        }
        return nil
    }
}

/// Gives legacy the clocks of a pipeline whose switch is lost.
struct RedBeatLostCrossing: LostCrossing {
    let crossing: RedBeatCrossing
    let members: [String]
    let journaled: JournaledOwnership
    let imported: [[UInt8]: JournaledOwnership.Kept]
    /// The former names of those that were renamed.
    let former: [[UInt8]: [UInt8]]

    var notes: [String] {
        members.map { name in
            guard let former = former[Array(name.utf8)] else {
                return
                    "nobody runs \(name): its clock stands, or it is gone, and its switch is lost; --execute restores it from the journal, else from the inventory"
            }
            return
                "\(name) was called \(String(decoding: former, as: UTF8.self)) when it was taken over; --execute starts legacy's clock under the new name"
        }
    }

    var source: String { crossing.source }

    func restore(_ report: CrossingReport) async throws -> CrossingReport {
        guard case .ticks(var report) = report else { return report }
        let (bridge, keys, journaled, imported, former) = (crossing.bridge, crossing.keys, journaled, imported, former)
        let stopwatch = Stopwatch(name: crossing.pipeline, tell: bridge.surroundings.around.tell)
        do {
            let restored = try await bridge.surroundings.session(crossing.pipeline, "rollback").run { journal in
                let formerly = try await bridge.givenBack(keys.entries, former, journal)
                return try await bridge.withEngine(keys, journal, tell: { stopwatch.note($0) }) { engine in
                    let operation = RestoreOperation(
                        engine: engine,
                        journaled: journaled,
                        imported: imported,
                        recreates: .lost,
                        former: formerly
                    )
                    return try await operation.run()
                }
            }
            report.notes = restored.map { one in
                let from =
                    switch one.origin {
                    case .ownSwitch: "its switch, which said that legacy owned it"
                    case .formerSwitch: "the switch of its former name"
                    case .journal: "the journal"
                    case .inventory: "the inventory"
                    case .entry: "the entry itself, for nothing else is kept"
                    }
                return
                    "\(crossing.members[one.entry]) was held by no switch; restored from \(from). Legacy goes on from \(one.from.iso8601): \(one.because)"
            }
            report.outcome = "restored"
            report.seconds = stopwatch.seconds
        } catch let refusal as Refusal {
            report.outcome = "refused"
            report.refusal = refusal
        }
        return .ticks(report)
    }
}

extension RedBeatBridge {
    /// What stands under the former names of entries, by their key of now.
    ///
    /// - Throws: `Refusal` if Airflow owns them there still: both sides would run them.
    fileprivate func givenBack(_ keys: [[UInt8]], _ former: [[UInt8]: [UInt8]], _ journal: Journal) async throws
        -> [[UInt8]:
        EntryStatus]
    {
        let renamed = keys.filter { former[$0] != nil }
        guard !renamed.isEmpty else { return [:] }
        let status = try await withEngine(place.keys(renamed.compactMap { former[$0] }), journal) {
            try await $0.redbeat.status(claims: 1)
        }
        if let place = status.entries.firstIndex(where: { $0.state != .legacy }), renamed.indices.contains(place) {
            let name = String(decoding: former[renamed[place]] ?? [], as: UTF8.self)
            throw Refusal(
                .heldByOthers,
                "\(name), the former name of \(String(decoding: renamed[place], as: UTF8.self)), is Airflow's still",
                "Run bailey rollback \(journal.pipeline) once more"
            )
        }
        return Dictionary(zip(renamed, status.entries)) { first, _ in first }
    }
}

extension LegacyEntry {
    /// The key of its definition; nil where the inventory holds no bytes of it.
    public var definitionKey: [UInt8]? { raw.first { $0.field == "definition" }?.key }
}

extension Inventory {
    /// The bytes that were read of RedBeat's entries, by key.
    fileprivate var keptBytes: [[UInt8]: JournaledOwnership.Kept] {
        entries.reduce(into: [:]) { kept, entry in
            guard entry.kind == .redbeat, let key = entry.definitionKey else { return }
            kept[key] = JournaledOwnership.Kept(
                definition: entry.raw.first { $0.field == "definition" }?.bytes,
                meta: entry.raw.first { $0.field == "meta" }?.bytes
            )
        }
    }
}

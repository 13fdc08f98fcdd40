package import Cutover
import Legacy
import LosslessJSON
import Migration
import Redis
import Schedules
package import Settings
package import Store

/// An entry whose clock stands although no switch holds it: nobody runs it.
package struct LostClock: Sendable, Hashable {
    /// The source.
    package var source: String
    /// Its key, as people read it.
    package var key: String
    /// The pipeline that had taken it over; nil where neither journal nor plan says.
    package var pipeline: String?
    /// Whether the entry itself is gone too.
    package var isGone: Bool

    /// What is wrong and what to do.
    package var text: String {
        let next =
            pipeline.map { "bailey rollback \($0) --execute starts legacy's clock again" }
            ?? "set last_run_at in its meta to its last run and enable it"
        return isGone
            ? "\(key) in \(source) and its switch are gone, and the journal says that Airflow owned it: nobody runs it; \(next)"
            : "the clock of \(key) in \(source) stands and no switch is there: nobody runs it; \(next)"
    }
}

extension Survey {
    /// The entries of all sources that nobody runs because their switch is lost.
    static func lostClocks(
        _ workspace: Workspace,
        _ store: Known<StateStore>,
        _ planned: (inventory: Inventory, plan: Plan)?,
        _ unknowns: inout [String]
    ) async -> [LostClock] {
        var owners: [[UInt8]: String] = [:]
        var journaled: [String: JournaledOwnership] = [:]
        for pipeline in planned?.plan.pipelines ?? [] {
            let id = pipeline.dag.id
            for entry in pipeline.dag.entries {
                if let key = planned?.inventory[entry]?.definitionKey { owners[key] = id }
            }
            guard let known = Workspace.stored(store, { try $0.journaledOwnership(id) }).value, known.isAirflows else {
                continue
            }
            journaled[id] = known
            for key in known.keys { owners[key] = id }
        }
        var found: [LostClock] = []
        for source in workspace.redBeatSources {
            let mine = journaled.values.filter { $0.source == source.name }
            let closed = mine.reduce(into: [:]) { $0.merge($1.closedDefinitions) { first, _ in first } }
            do {
                let search = LostSwitches(url: try RedisURL(source.url), place: workspace.place(source))
                let lost = try await search.find(known: mine.flatMap(\.keys), closed: closed)
                for (keys, isGone) in [(lost.standing, false), (lost.gone, true)] {
                    found += keys.map { key in
                        let text = String(decoding: key, as: UTF8.self)
                        return LostClock(source: source.name, key: text, pipeline: owners[key], isGone: isGone)
                    }
                }
            } catch {
                // That the source cannot be read is said of its switches already.
                if !unknowns.contains("\(error)") { unknowns.append("\(error)") }
            }
        }
        return found
    }

    /// The pipelines that have switches, and those that have none although the journal knows of a cutover.
    var taken: [String: (keys: RedBeatKeys, source: SourceSettings)] {
        var found = groups
        for pipeline in planned?.plan.pipelines ?? [] where found[pipeline.dag.id] == nil {
            let id = pipeline.dag.id
            guard let known = Workspace.stored(store, { try $0.journaledOwnership(id) }).value, known.isAirflows,
                let source = workspace.redBeatSources.first(where: { $0.name == known.source }),
                blind[source.name] == nil
            else { continue }
            found[id] = (workspace.place(source).keys(known.keys), source)
        }
        return found
    }

    /// What is lost of a pipeline; nil if nothing is.
    func lost(_ pipeline: String) -> String? {
        let mine = lostClocks.filter { $0.pipeline == pipeline }
        return mine.isEmpty ? nil : mine.map(\.text).joined(separator: "; ")
    }

    /// What is wrong with the switches of a pipeline, one sentence each.
    func disorder(_ pipeline: String, _ status: SwitchStatus) -> [String] {
        let timetable = plannedPipeline(pipeline)?.dag.clock.timetable
        let names = (groups[pipeline]?.keys.entries ?? []).map { String(decoding: $0, as: UTF8.self) }
        var found = status.disorders(of: pipeline, timetable: timetable, names: names).map(\.text)
        if let known = Workspace.stored(store, { try $0.journaledOwnership(pipeline) }).value {
            switch known.forgotten(by: status) {
            case .rollback?:
                found.append(
                    "Redis has forgotten a rollback (\(known.at?.iso8601 ?? "?")): its switch is older than the journal. bailey watch, or the next command, gives it back again"
                )
            case .cutover?:
                found.append(
                    "Redis has forgotten a cutover (\(known.at?.iso8601 ?? "?")): legacy owns the ticks, and its clock runs. Cut it over again if that is still wanted"
                )
            case nil: break
            }
        }
        let since = status.entries.first?.record?.settledAt ?? status.now
        if status.state == .airflow,
            let run = Workspace.stored(store, { try $0.journal(pipeline: pipeline, operation: "watch", limit: 50) })
                .value?
                .last(where: { $0.step == .legacyRan && $0.at > since })
        {
            found.append(run.detail["text"]?.string ?? "legacy ran while Airflow owned the ticks")
        }
        return found
    }
}

extension LegacyEntry {
    /// The key of its definition; nil where the inventory holds no bytes of it.
    var definitionKey: [UInt8]? { raw.first { $0.field == "definition" }?.key }
}

extension Workspace {
    /// What of a pipeline lies where no switch holds it, and how to give it back; nil if nothing does.
    ///
    /// - Parameter taken: the entries that switches say it took over.
    /// - Throws: `RedisError`.
    package func lostEntries(
        of pipeline: String,
        store: StateStore,
        taken: (keys: RedBeatKeys, source: SourceSettings)?
    ) async throws -> Restoring? {
        let journaled = try store.journaledOwnership(pipeline)
        let inventory = try? store.latestInventory()
        var candidates: [(SourceSettings, [[UInt8]])] = []
        if let taken { candidates.append((taken.source, taken.keys.entries)) }
        if let source = redBeatSources.first(where: { $0.name == journaled.source }), !journaled.keys.isEmpty {
            candidates.append((source, journaled.keys))
        }
        if let inventory, let dag = try? plan(inventory).pipelines.first(where: { $0.dag.id == pipeline })?.dag {
            for source in redBeatSources {
                let keys = dag.entries.filter { $0.source == source.name }.compactMap { inventory[$0]?.definitionKey }
                if !keys.isEmpty { candidates.append((source, keys)) }
            }
        }
        var imported: [[UInt8]: JournaledOwnership.Kept] = [:]
        for entry in inventory?.entries ?? [] where entry.kind == .redbeat {
            guard let key = entry.definitionKey else { continue }
            imported[key] = JournaledOwnership.Kept(
                definition: entry.raw.first { $0.field == "definition" }?.bytes,
                meta: entry.raw.first { $0.field == "meta" }?.bytes
            )
        }
        for (source, keys) in candidates {
            let place = place(source)
            let lost = try await LostSwitches(url: try RedisURL(source.url), place: place).find(
                known: journaled.isAirflows ? keys : [],
                closed: journaled.closedDefinitions,
                among: keys
            )
            let found = Set(lost.standing + lost.gone)
            guard !found.isEmpty else { continue }
            return Restoring(
                workspace: self,
                source: source,
                // In the group's order: the first one tells what the others go on from.
                keys: place.keys(keys),
                lost: keys.filter(found.contains).map { String(decoding: $0, as: UTF8.self) },
                journaled: journaled,
                imported: imported
            )
        }
        return nil
    }
}

/// Gives legacy the clocks of a pipeline whose switch is lost.
package struct Restoring: Sendable {
    let workspace: Workspace
    package let source: SourceSettings
    package let keys: RedBeatKeys
    /// The entries that nobody runs.
    package let lost: [String]
    let journaled: JournaledOwnership
    let imported: [[UInt8]: JournaledOwnership.Kept]

    /// Does it; a sentence for each entry.
    ///
    /// - Throws: `Refusal`, `RedisError`, `SwitchError` or `StoreError`; nothing is changed then, or everything.
    package func run(
        _ pipeline: String,
        store: StateStore,
        tell: @escaping @Sendable (CutoverProgress) -> Void
    ) async throws -> [String] {
        try await workspace.session(pipeline, "rollback", store: store).run { journal in
            let restored = try await workspace.withEngine(source, keys: keys, journal: journal, tell: tell) { engine in
                let operation = RestoreOperation(
                    engine: engine,
                    journaled: journaled,
                    imported: imported,
                    recreates: .lost
                )
                return try await operation.run()
            }
            return restored.map { one in
                let from =
                    switch one.origin {
                    case .ownSwitch: "its switch, which said that legacy owned it"
                    case .journal: "the journal"
                    case .inventory: "the inventory"
                    case .entry: "the entry itself, for nothing else is kept"
                    }
                return
                    "\(String(decoding: keys.entries[one.entry], as: UTF8.self)) was held by no switch; restored from \(from). Legacy goes on from \(one.from.iso8601): \(one.because)"
            }
        }
    }
}

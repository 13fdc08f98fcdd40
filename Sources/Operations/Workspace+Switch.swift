package import Cutover
import Foundation
import Legacy
import LosslessJSON
package import Migration
import Planning
import Redis
import Schedules
package import Settings
package import Store

/// What the commands that move ownership need of a settings.
extension Workspace {
    /// How a RedBeat source keeps its schedule.
    package func place(_ settings: SourceSettings) -> RedBeatPlace {
        RedBeatPlace(
            source: settings.name,
            prefix: settings.prefix,
            lock: settings.lockKey,
            maxInterval: settings.maxInterval
        )
    }

    /// The RedBeat sources.
    var redBeatSources: [SourceSettings] { settings.sources.filter { $0.kind == "redbeat" } }

    /// The RedBeat entries of a pipeline, and the source they lie in; nil if it has none.
    ///
    /// - Throws: `Refusal` where they cannot be taken over, also if they lie in several sources.
    package func redBeatGroup(_ dag: DAGDefinition, inventory: Inventory) throws -> (
        group: RedBeatGroup, source: SourceSettings
    )? {
        var found: (group: RedBeatGroup, source: SourceSettings)?
        for source in redBeatSources {
            guard let group = try RedBeatGroup(dag, inventory: inventory, place: place(source), zones: zones) else {
                continue
            }
            if let other = found {
                throw Refusal(
                    .elsewhere,
                    "the entries of \(dag.id) lie in \(other.source.name) and in \(source.name)",
                    "Entries of several Redis databases cannot move as one; make pipelines of their own of them"
                )
            }
            found = (group, source)
        }
        return found
    }

    /// The entries that a pipeline took over, by what their own switches say, and their source; nil if there are none.
    ///
    /// - Throws: `RedisError`.
    package func takenEntries(_ pipeline: String, store: StateStore?) async throws -> (
        keys: RedBeatKeys, source: SourceSettings
    )? {
        // Where they were, if this state knows; the switches decide.
        let check = try? store?.journal(pipeline: pipeline, operation: "cutover", limit: 500).last {
            $0.step == .check && $0.detail["keys"] != nil
        }
        let hint = (check?.detail["keys"]?.array ?? []).compactMap { $0.string.map { Array($0.utf8) } }
        for source in redBeatSources {
            let search = SwitchSearch(url: try RedisURL(source.url), place: place(source))
            if let keys = try await search.entries(of: pipeline, hint: hint) { return (keys, source) }
        }
        return nil
    }

    /// Lends an engine on the switches of entries for as long as a piece of work goes on.
    package func withEngine<Value>(
        _ source: SourceSettings,
        keys: RedBeatKeys,
        journal: Journal,
        tell: @escaping @Sendable (CutoverProgress) -> Void = { _ in },
        _ work: (CutoverEngine) async throws -> Value
    ) async throws -> Value {
        let (zones, name) = (zones, source.name)
        return try await RedBeatSwitch.use(try RedisURL(source.url), keys: keys) { redbeat in
            try await work(
                CutoverEngine(
                    redbeat: redbeat,
                    journal: journal,
                    zones: zones,
                    applicationZone: {
                        // Only where beat never wrote one: then it is worth reading what was imported.
                        let entries = (try? journal.store.latestInventory())?.entries ?? []
                        let known = Set(
                            entries.filter { $0.id.source == name && $0.kind == .redbeat }.compactMap(\.timezone)
                        )
                        return known.count == 1 ? known.first.flatMap { try? zones.zone($0) } : nil
                    },
                    now: surroundings.now,
                    sleep: surroundings.sleep,
                    tell: tell
                )
            )
        }
    }

    /// Lets an operator work on a pipeline alone.
    package func session(_ pipeline: String, _ operation: String, store: StateStore) -> OperatorSession {
        OperatorSession(
            store: store,
            pipeline: pipeline,
            operation: operation,
            now: surroundings.now,
            sleep: surroundings.sleep,
            note: { tell("\(pipeline): \($0)") }
        )
    }

    /// Bailey's own state; one that begins empty in a temporary folder where it cannot be opened, so that a rollback still can be done.
    package func storeOrSubstitute() throws -> StateStore {
        do { return try store() } catch {
            let path = NSTemporaryDirectory() + "bailey-state-\(UUID().uuidString)/state.sqlite"
            tell("\(error). Going on without it; the journal of this command is in \(path)")
            return try StateStore(path: path)
        }
    }
}

extension CutoverProgress {
    /// The step for people; nil where there is nothing to say.
    package var line: String? {
        switch self {
        case .checked(let check):
            check.refusal == nil
                ? "check: \(check.name): \(check.evidence)" : "check: \(check.name): NO, \(check.evidence)"
        case .recovering(let what): "recovering: \(what)"
        case .waitingForMoment(let why): "\(why) …"
        case .closed(let at, let fence): "closed at \(at.iso8601) (fence \(fence))"
        case .fencing(let why): "fence: waiting \(why.words) …"
        case .reopened: "a beat has started and enabled an entry again; it is closed again"
        case .settled(let from, _): "settled: Airflow owns the ticks from \(from.iso8601) on"
        case .claimed(let claim): "claimed: \(claim.tick.iso8601) by \(claim.run) (\(claim.how.rawValue))"
        case .bounded(let durable): "Airflow's window has ended; Redis has it on disk by \(durable.iso8601) …"
        case .gaveBack(let at): "given back at \(at.iso8601)"
        }
    }
}

extension SettleReply.Why {
    fileprivate var words: String {
        switch self {
        case .extending: "until beat begins its next loop"
        case .longestTick: "one longest loop of beat, for nobody holds its lock"
        case .grace: "because beat's lock expired: its holder may only be slow"
        case .waited, .extended, .released, .expired: "no longer"
        }
    }
}

package import Cutover
import Foundation
import Legacy
package import Migration
import Planning
import Settings
package import Store

/// How the commands that move ownership reach the switches.
extension Workspace {
    /// The bridges of all sources that have one, in the order of the settings.
    ///
    /// - Parameters:
    ///   - known: Bailey's own state, for what it helps to know.
    ///   - journal: where the journal goes.
    package func bridges(known: Known<StateStore>, journal: @escaping @Sendable () throws -> StateStore)
        -> [any Bridge]
    {
        let kinds = Dictionary(SystemKind.all.map { ($0.settings.name, $0) }, uniquingKeysWith: { $1 })
        let around = BridgeSurroundings(zones: zones, around: surroundings, known: known, journal: journal)
        let bridges: [any Bridge] = settings.sources.compactMap { source in
            guard let system = system(source.name) else { return nil }
            return kinds[source.kind]?.bridge?(source, system, around)
        }
        return bridges.map { $0.beside(bridges) }
    }

    /// The same with a state that was opened.
    package func bridges(_ store: StateStore) -> [any Bridge] { bridges(known: .known(store), journal: { store }) }

    /// What a pipeline of the plan has on each bridge: ticks first, of which there is one crossing at most.
    ///
    /// - Throws: `Refusal` where it cannot be taken over, also if its ticks lie in several sources.
    package func crossings(of dag: DAGDefinition, _ inventory: Inventory, _ bridges: [any Bridge]) throws
        -> [any Crossing]
    {
        var ticks: (any Crossing)?
        var jobs: [any Crossing] = []
        for bridge in bridges {
            guard let crossing = try bridge.crossing(of: dag, in: inventory) else { continue }
            switch crossing.cargo {
            case .jobs: jobs.append(crossing)
            case .ticks:
                if let other = ticks {
                    throw Refusal(
                        .elsewhere,
                        "the entries of \(dag.id) lie in \(other.source) and in \(crossing.source)",
                        "Entries of several sources cannot move as one; make pipelines of their own of them"
                    )
                }
                ticks = crossing
            }
        }
        return (ticks.map { [$0] } ?? []) + jobs
    }

    /// What a pipeline has taken over of ticks by the switches, wherever: what legacy does not own, if there is such a thing; and what could not be
    /// asked. What else it has taken is found by `allTaken`.
    func ticks(of pipeline: String, _ bridges: [any Bridge]) async throws -> (
        taken: (any Crossing)?, unasked: [any Error]
    ) {
        var taken: (any Crossing)?
        var unasked: [any Error] = []
        for bridge in bridges where bridge.cargo == .ticks && taken?.isResting ?? true {
            do {
                guard let found = try await bridge.taken(by: pipeline) else { continue }
                if taken == nil || !found.isResting { taken = found }
            } catch let error where !(error is CancellationError) {
                unasked.append(error)
            }
        }
        // That legacy owns it is not known of a source that could not be asked.
        if taken?.isResting ?? true, let error = unasked.first { throw error }
        return (taken, unasked)
    }

    /// What a pipeline's name has taken over of ticks that is not legacy's and shares nothing with a crossing, in any source.
    ///
    /// - Throws: an error of a legacy system that cannot be asked.
    func doubles(of crossing: any Crossing, _ bridges: [any Bridge]) async throws -> [any Crossing] {
        var found: [any Crossing] = []
        for bridge in bridges where bridge.cargo == .ticks {
            found += try await bridge.allTaken().filter { other in
                let isSame =
                    other.location == crossing.location && !Set(other.members).isDisjoint(with: crossing.members)
                return other.pipeline == crossing.pipeline && !other.isResting && !isSame
            }
        }
        return found
    }

    /// Lets an operator work on a pipeline alone.
    package func session(_ pipeline: String, _ operation: String, store: StateStore) throws -> OperatorSession {
        let around = BridgeSurroundings(zones: zones, around: surroundings, known: .known(store), journal: { store })
        return try around.session(pipeline, operation)
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

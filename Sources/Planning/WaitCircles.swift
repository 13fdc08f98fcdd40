import LosslessJSON
import Migration
import Schedules

/// Pipelines that wait for each other at one tick, so that none of them would ever go on.
///
/// A wait is for the last tick until the run's own. So runs of one circle that are due at different ticks do wait for each other, but each for one that began before it:
/// only where all of a circle are due at once does nobody begin.
struct WaitCircles {
    private let dags: [String: DAGDefinition]
    /// The pipelines that some tick is due of at once, with such a tick, of each pipeline that waits in the end for itself.
    private let due: [String: [(tick: Instant, pipelines: Set<String>)]]

    init(dags: [String: DAGDefinition], zones: ZoneDatabase) {
        self.dags = dags
        let awaited = dags.mapValues { dag in Set(dag.tasks.compactMap { $0.body.wait?.pipeline }) }
        let reached = awaited.filter { !$0.value.isEmpty }.mapValues { first in
            var seen: Set<String> = []
            var waiting = Array(first)
            while let next = waiting.popLast() {
                if seen.insert(next).inserted { waiting += awaited[next] ?? [] }
            }
            return seen
        }
        var groups: [String: Set<String>] = [:]
        for (name, others) in reached where others.contains(name) && groups[name] == nil {
            let group = others.filter { reached[$0]?.contains(name) == true }
            for member in group { groups[member] = group }
        }
        var due: [String: [(tick: Instant, pipelines: Set<String>)]] = [:]
        for (name, group) in groups where due[name] == nil {
            let found = WaitCircles.sets(of: group, dags, zones)
            for member in group { due[member] = found }
        }
        self.due = due
    }

    /// The different sets of pipelines that are due at one tick, each with the first such tick.
    private static func sets(of group: Set<String>, _ dags: [String: DAGDefinition], _ zones: ZoneDatabase)
        -> [(tick: Instant, pipelines: Set<String>)]
    {
        // Those of one schedule are due together.
        let clocks = Dictionary(grouping: group) { name in
            [dags[name]?.clock.schedule?.timetableJSON.text() ?? "", dags[name]?.clock.timezone ?? ""]
        }
        // Ticks at which all of a circle are due are among those of its rarest.
        let ticks = Set(
            clocks.values.compactMap(\.first).flatMap { name -> [Instant] in
                dags[name]?.clock.timetable.map { Array($0.ticks(after: WaitChecker.start).prefix(50)) } ?? []
            }
        )
        var seen: Set<Set<String>> = []
        return ticks.sorted().compactMap { tick in
            let due = clocks.values.filter { names in
                guard let clock = names.first.flatMap({ dags[$0]?.clock }), let schedule = clock.schedule else {
                    return false
                }
                if case .interval = schedule { return false }
                return schedule.last(until: tick, in: (try? zones.zone(clock.timezone)) ?? .utc) == tick
            }
            let pipelines = Set(due.flatMap { $0 })
            return seen.insert(pipelines).inserted ? (tick, pipelines) : nil
        }
    }

    /// What can end: a task, or all of a pipeline.
    private enum Node: Hashable {
        case task(String, String)
        case whole(String)

        var pipeline: String {
            switch self {
            case .task(let pipeline, _), .whole(let pipeline): pipeline
            }
        }

        var text: String {
            switch self {
            case .task(let pipeline, let task): "\(pipeline).\(task)"
            case .whole(let pipeline): pipeline
            }
        }
    }

    /// Why a wait would never end; nil if it can.
    func refusal(of wait: PipelineWait, _ task: String, in dag: DAGDefinition) -> String? {
        if wait.pipeline == dag.id {
            return
                "waits in the end for “\(dag.id)”, which is its own pipeline: put what it is to wait for under “after”."
        }
        for (tick, due) in due[dag.id] ?? [] where due.contains(dag.id) && due.contains(wait.pipeline) {
            let first: Node = wait.task.map { .task(wait.pipeline, $0) } ?? .whole(wait.pipeline)
            let own: Node = .task(dag.id, task)
            guard let way = way(from: first, to: own, among: due) else { continue }
            var names = ([own] + way).map(\.text)
            if names.count > 16 { names = names.prefix(12) + ["…"] + names.suffix(3) }
            let circle = names.joined(separator: " → ")
            return
                "waits for “\(wait.pipeline)”, which waits in the end for “\(dag.id)” at the same tick, such as \(tick.iso8601) (\(circle)): neither would ever begin."
        }
        return nil
    }

    /// What a node waits for, the way from it to another, among pipelines that are due at once; nil if there is none.
    private func way(from start: Node, to end: Node, among due: Set<String>) -> [Node]? {
        var before: [Node: Node] = [:]
        var waiting = [start]
        var seen: Set<Node> = [start]
        while let next = waiting.popLast() {
            if next == end {
                var way = [next]
                while let one = before[way[0]] { way.insert(one, at: 0) }
                // Within one pipeline the tasks on the way say nothing more.
                return way.enumerated().filter { place, node in
                    place == 0 || place == way.count - 1 || node.pipeline != way[place - 1].pipeline
                        || node.pipeline != way[place + 1].pipeline
                }.map(\.element)
            }
            for one in needs(next) where due.contains(one.pipeline) && seen.insert(one).inserted {
                before[one] = next
                waiting.append(one)
            }
        }
        return nil
    }

    private func needs(_ node: Node) -> [Node] {
        switch node {
        case .whole(let pipeline): return dags[pipeline]?.tasks.map { .task(pipeline, $0.id) } ?? []
        case .task(let pipeline, let id):
            guard let task = dags[pipeline]?[id] else { return [] }
            let own = task.body.wait.map { wait in
                wait.task.map { Node.task(wait.pipeline, $0) } ?? .whole(wait.pipeline)
            }
            return task.after.map { .task(pipeline, $0) } + [own].compactMap { $0 }
        }
    }
}

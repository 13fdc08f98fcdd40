import Migration
import Settings

/// Pipelines that assets start: whether anybody announces them, and whether they start each other for ever.
struct AssetChecker {
    let mappings: [Mapping]

    func findings() -> [Finding] { circles() + slips() }

    /// Pipelines all of whose assets are announced by pipelines that wait for them in turn: once one has begun none ends.
    private func circles() -> [Finding] {
        var closed = mappings.filter { !$0.assets.isEmpty }
        while true {
            let announced = Set(closed.flatMap(alwaysProduced))
            let left = closed.filter { mapping in mapping.assets.allSatisfy(announced.contains) }
            if left.count == closed.count { break }
            closed = left
        }
        return closed.map { mapping in
            let by = closed.filter { other in mapping.assets.contains { alwaysProduced(other).contains($0) } }
            let names = by.map { "“\($0.pipeline)”" }.joined(separator: ", ")
            let ids = Set(closed.map(\.pipeline))
            let others = mappings.filter { !ids.contains($0.pipeline) }.flatMap {
                $0.tasks.flatMap(\.definition.produces)
            }
            let end = "once it has begun, it would never end"
            let why = mapping.assets.allSatisfy(others.contains) ? end : "it never begins by itself, and \(end)"
            return Finding(
                .dependencyCycle,
                pipeline: mapping.pipeline,
                location: mapping.location,
                text:
                    "Assets start “\(mapping.pipeline)”, and each run of \(names), which it starts in the end itself, announces them: \(why). Take one away, or put “when” on the task that announces."
            )
        }
    }

    /// The assets that each run of a pipeline announces, if it succeeds.
    private func alwaysProduced(_ mapping: Mapping) -> [String] {
        let tasks = Dictionary(mapping.tasks.map { ($0.definition.id, $0.definition) }, uniquingKeysWith: { a, _ in a })
        func mayBeSkipped(_ id: String) -> Bool {
            var seen: Set<String> = []
            var waiting = [id]
            while let next = waiting.popLast() {
                guard let task = tasks[next], seen.insert(next).inserted else { continue }
                if !task.conditions.isEmpty || task.items != nil { return true }
                waiting += task.after
            }
            return false
        }
        return mapping.tasks.flatMap { task in
            task.definition.produces.isEmpty || mayBeSkipped(task.definition.id) ? [] : task.definition.produces
        }
    }

    /// Assets that nobody announces here, and that look like one that somebody does.
    private func slips() -> [Finding] {
        let produced = Set(mappings.flatMap { $0.tasks.flatMap(\.definition.produces) })
        return mappings.flatMap { mapping in
            mapping.assets.filter { !produced.contains($0) }.compactMap { name -> Finding? in
                let others = produced.filter { other in !mapping.assets.contains(other) }
                guard let near = others.filter({ editDistance($0, name) <= 2 }).min() else { return nil }
                return Finding(
                    .assetUnannounced,
                    pipeline: mapping.pipeline,
                    location: mapping.location,
                    text:
                        "The asset “\(name)” starts this pipeline, and no task of a mapping produces it; did you mean “\(near)”? What announces it elsewhere starts it all the same."
                )
            }
        }
    }
}

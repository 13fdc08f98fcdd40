import Migration
import Settings

/// The pools of a workspace: those of `bailey.yaml` and those of its mappings, which are one set, as they are one in Airflow.
struct PoolDeclarations {
    /// By name; of one that is declared twice the first.
    let all: [Pool]
    /// The slots by name.
    let slots: [String: Int]
    private let contradictions: [(first: Pool, second: Pool, mapping: String?)]

    init(_ settings: [PoolSettings], _ mappings: [Mapping]) {
        var found: [String: Pool] = [:]
        var contradictions: [(Pool, Pool, String?)] = []
        let declared =
            settings.map { ($0, String?.none) }
            + mappings.flatMap { mapping in mapping.pools.map { ($0, mapping.pipeline) } }
        for (one, mapping) in declared {
            let pool = Pool(
                name: one.name,
                slots: one.slots,
                summary: one.summary,
                location: SourceLocation(file: one.file, line: one.line)
            )
            if let first = found[one.name] {
                if first.slots != pool.slots { contradictions.append((first, pool, mapping)) }
            } else {
                found[one.name] = pool
            }
        }
        all = found.values.sorted { $0.name < $1.name }
        slots = found.mapValues(\.slots)
        self.contradictions = contradictions
    }

    /// What is wrong with them, and with the tasks in them.
    func findings(of mappings: [Mapping]) -> [Finding] {
        var findings = contradictions.map { first, second, mapping in
            Finding(
                .poolDiffers,
                pipeline: mapping,
                location: second.location,
                text:
                    "The pool “\(first.name)” has \(second.slots) slots here and \(first.slots) at \(first.location); in Airflow it is one pool. Declare it once."
            )
        }
        for mapping in mappings {
            var undeclared: [String: [String]] = [:]
            for task in mapping.tasks {
                let definition = task.definition
                let name = definition.pool ?? Pool.standard
                if let pool = all.first(where: { $0.name == name }) {
                    guard definition.slotsTaken > pool.slots else { continue }
                    findings.append(
                        Finding(
                            .poolTooSmall,
                            pipeline: mapping.pipeline,
                            location: task.location,
                            text:
                                "Task “\(definition.id)” takes \(definition.slotsTaken) slots of the pool “\(name)”, which has \(pool.slots) (\(pool.location)): it would never start."
                        )
                    )
                } else if name != Pool.standard {
                    undeclared[name, default: []].append(definition.id)
                }
            }
            for (name, tasks) in undeclared.sorted(by: { $0.key < $1.key }) {
                let near = nearest(to: name, of: all.map(\.name)).map { "; did you mean “\($0)”?" } ?? "."
                findings.append(
                    Finding(
                        .poolUndeclared,
                        pipeline: mapping.pipeline,
                        location: mapping.tasks.first { $0.definition.id == tasks[0] }?.location ?? mapping.location,
                        text:
                            "The pool “\(name)” of \(tasks.joined(separator: ", ")) is declared nowhere\(near) Write “pools: {\(name): {slots: N}}” into bailey.yaml: how long a run takes is not known without, and bailey deploy does not make it."
                    )
                )
            }
        }
        return findings
    }
}

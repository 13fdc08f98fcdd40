/// An Airflow pool: so many slots that the tasks of all pipelines share.
public struct Pool: Sendable, Hashable {
    /// Its name.
    public var name: String
    /// How many slots it has.
    public var slots: Int
    /// What people say of it; nil if nothing.
    public var summary: String?
    /// Where it is declared.
    public var location: SourceLocation

    /// Makes a pool.
    public init(name: String, slots: Int, summary: String? = nil, location: SourceLocation) {
        self.name = name
        self.slots = slots
        self.summary = summary
        self.location = location
    }

    /// The pool of tasks that name none. Every Airflow has it.
    public static let standard = "default_pool"
}

extension TaskDefinition {
    /// The slots that it takes of its pool while it runs.
    public var slotsTaken: Int { poolSlots }
}

extension [TaskDefinition] {
    /// How urgent each task is to Airflow, by its id: its own priority and that of everything that waits for it, directly or not.
    ///
    /// That is Airflow's `weight_rule` “downstream”, which is what it does unless it is told otherwise.
    public var urgencies: [String: Int] {
        var later: [String: [String]] = [:]
        for task in self { for before in Set(task.after) { later[before, default: []].append(task.id) } }
        let own = Dictionary(map { ($0.id, $0.priority) }, uniquingKeysWith: { first, _ in first })
        var found: [String: Int] = [:]
        for task in self {
            var seen: Set<String> = [task.id]
            var open = [task.id]
            var sum = 0
            while let id = open.popLast() {
                let (added, overflows) = sum.addingReportingOverflow(own[id] ?? 0)
                // Airflow's column holds 32 bits; so large a sum is as urgent as can be.
                sum = overflows ? (sum > 0 ? .max : .min) : added
                for next in later[id] ?? [] where seen.insert(next).inserted { open.append(next) }
            }
            found[task.id] = sum
        }
        return found
    }
}

import LosslessJSON
import Migration

/// What entries call beyond their own task, and mappings in which that has become tasks.
struct CanvasExpansion {
    let inventory: Inventory

    /// What a person should know of an entry's signatures; nil if it has none.
    static func words(of entry: LegacyEntry) -> String? {
        var words: [String] = []
        switch Result(catching: { () throws(CanvasError) in try CanvasCall.following(entry.options, entry.task) }) {
        case .success(let (next, _)):
            if !next.isEmpty {
                words.append(
                    "when it has ended well, the workers call \(next.map(\.words).joined(separator: ", and ")): the DAG shows one task, unless a mapping "
                        + "says “canvas: tasks” for it"
                )
            }
        case .failure(let error):
            words.append("\(error.message): the workers do that themselves, and the DAG shows one task")
        }
        for (name, value) in [("args", entry.args), ("kwargs", entry.kwargs)] {
            for (place, signature) in signatures(in: value, at: name) {
                let shown = (try? Canvas(signature))?.words ?? signature["task"]?.string ?? "a signature"
                words.append("\(place) is a signature (\(shown)): what the task does with it only its code knows")
            }
        }
        return words.isEmpty ? nil : words.joined(separator: "; ")
    }

    private static func signatures(in json: JSON, at place: String, depth: Int = 0) -> [(String, JSON)] {
        if depth > 20 { return [] }
        if Canvas.isSignature(json) { return [(place, json)] }
        switch json {
        case .array(let items):
            return items.enumerated().flatMap {
                signatures(in: $0.element, at: "\(place)[\($0.offset)]", depth: depth + 1)
            }
        case .object(let object):
            return object.members.flatMap { signatures(in: $0.value, at: "\(place).\($0.key)", depth: depth + 1) }
        default: return []
        }
    }

    /// The mappings with the tasks of canvases in them.
    func expanded(_ mappings: [Mapping]) -> ([Mapping], [Finding]) {
        var findings: [Finding] = []
        let expanded = mappings.map { mapping -> Mapping in
            guard mapping.tasks.contains(where: \.splitsCanvas) else { return mapping }
            var mapping = mapping
            var taken = Set(mapping.tasks.map(\.definition.id)).union(["gate"])
            mapping.tasks = mapping.tasks.flatMap { task -> [MappedTask] in
                // An entry that is not there is told of by itself.
                guard task.splitsCanvas, let entry = task.definition.entry.flatMap({ inventory[$0] }) else {
                    return [task]
                }
                do throws(CanvasError) {
                    let tasks = try split(task, entry, taken)
                    taken.formUnion(tasks.map(\.definition.id))
                    return tasks
                } catch {
                    findings.append(
                        Finding(
                            .invalidMapping,
                            entry: entry.id,
                            pipeline: mapping.pipeline,
                            location: task.location,
                            text: sentence("“canvas: tasks” cannot be: \(error.message)")
                        )
                    )
                    return [task]
                }
            }
            return mapping
        }
        return (expanded, findings)
    }

    private func split(_ task: MappedTask, _ entry: LegacyEntry, _ taken: Set<String>) throws(CanvasError)
        -> [MappedTask]
    {
        guard !task.hasBody, case .celery = entry.ownBody else {
            throw CanvasError("the task does not call what the entry calls; write the tasks that follow it")
        }
        guard (task.sending?.wait ?? .result) == .result else {
            throw CanvasError("the tasks that follow get the result, for which “send” does not wait")
        }
        let (next, options) = try CanvasCall.following(entry.options, entry.task)
        guard !next.isEmpty else { throw CanvasError("the entry's options call nothing after it") }
        var first = task
        first.hasBody = true
        first.definition.body = .celery(
            CeleryCall(
                source: entry.id.source,
                task: entry.task,
                args: entry.args.isNull ? [] : entry.args,
                kwargs: entry.kwargs.isNull ? [:] : entry.kwargs,
                options: options
            )
        )
        let following = try CanvasTasks(after: first.definition, next, source: entry.id.source, taken: taken).tasks
        return [first]
            + following.map { definition in
                var mapped = MappedTask(location: task.location, definition: definition, hasBody: true)
                // Of the first task's own sending, the options are the first task's alone.
                mapped.sending = task.sending
                mapped.sending?.options = [:]
                return mapped
            }
    }
}

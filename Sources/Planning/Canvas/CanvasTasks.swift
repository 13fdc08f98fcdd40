import LosslessJSON
import Migration

/// The tasks of a DAG that a canvas becomes: a call each, after what Celery calls before it, with the results that Celery would hand it.
struct CanvasTasks {
    /// The result that comes to a call: of one task, or a list of such.
    private indirect enum Handed {
        case one(String)
        case list([Handed])

        /// As inputs of a task, from a place of its arguments on; and the place's value until they are there.
        ///
        /// - Throws: `CanvasError` for groups within groups, whose results Celery puts into one list, in an order of its own.
        func inputs(at place: [TaskCondition.Step]) throws(CanvasError) -> (JSON, [TaskInput]) {
            guard case .list(let parts) = self else {
                return (.null, tasks.map { TaskInput(place: place, source: .result(task: $0, path: [])) })
            }
            var inputs: [TaskInput] = []
            for (number, part) in parts.enumerated() {
                guard case .one(let task) = part else {
                    throw CanvasError(
                        "a group within a group hands on its results, which Celery puts into one list in an order of its own"
                    )
                }
                inputs.append(TaskInput(place: place + [.index(number)], source: .result(task: task, path: [])))
            }
            return (.array(parts.map { _ in .null }), inputs)
        }

        /// The tasks that it comes from.
        var tasks: [String] {
            switch self {
            case .one(let task): [task]
            case .list(let parts): parts.flatMap(\.tasks)
            }
        }
    }

    /// The most tasks that a canvas becomes.
    static let most = 100

    private let source: String
    private var taken: Set<String>
    private let first: TaskDefinition
    private(set) var tasks: [TaskDefinition] = []

    /// The tasks that follow one.
    ///
    /// - Parameters:
    ///   - first: the task whose canvas it is; what it says of retries, time-outs, pools and queues holds for all.
    ///   - taken: ids that others have.
    /// - Throws: `CanvasError` if there are too many.
    init(after first: TaskDefinition, _ next: [Canvas], source: String, taken: Set<String>) throws(CanvasError) {
        (self.first, self.source, self.taken) = (first, source, taken)
        for canvas in next { _ = try add(canvas, .one(first.id)) }
    }

    private mutating func add(_ canvas: Canvas, _ handed: Handed) throws(CanvasError) -> Handed {
        switch canvas {
        case .call(let call): return try add(call, handed)
        case .chain(let parts):
            var handed = handed
            for part in parts { handed = try add(part, handed) }
            return handed
        case .group(let parts): return try side(parts, handed)
        case .chord(let header, let body):
            let end = try add(body, side(header, handed))
            guard case .one = end else {
                throw CanvasError(
                    "a chord ends in a group, after which Celery calls what follows once for each of the group"
                )
            }
            return end
        }
    }

    private mutating func side(_ parts: [Canvas], _ handed: Handed) throws(CanvasError) -> Handed {
        var ends: [Handed] = []
        for part in parts { ends.append(try add(part, handed)) }
        return .list(ends)
    }

    private mutating func add(_ call: CanvasCall, _ handed: Handed) throws(CanvasError) -> Handed {
        guard tasks.count < CanvasTasks.most else {
            throw CanvasError("it would become more than \(CanvasTasks.most) tasks")
        }
        let id = name(call.task)
        var args = call.args
        var inputs: [TaskInput] = []
        if !call.isImmutable {
            let (value, found) = try handed.inputs(at: [.key("args"), .index(0)])
            args.insert(value, at: 0)
            inputs = found
        }
        var task = TaskDefinition(
            id: id,
            body: .celery(
                CeleryCall(
                    source: source,
                    task: call.task,
                    args: .array(args),
                    kwargs: call.kwargs,
                    options: call.options
                )
            ),
            after: handed.tasks,
            retry: first.retry,
            timeout: first.timeout,
            pool: first.pool,
            priority: first.priority,
            queue: first.queue,
            group: first.group
        )
        task.inputs = inputs
        task.poolSlots = first.poolSlots
        task.notify = first.notify
        tasks.append(task)
        for canvas in call.next { _ = try add(canvas, .one(id)) }
        return .one(id)
    }

    /// `check_store` of a task `check` and a call of `company.ml.store`.
    private mutating func name(_ task: String) -> String {
        let last = task.split(separator: ".").last.map(String.init) ?? task
        let plain = String(last.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") ? $0 : "_" }.prefix(80))
        let wanted = "\(first.id.prefix(100))_\(plain)"
        var name = wanted
        var number = 2
        while !taken.insert(name).inserted {
            name = "\(wanted)_\(number)"
            number += 1
        }
        return name
    }
}

public import LosslessJSON
public import Schedules

/// What a run knows of itself: where inputs get their ticks and parameters.
public struct RunFacts: Sendable {
    /// The tick that it is due for; nil for one that a person has started.
    public var tick: Instant?
    /// The tick of the schedule before it.
    public var previousTick: Instant?
    /// The zone of dates.
    public var zone: Zone
    /// The parameters that it was given, or that have a default.
    public var parameters: [String: JSON]
    /// What it was given and Airflow would have refused: why, by the parameter's name.
    public private(set) var refused: [String: String] = [:]

    /// The facts of a run that knows nothing but these.
    public init(
        tick: Instant? = nil,
        previousTick: Instant? = nil,
        zone: Zone = .utc,
        parameters: [String: JSON] = [:]
    ) {
        (self.tick, self.previousTick, self.zone, self.parameters) = (tick, previousTick, zone, parameters)
    }

    /// The facts of a pipeline's run that nobody gave any parameter.
    public init(_ dag: DAGDefinition, tick: Instant?, zone: Zone) {
        self.init(
            tick: tick,
            previousTick: tick.flatMap { dag.clock.schedule?.previous(before: $0, in: zone) },
            zone: zone,
            parameters: Dictionary(
                dag.parameters.compactMap { parameter in parameter.standard.map { (parameter.name, $0) } },
                uniquingKeysWith: { first, _ in first }
            )
        )
    }

    /// Gives the run a parameter. One that Airflow would refuse no input gets.
    public mutating func give(_ name: String, _ value: JSON, of parameters: [RunParameter]) {
        self.parameters[name] = value
        // What a table holds no value of was not given.
        refused[name] = value.isNull ? nil : parameters.first { $0.name == name }?.refusal(of: value)
    }

    /// The value of an input.
    ///
    /// - Parameters:
    ///   - results: what earlier tasks returned; those that have no result are not among them.
    ///   - item: the item that the task runs for.
    /// - Throws: `TaskInputError`, in the words of the runtime in Airflow.
    func value(of source: TaskInput.Source, results: [String: JSON], item: JSON?) throws(TaskInputError) -> JSON {
        switch source {
        case .result(let task, let path):
            guard let result = results[task] else {
                throw TaskInputError("“\(task)” has no result: it did not succeed, or returned nothing")
            }
            return try path.value(in: result, of: task)
        case .tick(let form): return .string(text(try known(), form))
        case .previousTick(let form): return .string(text(try before(), form))
        case .window(let form):
            let until = try known()
            return ["from": .string(text(try before(), form)), "until": .string(text(until, form))]
        case .item(let path):
            guard let item else { throw TaskInputError("this task runs for no item") }
            return try path.value(in: item, called: "the item")
        case .parameter(let name):
            guard let value = parameters[name] else {
                throw TaskInputError("the parameter “\(name)” has no default, and this run was not given it")
            }
            if let why = refused[name] {
                throw TaskInputError("the parameter “\(name)” \(why): Airflow would start no such run")
            }
            return value
        }
    }

    private func known() throws(TaskInputError) -> Instant {
        guard let tick else {
            throw TaskInputError("this run has no tick: start it with a logical date, or let its schedule start it")
        }
        return tick
    }

    private func before() throws(TaskInputError) -> Instant {
        guard let previousTick else { throw TaskInputError("this run has no tick before it") }
        return previousTick
    }

    private func text(_ instant: Instant, _ form: TaskInput.Form) -> String {
        switch form {
        case .iso: RunFacts.shortened(instant.iso8601)
        case .date: zone.local(at: instant).date.description
        }
    }

    /// As the runtime writes an instant: of a second's part only the digits that there are.
    private static func shortened(_ text: String) -> String {
        guard text.contains("."), text.hasSuffix("Z") else { return text }
        var digits = text.dropLast()
        while digits.last == "0" { digits.removeLast() }
        return (digits.last == "." ? digits.dropLast() : digits) + "Z"
    }
}

extension TaskDefinition {
    /// The body with its inputs filled in.
    ///
    /// - Parameters:
    ///   - results: what earlier tasks returned.
    ///   - item: the item that it runs for, if it runs once for each.
    /// - Throws: `TaskInputError`.
    public func filledBody(_ facts: RunFacts, results: [String: JSON], item: JSON? = nil) throws(TaskInputError)
        -> TaskBody
    {
        var filled = body
        guard !inputs.isEmpty else { return filled }
        var input = body.input
        for part in inputs {
            input = input.replacing(
                at: part.place,
                with: try facts.value(of: part.source, results: results, item: item)
            )
        }
        filled.input = input
        return filled
    }
}

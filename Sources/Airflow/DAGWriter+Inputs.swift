import LosslessJSON
import Migration
import Schedules

/// What tasks get when they run: results of earlier ones, ticks, parameters.
extension DAGWriter {
    /// The inputs of a task as the runtime reads them. What needs more than the run has that beside it: dates their zone, the tick before
    /// this one the schedule.
    func inputs(_ task: TaskDefinition) -> JSON {
        .array(
            task.inputs.map { input in
                guard var fields = input.json.object else { return input.json }
                switch input.source {
                case .tick(.date): fields["zone"] = .string(dag.clock.timezone)
                case .previousTick, .window:
                    fields["zone"] = .string(dag.clock.timezone)
                    fields["schedule"] = dag.clock.schedule?.timetableJSON ?? .null
                case .result, .tick(.iso), .item, .parameter: break
                }
                return .object(fields)
            }
        )
    }

    /// The parameters of the DAG, as Airflow checks and shows them.
    var parameters: PythonExpression {
        .dictionary(
            dag.parameters.map { parameter in
                var arguments: [(name: String, value: PythonExpression)] = [("type", .string(parameter.kind.rawValue))]
                if !parameter.choices.isEmpty {
                    arguments.append(("enum", .list(parameter.choices.map(PythonExpression.init))))
                }
                if !parameter.summary.isEmpty { arguments.append(("description", .string(parameter.summary))) }
                return (
                    parameter.name, .call("Param", parameter.standard.map { [PythonExpression($0)] } ?? [], arguments)
                )
            }
        )
    }

    /// Whether a task takes the tick before the run's, which only the runtime can tell.
    var needsPreviousTick: Bool {
        dag.tasks.contains { $0.inputs.contains { $0.source.needsPreviousTick } }
    }
}

extension TaskInput.Source {
    fileprivate var needsPreviousTick: Bool {
        switch self {
        case .previousTick, .window: true
        case .result, .tick, .item, .parameter: false
        }
    }
}

extension PythonExpression {
    /// A JSON value as Python has it.
    init(_ json: JSON) {
        switch json {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .number(let number): self = .name(number.lexeme)
        case .string(let text): self = .string(text)
        case .array(let items): self = .list(items.map(PythonExpression.init))
        case .object(let object): self = .dictionary(object.members.map { ($0.key, PythonExpression($0.value)) })
        }
    }
}

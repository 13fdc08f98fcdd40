import LosslessJSON
import Migration

/// Airflow's templates (`{{ ds }}`) in what a body gets: nothing fills them in, in Airflow as little as in shadow, and whoever wrote them believes that something does.
enum TemplateChecker {
    /// What a mapping writes instead, by the first word of the template.
    private static let instead: [String: String] = [
        "ds": "{tick: date}", "ts": "{tick: iso}", "logical_date": "{tick: iso}", "execution_date": "{tick: iso}",
        "data_interval_end": "{tick: iso}", "data_interval_start": "{previous_tick: iso}",
        "prev_ds": "{previous_tick: date}", "params": "{param: NAME}", "ti": "{from: TASK}",
        "task_instance": "{from: TASK}", "dag_run": "{param: NAME}",
    ]

    static func findings(of mapping: Mapping) -> [Finding] {
        mapping.tasks.compactMap { task in
            guard task.hasBody, let (template, word) = first(in: texts(of: task.definition.body)) else { return nil }
            return Finding(
                .templateStays,
                pipeline: mapping.pipeline,
                location: task.location,
                text:
                    "Task “\(task.definition.id)” has “\(template)”, which stays as it is: nobody fills in Airflow's templates. Write \(instead[word] ?? "{tick: iso}") as a value of its own."
            )
        }
    }

    private static func first(in texts: [String]) -> (template: String, word: String)? {
        for text in texts where text.contains("{{") {
            guard let match = text.firstMatch(of: /\{\{\s*([a-z_]+)[^}]{0,80}\}\}/) else { continue }
            let word = String(match.output.1)
            if instead[word] != nil { return (String(match.output.0), word) }
        }
        return nil
    }

    private static func texts(of body: TaskBody) -> [String] {
        let plain: [String] =
            switch body {
            case .command(let call): call.arguments + call.environment.values.sorted()
            case .sql(let call): call.statements.flatMap(\.parts)
            case .copy(let call): call.query.parts
            case .http(let call): [call.url] + call.headers.values.sorted()
            default: []
            }
        return plain + strings(in: body.input)
    }

    private static func strings(in json: JSON) -> [String] {
        switch json {
        case .string(let text): [text]
        case .array(let items): items.flatMap(strings)
        case .object(let object): object.members.flatMap { strings(in: $0.value) }
        default: []
        }
    }
}

import LosslessJSON
import Migration
import Settings

extension TaskBody {
    /// What the task runs; nil if it says nothing of it.
    ///
    /// - Parameter inputs: gets what of it is known only at run time.
    init?(_ fields: YAMLFields, _ files: MappingFiles, _ inputs: inout InputReader) {
        let problems = inputs.problems
        if let node = fields.node("celery") {
            guard
                let inner = YAMLFields(
                    node,
                    known: ["source", "task", "args", "kwargs", "options"],
                    problems: problems
                ),
                let source = inner.required("source"), let task = inner.required("task")
            else { return nil }
            self = .celery(
                CeleryCall(
                    source: source,
                    task: task,
                    args: inputs.read(inner, "args") ?? [],
                    kwargs: inputs.read(inner, "kwargs") ?? [:],
                    options: inner.json("options") ?? [:]
                )
            )
        } else if let node = fields.node("python") {
            guard
                let inner = YAMLFields(node, known: ["callable", "environment", "args", "kwargs"], problems: problems),
                let callable = inner.required("callable")
            else { return nil }
            if callable.split(separator: ":").count != 2 {
                problems.note(node, "“callable” is “\(callable)”; write package.module:function")
            }
            self = .python(
                PythonCall(
                    callable: callable,
                    environment: inner.string("environment"),
                    args: inputs.read(inner, "args") ?? .null,
                    kwargs: inputs.read(inner, "kwargs") ?? .null
                )
            )
        } else if let node = fields.node("command") {
            if case .sequence = node.content {
                self = .command(CommandLine(arguments: fields.strings("command") ?? []))
                return
            }
            let known = ["arguments", "environment", "directory", "input"]
            guard let inner = YAMLFields(node, known: known, problems: problems),
                let arguments = inner.strings("arguments"), !arguments.isEmpty
            else {
                problems.note(node, "“command” is a list of program and arguments, or a mapping with “arguments”")
                return nil
            }
            self = .command(
                CommandLine(
                    arguments: arguments,
                    environment: inner.texts("environment") ?? [:],
                    directory: inner.string("directory"),
                    input: inputs.read(inner, "input", whole: true) ?? .null
                )
            )
        } else if let node = fields.node("sql") {
            guard let call = SQLCall(node, files, &inputs) else { return nil }
            self = .sql(call)
        } else if let node = fields.node("copy") {
            guard let call = CopyCall(node, files, &inputs) else { return nil }
            self = .copy(call)
        } else if let node = fields.node("wait_for") {
            let known = ["pipeline", "task", "within", "every"]
            guard let inner = YAMLFields(node, known: known, problems: problems),
                let pipeline = inner.required("pipeline")
            else { return nil }
            if inner.node("within") == nil {
                problems.note(node, "“within” is missing: how long it waits at most, such as 1h")
            }
            self = .wait(
                PipelineWait(
                    pipeline: pipeline,
                    task: inner.string("task"),
                    within: inner.duration("within") ?? 3600,
                    every: inner.duration("every") ?? 60
                )
            )
        } else if let node = fields.node("http") {
            guard let call = HTTPCall(node, &inputs) else { return nil }
            self = .http(call)
        } else {
            return nil
        }
    }
}

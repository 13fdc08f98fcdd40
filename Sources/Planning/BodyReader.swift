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
                    args: inputs.list(inner, "args") ?? [],
                    kwargs: inputs.named(inner, "kwargs") ?? [:],
                    options: inner.json("options") ?? [:]
                )
            )
        } else if let node = fields.node("python") {
            guard
                let inner = YAMLFields(node, known: ["callable", "environment", "args", "kwargs"], problems: problems),
                let callable = inner.required("callable")
            else { return nil }
            if !isCallable(callable) {
                problems.note(node, "“callable” is “\(callable)”; write package.module:function")
            }
            self = .python(
                PythonCall(
                    callable: callable,
                    environment: inner.string("environment"),
                    args: inputs.list(inner, "args") ?? .null,
                    kwargs: inputs.named(inner, "kwargs") ?? .null
                )
            )
        } else if let node = fields.node("command") {
            guard let command = CommandLine(node, fields, &inputs) else { return nil }
            self = .command(command)
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
            let wait = PipelineWait(
                pipeline: pipeline,
                task: inner.string("task"),
                within: inner.duration("within") ?? 3600,
                every: inner.duration("every") ?? 60
            )
            if inner.node("every") != nil, wait.every > wait.within {
                problems.note(node, "“every” is longer than “within”, so that it would look but once: make it shorter")
            }
            self = .wait(wait)
        } else if let node = fields.node("http") {
            guard let call = HTTPCall(node, &inputs) else { return nil }
            self = .http(call)
        } else {
            return nil
        }
    }
}

extension CommandLine {
    /// Reads what stands under `command`: a list of program and arguments, or a mapping.
    fileprivate init?(_ node: YAMLNode, _ fields: YAMLFields, _ inputs: inout InputReader) {
        let problems = inputs.problems
        let words = "“command” is a list of program and arguments, or a mapping with “arguments”"
        var arguments: [String]?
        var inner: YAMLFields?
        switch node.content {
        case .sequence: arguments = fields.strings("command")
        case .mapping:
            let known = ["arguments", "environment", "directory", "input"]
            inner = YAMLFields(node, known: known, problems: problems)
            arguments = inner?.strings("arguments")
        case .scalar(let text, _):
            let example = text.split(separator: " ").prefix(3).joined(separator: ", ")
            problems.note(node, "\(words): no shell is involved, so write [\(example)]")
            return nil
        }
        guard let arguments, let program = arguments.first, !program.isEmpty else {
            problems.note(node, words)
            return nil
        }
        let environment = inner?.texts("environment") ?? [:]
        for name in environment.keys.sorted() where name.isEmpty || name.contains("=") {
            problems.note(node, "“\(name)” cannot be the name of a variable")
        }
        for text in arguments + environment.keys.sorted() + environment.values.sorted() where text.utf8.contains(0) {
            problems.note(
                node,
                "no program can be given a text with a character of the code 0, as one of “command” has"
            )
            break
        }
        self.init(
            arguments: arguments,
            environment: environment,
            directory: inner?.string("directory"),
            input: inner.flatMap { inputs.read($0, "input", whole: true) } ?? .null
        )
    }
}

/// Whether a text names a function of a Python module: `package.module:function`, or `package.module:Class.method`.
private func isCallable(_ text: String) -> Bool {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    return parts.count == 2
        && parts.allSatisfy { part in
            part.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { name in
                guard let first = name.unicodeScalars.first else { return false }
                return first.properties.isXIDStart || first == "_"
                    ? name.unicodeScalars.allSatisfy { $0.properties.isXIDContinue } : false
            }
        }
}

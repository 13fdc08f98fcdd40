/// Reads `target.airflow` of `bailey.yaml`.
extension AirflowSettings {
    mutating func read(_ node: YAMLNode, _ problems: Problems) {
        let known = [
            "version", "dags_folder", "url", "user", "password", "ca", "certificate", "key", "deploy",
        ]
        guard let fields = YAMLFields(node, known: known, problems: problems) else { return }
        if let text = fields.string("version") {
            let base = text.hasPrefix("3") ? "3" : text.hasPrefix("2.11") ? "2.11" : nil
            if let base {
                version = base
            } else {
                problems.note(node, "Airflow \(text) is not supported; write 3 or 2.11")
            }
        }
        dagsFolder = fields.string("dags_folder") ?? dagsFolder
        url = fields.string("url")
        user = fields.string("user")
        password = fields.string("password")
        authorities = fields.string("ca")
        certificate = fields.string("certificate")
        key = fields.string("key")
        if let node = fields.node("deploy") { deploy = DeploySettings(node, problems) }
    }
}

extension DeploySettings {
    private enum Kind: String, CaseIterable {
        case folder, git, command
    }

    /// Where each kind's keys are known.
    private static func keys(_ kind: Kind) -> [String] {
        switch kind {
        case .folder: ["kind", "path"]
        case .git: ["kind", "repository", "branch", "folder", "env"]
        case .command: ["kind", "command", "env"]
        }
    }

    fileprivate init?(_ node: YAMLNode, _ problems: Problems) {
        let every = Set(Kind.allCases.flatMap(DeploySettings.keys)).sorted()
        guard let all = YAMLFields(node, known: every, problems: problems) else { return nil }
        if all.node("kind") == nil { problems.note(node, "“kind” is missing: folder, git or command") }
        guard let kind = all.choice("kind", Kind.self),
            let fields = YAMLFields(node, known: DeploySettings.keys(kind), problems: problems)
        else { return nil }
        switch kind {
        case .folder:
            guard let path = fields.required("path") else { return nil }
            self = .folder(path: path)
        case .git:
            guard let repository = fields.required("repository") else { return nil }
            self = .git(
                repository: repository,
                branch: fields.string("branch") ?? "main",
                folder: fields.string("folder") ?? "dags",
                variables: fields.texts("env") ?? [:]
            )
        case .command:
            guard let command = fields.strings("command") else {
                problems.note(
                    node,
                    "“command” is missing: a list, such as [rclone, copyto, \"{file}\", \"store:dags/{name}\"]"
                )
                return nil
            }
            guard command.dropFirst().contains(where: { $0.contains("{file}") || $0.contains("{folder}") }) else {
                problems.note(
                    node,
                    "“command” must name what it is to put: {file} for each file, or {folder} for all at once"
                )
                return nil
            }
            self = .command(command, variables: fields.texts("env") ?? [:])
        }
    }
}

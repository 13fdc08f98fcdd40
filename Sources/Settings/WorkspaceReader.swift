import Foundation
import LosslessJSON

/// Reads `bailey.yaml`.
extension WorkspaceSettings {
    /// The settings of a file's text.
    ///
    /// - Parameters:
    ///   - environment: what `${NAME}` and `${NAME:-default}` stand for.
    ///   - kinds: the legacy systems that there are.
    /// - Throws: `SettingsError` with every problem, each with its line. Values of variables are never shown.
    public init(
        yaml text: String,
        file: String,
        environment: [String: String],
        kinds: [SourceKind]
    ) throws(SettingsError) {
        let problems = Problems()
        let written = try YAMLNode(yaml: text, file: file)
        let root = written.mapTexts { text, node in
            substitute(text, environment: environment) { problems.note(node, $0) }
        }
        self.init(file: file)
        read(root, kinds, problems)
        for (name, variables) in WorkspaceSettings.templates(written) { environments[name]?.templates = variables }
        guard problems.all.isEmpty else { throw SettingsError(problems.all) }
    }

    /// The variables of each environment, with nothing put in place of `${NAME}`.
    private static func templates(_ written: YAMLNode) -> [(String, [String: String])] {
        let environments = written.member("environments")?.members ?? []
        return environments.map { member in
            let texts = (member.value.member("env")?.members ?? []).compactMap { variable -> (String, String)? in
                if case .scalar(let text, _) = variable.value.content { (variable.key, text) } else { nil }
            }
            return (member.key, Dictionary(texts, uniquingKeysWith: { $1 }))
        }
    }

    private mutating func read(_ root: YAMLNode, _ kinds: [SourceKind], _ problems: Problems) {
        let known = [
            "version", "sources", "target", "state", "mappings", "environments", "shadow", "policy", "alerts", "ignore",
            "pools", "savings", "connections",
        ]
        guard let fields = YAMLFields(root, known: known, problems: problems) else { return }
        switch fields.int("version") {
        case 1: break
        case nil:
            if fields.node("version") == nil {
                problems.note(root, "“version: 1” is missing; is the file only half written?")
            }
        case let other?: problems.note(root, "version \(other) is not known to this Bailey; it knows version 1")
        }
        if fields.node("sources") == nil {
            problems.note(root, "“sources” is missing: name at least one legacy system")
        }
        for member in fields.members("sources") ?? [] {
            if let source = SourceSettings(member, kinds, problems) { sources.append(source) }
        }
        if let node = fields.node("target"), let target = YAMLFields(node, known: ["airflow"], problems: problems),
            let inner = target.node("airflow")
        {
            airflow.read(inner, problems)
        }
        if let node = fields.node("state"), let inner = YAMLFields(node, known: ["path"], problems: problems) {
            state = inner.string("path") ?? state
        }
        mappings = fields.string("mappings") ?? mappings
        if let node = fields.node("shadow"),
            let inner = YAMLFields(node, known: ["parallelism", "pools", "timeout", "warm"], problems: problems)
        {
            parallelism = inner.int("parallelism") ?? parallelism
            if parallelism < 1 { problems.note(node, "“parallelism” must be 1 or more") }
            bodySeconds = inner.duration("timeout") ?? bodySeconds
            forksBodies = inner.bool("warm") ?? forksBodies
            for member in inner.members("pools") ?? [] {
                guard case .scalar(let text, _) = member.value.content, let slots = Int(text), slots > 0 else {
                    problems.note(member.value, "“\(member.key)” is a pool; write how many slots it has, 1 or more")
                    continue
                }
                enginePools[member.key] = slots
            }
        }
        pools = PoolSettings.read(fields, problems)
        savings = fields.node("savings").map { SavingsSettings($0, problems) }
        policy = fields.node("policy")
        for item in fields.items("ignore") ?? [] {
            if let rule = SetAsideRule(item, problems) { ignore.append(rule) }
        }
        for item in fields.items("alerts") ?? [] {
            guard let channel = AlertChannelSettings(item, problems) else { continue }
            alerts.append(channel)
            guard let name = AlertChannelSettings.name(item, problems) else { continue }
            if channels.updateValue(channel, forKey: name) != nil {
                problems.note(item, "two alert channels are called “\(name)”")
            }
        }
        for member in fields.members("connections") ?? [] {
            guard let inner = YAMLFields(member.value, known: ["url"], problems: problems),
                let url = inner.required("url")
            else { continue }
            let schemes = ["postgres://", "postgresql://", "http://", "https://"]
            if !schemes.contains(where: { url.hasPrefix($0) }) {
                problems.note(
                    member.value,
                    "the URL of the connection “\(member.key)” begins with one of \(schemes.joined(separator: ", "))"
                )
            }
            connections[member.key] = url
        }
        for member in fields.members("environments") ?? [] {
            guard
                let inner = YAMLFields(member.value, known: ["python", "path", "env", "preload"], problems: problems),
                let python = inner.required("python")
            else { continue }
            environments[member.key] = EnvironmentSettings(
                python: python,
                path: inner.strings("path") ?? [],
                variables: inner.texts("env") ?? [:]
            )
            environments[member.key]?.preload = inner.strings("preload") ?? []
        }
    }
}

extension SourceSettings {
    fileprivate init?(_ member: YAMLNode.Member, _ kinds: [SourceKind], _ problems: Problems) {
        let common = [
            "kind", "url", "prefix", "timezone", "profile", "table", "statuses", "results_url", "max_interval",
            "lock_key", "broker_url", "celery", "files",
        ]
        let own = kinds.reduce(into: Set<String>()) { $0.formUnion($1.keys) }.sorted()
        guard let fields = YAMLFields(member.value, known: common + own, problems: problems) else { return nil }
        let allowed =
            !member.key.isEmpty
            && member.key.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 || $0 == 95 }
        if !allowed {
            problems.note(
                Problem(
                    file: member.value.file,
                    line: member.line,
                    "the source name “\(member.key)” may hold only a–z, 0–9, - and _"
                )
            )
        }
        // What leads to a system may hold anything, and is not shown.
        member.value.refuseControlCharacters(except: ["url", "results_url", "broker_url"], problems)
        let names = kinds.map(\.name)
        if fields.node("kind") == nil {
            problems.note(member.value, "“kind” is missing: \(names.joined(separator: " or "))")
        }
        guard let name = fields.choice("kind", names), let kind = kinds.first(where: { $0.name == name }) else {
            return nil
        }
        guard let url = kind.isOfFiles ? fields.string("url") ?? "" : fields.required("url") else { return nil }
        self.init(name: member.key, kind: name, url: url)
        files =
            fields.node("files").map { node in
                if case .scalar(let file, _) = node.content { [file] } else { fields.strings("files") ?? [] }
            } ?? []
        if kind.isOfFiles {
            if !url.isEmpty {
                problems.note(member.value, "“url” means nothing for a \(name): it is read from “files”")
            }
            if files.isEmpty { problems.note(member.value, "a \(name) needs “files”: a list of paths") }
        } else if !files.isEmpty {
            problems.note(member.value, "“files” means nothing for a \(name)")
        }
        prefix = fields.string("prefix") ?? prefix
        timezone = fields.string("timezone")
        profile = fields.string("profile")
        table = fields.string("table")
        for words in fields.members("statuses") ?? [] {
            if case .sequence(let items) = words.value.content {
                statuses[words.key] = items.compactMap { $0.json.string ?? $0.json.text() }
            } else if case .scalar(let text, _) = words.value.content {
                statuses[words.key] = [text]
            }
        }
        resultsURL = fields.string("results_url")
        lockKey = fields.string("lock_key")
        brokerURL = fields.string("broker_url")
        if let node = fields.node("celery"),
            let inner = YAMLFields(node, known: ["app", "environment", "settings", "timeout"], problems: problems)
        {
            celery = CelerySettings(
                app: inner.string("app"),
                environment: inner.string("environment"),
                settings: inner.json("settings"),
                timeout: inner.duration("timeout")
            )
            if celery?.settings.map({ $0.object == nil }) == true {
                problems.note(node, "“settings” is a mapping of Celery's settings, such as {task_default_queue: work}")
            }
            if celery?.app?.contains(":") == false {
                problems.note(node, "“app” is “\(celery?.app ?? "")”; write package.module:attribute")
            }
        }
        if let seconds = fields.int("max_interval") {
            // Nobody means a year.
            if (1...31_536_000).contains(seconds) {
                maxInterval = seconds
            } else {
                problems.note(member.value, "“max_interval” is \(seconds); it must be 1 to 31536000 seconds")
            }
        }
        for key in own {
            guard let text = fields.string(key) else { continue }
            self.own[key] = text
            if !kind.keys.contains(key) { problems.note(member.value, "“\(key)” means nothing for a \(name)") }
        }
        for (key, example) in kind.required.sorted(by: { $0.key < $1.key }) where fields.node(key) == nil {
            problems.note(member.value, "a \(name) needs a “\(key)”, such as \(example)")
        }
    }
}

extension YAMLNode {
    /// The members of a mapping; none of anything else.
    fileprivate var members: [Member] { if case .mapping(let members) = content { members } else { [] } }

    fileprivate func member(_ key: String) -> YAMLNode? { members.last { $0.key == key }?.value }
}

/// A text with `${NAME}` and `${NAME:-default}` replaced; `$${` stands for `${`.
private func substitute(_ text: String, environment: [String: String], refuse: (String) -> Void) -> String {
    var result = ""
    var rest = text[...]
    while let start = rest.range(of: "${") {
        let before = rest[..<start.lowerBound]
        if before.hasSuffix("$") {
            result += before.dropLast() + "${"
            rest = rest[start.upperBound...]
            continue
        }
        result += before
        guard let end = rest[start.upperBound...].firstIndex(of: "}") else {
            refuse("“${” has no “}”")
            return result
        }
        let inside = rest[start.upperBound..<end]
        let parts = inside.range(of: ":-")
        let name = String(parts.map { inside[..<$0.lowerBound] } ?? inside)
        if let value = environment[name], !value.isEmpty {
            result += value
        } else if let parts {
            result += inside[parts.upperBound...]
        } else {
            refuse("the environment variable \(name) is not set")
        }
        rest = rest[rest.index(after: end)...]
    }
    return result + rest
}

import LosslessJSON
import Migration
import Settings

/// What is said of a text that is none.
func noAsset(_ text: String) -> String {
    "“\(text)” cannot name an asset; write a URI such as s3://bucket/path, of ASCII characters (at most 1,500)"
}

/// Whether Airflow takes a text as an asset's URI.
func isAsset(_ text: String) -> Bool {
    guard let scheme = text.firstRange(of: "://"), scheme.lowerBound != text.startIndex else { return false }
    return scheme.upperBound != text.endIndex && text.utf8.count <= 1500 && !text.hasPrefix("airflow:")
        && text.utf8.allSatisfy { (33...126).contains($0) }
}

extension MappedTask {
    /// Reads a task.
    ///
    /// - Parameter defaults: what the mapping says for all tasks, which a task that says it too overrides; an empty value takes it away.
    /// - Parameter names: what the mapping has names for.
    init?(
        _ member: YAMLNode.Member,
        defaults: [YAMLNode.Member],
        names: MappingNames,
        _ files: MappingFiles,
        _ problems: Problems
    ) {
        let node = member.value.isNull ? member.value : member.value.completed(with: defaults)
        guard let fields = YAMLFields(node, known: Mapping.taskKeys, problems: problems) else { return nil }
        if !isIdentifier(member.key) {
            problems.note(
                Problem(
                    file: member.value.file,
                    line: member.line,
                    "the task id “\(member.key)” may hold only letters, digits, “_”, “-” and “.”"
                )
            )
        }
        if member.key == "gate" {
            problems.note(
                Problem(
                    file: member.value.file,
                    line: member.line,
                    "“gate” is the first task of every generated DAG; call this one something else"
                )
            )
        }
        location = SourceLocation(file: member.value.file, line: member.line)
        let given = Mapping.bodyKeys.filter { fields.node($0) != nil }
        if given.count > 1 {
            problems.note(member.value, "a task runs one way; this one has \(given.joined(separator: " and "))")
        }
        var entry: EntryID?
        if let text = fields.string("entry") {
            entry = EntryID(text)
            if entry == nil { problems.note(member.value, "“entry” is “\(text)”; write source/name") }
        }
        if entry == nil, given.isEmpty {
            problems.note(
                member.value,
                "the task has neither an “entry” nor any of \(Mapping.bodyKeys.joined(separator: ", "))"
            )
        }
        var inputs = InputReader(problems, names: names)
        let body = TaskBody(fields, files, &inputs)
        if let node = fields.node("send") { sending = MappedSending(node, problems) }
        hasBody = body != nil
        splitsCanvas = fields.choice("canvas", CanvasForm.self) == .tasks
        if splitsCanvas, entry == nil { problems.note(member.value, "“canvas” is of an entry, and there is none") }
        definition = TaskDefinition(
            id: member.key,
            entry: entry,
            body: body ?? .untranslatable(reason: ""),
            after: fields.strings("after") ?? []
        )
        definition.triggerRule = fields.choice("trigger_rule", TriggerRule.self) ?? .allSuccess
        definition.inputs = inputs.inputs
        if let node = fields.node("when") { definition.conditions = TaskChoice.all(node, problems) }
        for task in definition.conditions.flatMap(\.any).map(\.task) where !definition.after.contains(task) {
            problems.note(member.value, "“when” asks for the result of “\(task)”, which must stand under “after”")
        }
        if let node = fields.node("for_each") {
            definition.items = TaskItems(node, problems)
            let lacking = TaskItems.lacking(fields, body, entry, defaults: defaults)
            for words in lacking { problems.note(node, words) }
            if let from = definition.items?.task, !definition.after.contains(from) {
                problems.note(node, "“for_each” takes a list of “\(from)”, which must stand under “after”")
            }
        } else if definition.inputs.contains(where: { if case .item = $0.source { true } else { false } }) {
            problems.note(member.value, "“item” is what a task with “for_each” runs for, and this one has none")
        }
        definition.dependsOnPast = fields.bool("depends_on_past") ?? false
        definition.retry = RetryPolicy(
            retries: fields.int("retries") ?? 0,
            delay: fields.duration("retry_delay") ?? 300,
            backoff: fields.double("retry_backoff") ?? 1,
            maximumDelay: fields.duration("retry_max_delay")
        )
        if definition.retry.retries < 0 || definition.retry.backoff < 1 {
            problems.note(member.value, "“retries” must be 0 or more and “retry_backoff” 1 or more")
        }
        if let most = definition.retry.maximumDelay, most < definition.retry.delay, fields.node("retry_delay") != nil {
            problems.note(member.value, "“retry_max_delay” is less than “retry_delay”, which no wait could then be")
        }
        if case .wait? = body {
            // The wait's own end is its limit: what came to nothing by then, or has failed, a repetition would not mend.
            definition.retry = .none
            if case .mapping(let own) = member.value.content,
                let said = own.first(where: {
                    Mapping.retryKeys.contains($0.key) && !($0.key == "retries" && $0.value.json == 0)
                })?.key
            {
                problems.note(
                    member.value,
                    "“\(said)” does not go with “wait_for”, which looks again and again by itself: say “within”"
                )
            }
        }
        definition.timeout = fields.duration("timeout")
        expected = fields.duration("expected")
        definition.pool = fields.string("pool")
        definition.poolSlots = fields.int("pool_slots") ?? 1
        if definition.poolSlots < 1 { problems.note(member.value, "“pool_slots” must be 1 or more") }
        definition.priority = fields.int("priority") ?? 1
        definition.queue = fields.string("queue")
        for (key, text) in [("pool", definition.pool), ("queue", definition.queue)] where text?.isEmpty == true {
            problems.note(
                fields.node(key) ?? node,
                "“\(key)” is an empty text; write “\(key):” without a value, or a name"
            )
        }
        definition.group = fields.string("group")
        definition.produces = fields.strings("produces") ?? []
        definition.inlets = fields.strings("inlets") ?? []
        for name in definition.produces + definition.inlets where !isAsset(name) {
            problems.note(member.value, noAsset(name))
        }
        definition.sla = fields.duration("sla")
        if let node = fields.node("notify") {
            definition.notify = Notifications(node, problems)
            if definition.sla == nil, !definition.notify[.late].isEmpty,
                !defaults.contains(where: { $0.key == "notify" })
            {
                problems.note(node, "“late” tells of a task that is not done within its “sla”, which is not given")
            }
        }
        definition.redirect = fields.texts("redirect") ?? [:]
        if let node = fields.node("effects") { definition.rows = RowRules(node, body, problems) }
        let hasPlace = !definition.redirect.isEmpty || !definition.rows.isEmpty
        switch fields.string("shadow") {
        case nil: definition.shadow = hasPlace ? .redirected : .observe
        case "pure" where !definition.rows.isEmpty:
            problems.note(member.value, "a body whose “effects” are compared is not pure: leave “shadow” out")
        case "observe": definition.shadow = .observe
        case "pure": definition.shadow = .pure
        case "sandbox":
            definition.shadow = .sandbox
            definition.sandbox = SandboxRules(fields, problems)
            switch body {
            case nil, .python?, .command?: break
            default:
                problems.note(
                    member.value,
                    "“shadow: sandbox” is for programs, and \(given[0]) runs none of yours: leave “shadow” out, and it is observed"
                )
            }
        case let other?:
            problems.note(
                member.value,
                "“shadow” is “\(other)”; it must be observe, pure or sandbox (or give “redirect”)"
            )
        }
        if let node = fields.node("effects") {
            definition.effects = EffectRules(node, isSandboxed: definition.shadow == .sandbox, problems)
        }
        if definition.shadow != .sandbox, fields.members("sandbox") != nil,
            !defaults.contains(where: { $0.key == "sandbox" })
        {
            problems.note(
                member.value,
                "“sandbox” says what “shadow: sandbox” allows, and this task does not run in one"
            )
        }
        if body?.isSkippedWhereObserved == true, !definition.redirect.isEmpty {
            problems.note(
                member.value,
                "“redirect” leads a program elsewhere by its variables; \(given[0]) goes where its connection leads"
            )
        }
        switch body {
        case .wait? where !definition.conditions.isEmpty:
            problems.note(member.value, "“wait_for” waits whatever came before; put “when” on a task after it")
        case .wait? where definition.shadow == .pure:
            problems.note(
                member.value,
                "“wait_for” waits for nothing in shadow: leave “shadow” out, and it is observed"
            )
        case .copy? where definition.shadow == .pure:
            problems.note(
                member.value,
                "“copy” writes, so that it is never pure: leave “shadow” out, and it is observed"
            )
        case .sql(let call)? where definition.shadow == .pure && !call.isTransaction:
            problems.note(
                member.value,
                "in shadow “sql” runs in a read-only transaction, and “transaction: false” has none: leave one of them out"
            )
        case .sql(let call)? where definition.shadow == .pure:
            guard let number = call.statements.firstIndex(where: \.writes) else { break }
            problems.note(
                member.value,
                "statement \(number + 1) of \(call.statements.count) is \(call.statements[number].word), which writes, and with “shadow: pure” it runs in a read-only transaction: leave “shadow” out, and it is observed"
            )
        default: break
        }
        if let limit = fields.int("limit") {
            jobLimit = limit
            hasLimit = true
            if !(1...1_000_000).contains(limit) {
                problems.note(
                    member.value,
                    "“limit” is \(limit); write how many jobs one run takes at most, 1 to 1000000"
                )
            }
        }
        if let node = fields.node("compare") { definition.compare = CompareRules(node, problems) }
    }
}

extension MappedTask {
    /// Makes it a task of a file that a person has written, which says everything else of it.
    mutating func isOwn(_ problems: Problems) {
        if definition.entry == nil {
            problems.note(
                Problem(
                    file: location.file,
                    line: location.line,
                    "“\(definition.id)” stands for no entry; of a “dag” of your own only tasks that do are named here"
                )
            )
        }
        definition.body = .own
        hasBody = true
    }
}

extension MappedSending {
    fileprivate init?(_ node: YAMLNode, _ problems: Problems) {
        let known = ["via", "app", "environment", "wait", "unsure", "options"]
        guard let fields = YAMLFields(node, known: known, problems: problems) else { return nil }
        via = fields.choice("via", Via.self)
        app = fields.string("app")
        environment = fields.string("environment")
        wait = fields.choice("wait", CelerySending.Wait.self)
        unsure = fields.choice("unsure", CelerySending.Unsure.self)
        options = fields.json("options") ?? [:]
        if options.object == nil { problems.note(node, "“options” is a mapping, such as {queue: work}") }
        if app?.contains(":") == false {
            problems.note(node, "“app” is “\(app ?? "")”; write package.module:attribute")
        }
    }
}

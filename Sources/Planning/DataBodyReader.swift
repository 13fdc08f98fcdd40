import LosslessJSON
import Migration
import Settings

extension SQLCall {
    /// Reads what stands under `sql`.
    init?(_ node: YAMLNode, _ files: MappingFiles, _ inputs: inout InputReader) {
        let problems = inputs.problems
        let known = ["connection", "text", "file", "params", "transaction", "environment"]
        guard let fields = YAMLFields(node, known: known, problems: problems) else { return nil }
        guard let connection = connectionName(fields, "connection", problems),
            let text = files.text(fields, "“sql”")
        else { return nil }
        let isTransaction = fields.bool("transaction") ?? true
        let statements = SQLStatement.all(text)
        if statements.isEmpty { problems.note(node, "“sql” has no statement") }
        for (number, statement) in statements.enumerated() {
            guard let why = statement.refusal(isTransaction: isTransaction) else { continue }
            problems.note(node, "statement \(number + 1) of \(statements.count) \(why)")
        }
        let parameters = inputs.named(fields, "params") ?? [:]
        check(parameters, of: statements.flatMap(\.parameters), node, problems)
        self.init(
            connection: connection,
            statements: statements,
            parameters: parameters,
            isTransaction: isTransaction,
            environment: fields.string("environment")
        )
    }
}

extension CopyCall {
    /// Reads what stands under `copy`.
    init?(_ node: YAMLNode, _ files: MappingFiles, _ inputs: inout InputReader) {
        let problems = inputs.problems
        guard
            let fields = YAMLFields(
                node,
                known: ["from", "to", "window", "params", "environment"],
                problems: problems
            ),
            let from = part(fields, "from", ["connection", "text", "file"], problems),
            let to = part(fields, "to", ["connection", "table", "columns"], problems),
            let source = connectionName(from, "connection", problems), let text = files.text(from, "“from”"),
            let target = connectionName(to, "connection", problems), let table = to.required("table")
        else { return nil }
        let statements = SQLStatement.all(text)
        if statements.count != 1 || !["SELECT", "WITH", "VALUES", "TABLE"].contains(statements[0].word) {
            let found = statements.count == 1 ? statements[0].word : "\(statements.count) statements"
            problems.note(from.node, "“from” of “copy” is one query (SELECT …), and not \(found)")
            return nil
        }
        let names = table.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        if names.count > 2 || names.contains("") { problems.note(to.node, "“table” is “\(table)”; write schema.table") }
        if let why = statements[0].refusal(isTransaction: true) {
            problems.note(from.node, "the query of “copy” \(why)")
        }
        let parameters = inputs.named(fields, "params") ?? [:]
        check(parameters, of: statements[0].parameters, node, problems)
        self.init(
            source: source,
            query: statements[0],
            parameters: parameters,
            target: target,
            table: names,
            columns: to.strings("columns") ?? [],
            environment: fields.string("environment")
        )
        guard let place = fields.node("window") else {
            problems.note(
                node,
                "“window” is missing: {column, from, until} says what the rows take the place of, “all” that it is the whole table"
            )
            return
        }
        if case .scalar("all", _) = place.content { return }
        guard let inner = YAMLFields(place, known: ["column", "from", "until"], problems: problems) else { return }
        column = inner.required("column")
        guard inner.node("from") != nil, inner.node("until") != nil else {
            problems.note(place, "a window has “from” and “until”; what is until is no part of it")
            return
        }
        // Read as one, so that each may refer to a tick.
        window = inputs.read(fields, "window") ?? .null
        if case .object(let object) = window {
            window = .object(JSONObject(object.members.filter { $0.key != "column" }.map { ($0.key, $0.value) }))
        }
        let ends = ["from", "until"].map { end in
            inputs.inputs.first { $0.place == [.key("window"), .key(end)] }?.source
        }
        switch (ends[0], ends[1]) {
        case (.tick?, .previousTick?), (.tick?, .tick?), (.previousTick?, .previousTick?):
            problems.note(
                place,
                "the window ends no later than it begins, so that it holds nothing: from {previous_tick: …}, until {tick: …}"
            )
        default: break
        }
    }
}

extension HTTPCall {
    /// Reads what stands under `http`.
    init?(_ node: YAMLNode, _ inputs: inout InputReader) {
        let problems = inputs.problems
        let known = ["method", "url", "connection", "headers", "query", "json", "expect", "retry_on"]
        guard let fields = YAMLFields(node, known: known, problems: problems), let url = fields.required("url") else {
            return nil
        }
        let connection = fields.node("connection").flatMap { _ in connectionName(fields, "connection", problems) }
        let isWhole = url.hasPrefix("http://") || url.hasPrefix("https://")
        if connection == nil, !isWhole {
            problems.note(
                node,
                "“url” is “\(url)”; write http://… or https://…, or a path and the “connection” that it is below"
            )
        }
        if connection != nil, !url.hasPrefix("/") {
            problems.note(node, "“url” is “\(url)”; below a connection it is a path that begins with “/”")
        }
        if !url.utf8.allSatisfy({ (33...126).contains($0) }) {
            problems.note(node, "“url” may hold visible ASCII alone; write other characters as %XX")
        }
        if isWhole, url.drop(while: { $0 != "/" }).dropFirst(2).prefix(while: { $0 != "/" }).contains("@") {
            problems.note(
                node,
                "“url” holds a user or a password, which everybody could read in the DAG's file: give a “connection”"
            )
        }
        let method = fields.choice("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        let headers = fields.texts("headers") ?? [:]
        for (name, value) in headers where !(name + value).utf8.allSatisfy({ (32...126).contains($0) }) {
            problems.note(node, "the header “\(name)” may hold visible ASCII alone")
        }
        for name in headers.keys where ["authorization", "cookie", "proxy-authorization"].contains(name.lowercased()) {
            problems.note(
                node,
                "the header “\(name)” is a secret, which everybody could read in the DAG's file: give a “connection”"
            )
        }
        if isWhole, let words = HTTPCall.faultOfPlace(url) { problems.note(node, "“url” is “\(url)”, \(words)") }
        for name in headers.keys.sorted()
        where name.isEmpty || name.contains(where: { " ()<>@,;:\\\"/[]?={}\t".contains($0) }) {
            problems.note(node, "“\(name)” cannot be the name of a header")
        }
        self.init(
            method: method ?? (fields.node("json") == nil ? "GET" : "POST"),
            url: url,
            connection: connection,
            headers: headers,
            query: inputs.named(fields, "query") ?? [:],
            body: inputs.read(fields, "json", whole: true) ?? .null,
            expected: statuses(fields, "expect", problems) ?? []
        )
        if fields.items("expect")?.isEmpty == true {
            problems.note(
                node,
                "“expect” lists no status, so that no answer would be a success: leave it out, or list them"
            )
        }
        if let given = statuses(fields, "retry_on", problems) { repeated = given }
        for status in repeated where expected.isEmpty ? (200...299).contains(status) : expected.contains(status) {
            problems.note(node, "\(status) is a success and stands under “retry_on” too: take it out of one of them")
        }
    }

    /// What is wrong with host and port of a whole URL; nil if nothing.
    private static func faultOfPlace(_ url: String) -> String? {
        let place = url.drop { $0 != "/" }.dropFirst(2).prefix { !"/?#".contains($0) }
        let named = place.drop { $0 != "@" }
        let host = named.isEmpty ? place : named.dropFirst()
        // The colons of an address in brackets are its own.
        let afterAddress = host.hasPrefix("[") ? host.drop { $0 != "]" }.dropFirst() : host
        if host.isEmpty || host.hasPrefix(":") { return "which names no host" }
        guard let colon = afterAddress.firstIndex(of: ":") else { return nil }
        let port = afterAddress[afterAddress.index(after: colon)...]
        return port.isEmpty || Int(port).map { (1...65535).contains($0) } == true
            ? nil : "and “\(port)” is no port"
    }
}

private func statuses(_ fields: YAMLFields, _ key: String, _ problems: Problems) -> [Int]? {
    guard let items = fields.items(key) else { return nil }
    return items.compactMap { item in
        if let status = item.json.int, (100...599).contains(status) { return status }
        problems.note(item, "“\(key)” lists statuses such as 200; \(item.kind) is none")
        return nil
    }
}

private func part(_ fields: YAMLFields, _ key: String, _ known: [String], _ problems: Problems) -> YAMLFields? {
    guard let node = fields.node(key) else {
        problems.note(fields.node, "“\(key)” is missing")
        return nil
    }
    return YAMLFields(node, known: known, problems: problems)
}

/// The id of a connection, as Airflow takes it.
private func connectionName(_ fields: YAMLFields, _ key: String, _ problems: Problems) -> String? {
    guard let name = fields.required(key) else { return nil }
    if isIdentifier(name) { return name }
    problems.note(fields.node, "“\(name)” names no connection: letters, digits, “_”, “-” and “.” may stand in it")
    return nil
}

/// Every parameter of the SQL has a value, and every value a parameter.
private func check(_ given: JSON, of wanted: [String], _ node: YAMLNode, _ problems: Problems) {
    let names = given.object?.keys ?? []
    for name in Set(wanted).subtracting(names).sorted() {
        problems.note(node, "the SQL has the parameter :\(name), which is not among “params”")
    }
    for name in Set(names).subtracting(wanted).sorted() {
        problems.note(node, "the parameter “\(name)” does not stand in the SQL; write :\(name) where its value goes")
    }
}

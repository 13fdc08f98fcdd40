extension AlertChannelSettings {
    private static let kinds = ["webhook", "email", "command"]

    /// One item of `alerts`: a mapping with one of three keys.
    init?(_ node: YAMLNode, _ problems: Problems) {
        guard let fields = YAMLFields(node, known: AlertChannelSettings.kinds + ["env", "name"], problems: problems)
        else {
            return nil
        }
        let given = AlertChannelSettings.kinds.filter { fields.node($0) != nil }
        guard given.count == 1, let kind = given.first else {
            problems.note(node, "an alert goes one way: webhook, email or command")
            return nil
        }
        if kind != "command", fields.node("env") != nil { problems.note(node, "“env” goes with “command” only") }
        switch kind {
        case "webhook":
            guard let url = fields.string("webhook") else { return nil }
            guard url.hasPrefix("https://") || url.hasPrefix("http://") else {
                // The URL is a secret, so it is not shown.
                problems.note(node, "“webhook” must be a URL that begins with https:// or http://")
                return nil
            }
            self = .webhook(url: url)
        case "email":
            guard let inner = fields.node("email"),
                let mail = YAMLFields(inner, known: ["relay", "from", "to"], problems: problems),
                let relay = mail.required("relay"), let from = mail.required("from")
            else { return nil }
            let to = mail.strings("to") ?? []
            if to.isEmpty { problems.note(inner, "“to” is missing: who gets the mail?") }
            for address in [from] + to where !AlertChannelSettings.isAddress(address) {
                problems.note(inner, "“\(address)” is no mail address such as bailey@example.com")
            }
            guard let (host, port) = AlertChannelSettings.hostAndPort(relay) else {
                problems.note(inner, "“relay” is “\(relay)”; write host or host:port")
                return nil
            }
            self = .email(host: host, port: port, from: from, to: to)
        default:
            let words = fields.strings("command") ?? []
            guard let program = words.first, !program.isEmpty else {
                problems.note(node, "“command” is a list of program and arguments")
                return nil
            }
            self = .command(words, variables: fields.texts("env") ?? [:])
        }
    }

    /// What an item is called; nil if it has no name.
    static func name(_ node: YAMLNode, _ problems: Problems) -> String? {
        guard case .mapping(let members) = node.content,
            let member = members.first(where: { $0.key == "name" }), case .scalar(let name, _) = member.value.content
        else { return nil }
        let letters = name.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5A).contains($0 & 0xDF) || $0 == 0x2D || $0 == 0x5F
        }
        guard letters, (1...60).contains(name.utf8.count) else {
            // It becomes part of the id of a connection of Airflow's.
            problems.note(member.value, "“name” is “\(name)”; write letters, digits, “-” and “_” (at most 60)")
            return nil
        }
        return name
    }

    /// Whether a text may stand between `<` and `>` of an SMTP command: printable ASCII with one `@`, no blank, no bracket.
    private static func isAddress(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        return parts.count == 2 && parts.allSatisfy { !$0.isEmpty }
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && !"<>(),;:\\\"[]".utf8.contains($0) }
    }

    /// `host`, `host:25`, `[::1]:25`; nil if it is none of these.
    private static func hostAndPort(_ text: String) -> (host: String, port: Int)? {
        var rest = text[...]
        var host = ""
        if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
            host = String(rest[rest.index(after: rest.startIndex)..<end])
            rest = rest[rest.index(after: end)...]
        } else {
            let end = rest.firstIndex(of: ":") ?? rest.endIndex
            host = String(rest[..<end])
            rest = rest[end...]
        }
        guard !host.isEmpty, !host.contains(where: \.isWhitespace) else { return nil }
        if rest.isEmpty { return (host, 25) }
        guard rest.hasPrefix(":"), let port = Int(rest.dropFirst()), (1...65_535).contains(port) else { return nil }
        return (host, port)
    }
}

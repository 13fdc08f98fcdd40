/// One item of `ignore:` in `bailey.yaml`: entries that a person has set aside, and why.
public struct SetAsideRule: Sendable, Hashable {
    /// An entry's id (`source/name`), in which `*` stands for any characters and `?` for one.
    public var pattern: String
    /// Why.
    public var reason: String
    /// The line in `bailey.yaml`, from 1.
    public var line: Int

    /// Makes a rule.
    public init(pattern: String, reason: String, line: Int) {
        (self.pattern, self.reason, self.line) = (pattern, reason, line)
    }

    init?(_ node: YAMLNode, _ problems: Problems) {
        guard let fields = YAMLFields(node, known: ["entry", "reason"], problems: problems),
            let pattern = fields.required("entry"), let reason = fields.required("reason")
        else { return nil }
        if !pattern.contains("/") {
            problems.note(node, "“entry” is an id as bailey import shows it, source/name; “\(pattern)” has no “/”")
        }
        self.init(pattern: pattern, reason: reason, line: fields.line("entry"))
    }

    /// Whether the rule is about an id.
    public func matches(_ id: String) -> Bool {
        let (text, pattern) = (Array(id.unicodeScalars), Array(pattern.unicodeScalars))
        var (at, place) = (0, 0)
        // Where the last star stands, and how much it has taken: only the last one ever needs to take more.
        var star: (place: Int, at: Int)?
        while at < text.count {
            if place < pattern.count, pattern[place] == "*" {
                star = (place, at)
                place += 1
            } else if place < pattern.count, pattern[place] == "?" || pattern[place] == text[at] {
                place += 1
                at += 1
            } else if let last = star {
                star = (last.place, last.at + 1)
                place = last.place + 1
                at = last.at + 1
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == "*" }
    }
}

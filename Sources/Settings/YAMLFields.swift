public import LosslessJSON

/// The fields of a mapping whose keys are known. Every reading notes what is wrong and goes on.
public struct YAMLFields {
    /// The mapping.
    public let node: YAMLNode
    private let members: [String: YAMLNode.Member]
    private let problems: Problems

    /// The fields of a node; nil, with a problem noted, if it is no mapping. Unknown keys are noted with the nearest known one.
    public init?(_ node: YAMLNode, known: [String], problems: Problems) {
        guard case .mapping(let members) = node.content else {
            if node.isNull {
                self.init(node: node, members: [:], problems: problems)
                return
            }
            problems.note(
                node,
                "a mapping with the keys \(known.joined(separator: ", ")) is wanted here, not \(node.kind)"
            )
            return nil
        }
        for member in members where !known.contains(member.key) {
            let hint =
                nearest(to: member.key, of: known).map { "did you mean “\($0)”?" }
                ?? "known are \(known.joined(separator: ", "))"
            problems.note(Problem(file: node.file, line: member.line, "unknown key “\(member.key)”; \(hint)"))
        }
        self.init(
            node: node,
            members: Dictionary(members.map { ($0.key, $0) }, uniquingKeysWith: { $1 }),
            problems: problems
        )
    }

    private init(node: YAMLNode, members: [String: YAMLNode.Member], problems: Problems) {
        self.node = node
        self.members = members
        self.problems = problems
    }

    /// The value of a key; nil if it is not there or null.
    public func node(_ key: String) -> YAMLNode? {
        guard let value = members[key]?.value, !value.isNull else { return nil }
        return value
    }

    /// The line of a key, or of the mapping.
    public func line(_ key: String) -> Int { members[key]?.line ?? node.line }

    /// A text.
    public func string(_ key: String) -> String? {
        read(key, "a text") { node in
            if case .scalar(let text, _) = node.content { return text }
            return nil
        }
    }

    /// A text that must be there.
    public func required(_ key: String) -> String? {
        if node(key) == nil { problems.note(node, "“\(key)” is missing") }
        return string(key)
    }

    /// An integer.
    public func int(_ key: String) -> Int? { read(key, "an integer") { $0.json.int } }

    /// A number.
    public func double(_ key: String) -> Double? {
        read(key, "a number") { node in
            if case .number(let number) = node.json { return number.double }
            return nil
        }
    }

    /// `true` or `false`.
    public func bool(_ key: String) -> Bool? { read(key, "true or false") { $0.json.bool } }

    /// A length of time in seconds, written as a number of seconds or as `90s`, `15m`, `2h`, `1d`.
    public func duration(_ key: String) -> Double? {
        read(key, "a length of time such as 90s, 15m, 2h or 1d") { node in
            guard case .scalar(let text, _) = node.content else { return nil }
            return YAMLFields.seconds(text)
        }
    }

    /// Bytes of `512MB`, `1GiB`, `65536`.
    public func bytes(_ key: String) -> Int? {
        read(key, "a size such as 64MB or 1GB, more than zero") { node in
            guard case .scalar(let text, _) = node.content else { return nil }
            return YAMLFields.size(text)
        }
    }

    /// Any value as JSON.
    public func json(_ key: String) -> JSON? { node(key)?.json }

    /// A list of texts; one text counts as a list of one.
    public func strings(_ key: String) -> [String]? {
        read(key, "a list of texts") { node in
            switch node.content {
            case .scalar(let text, _): return [text]
            case .sequence(let items):
                let texts = items.compactMap { item -> String? in
                    if case .scalar(let text, _) = item.content { return text }
                    return nil
                }
                return texts.count == items.count ? texts : nil
            case .mapping: return nil
            }
        }
    }

    /// The elements of a list.
    public func items(_ key: String) -> [YAMLNode]? {
        read(key, "a list") { node in
            if case .sequence(let items) = node.content { return items }
            return nil
        }
    }

    /// The members of a mapping with free keys.
    public func members(_ key: String) -> [YAMLNode.Member]? {
        read(key, "a mapping") { node in
            if case .mapping(let members) = node.content { return members }
            return nil
        }
    }

    /// A mapping of free keys to texts.
    public func texts(_ key: String) -> [String: String]? {
        guard let members = members(key) else { return nil }
        var found: [String: String] = [:]
        for member in members {
            if case .scalar(let text, _) = member.value.content {
                found[member.key] = text
            } else {
                problems.note(member.value, "“\(member.key)” must be a text")
            }
        }
        return found
    }

    /// One of a set of words.
    public func choice<Value: RawRepresentable & CaseIterable>(_ key: String, _ type: Value.Type) -> Value?
    where Value.RawValue == String {
        read(key, Value.allCases.map(\.rawValue).joined(separator: ", ")) { node in
            if case .scalar(let text, _) = node.content { return Value(rawValue: text) }
            return nil
        }
    }

    /// One of some words; nil and a problem for any other.
    public func choice(_ key: String, _ words: [String]) -> String? {
        read(key, words.joined(separator: ", ")) { node in
            if case .scalar(let text, _) = node.content, words.contains(text) { return text }
            return nil
        }
    }

    private func read<Value>(_ key: String, _ wanted: String, _ convert: (YAMLNode) -> Value?) -> Value? {
        guard let value = node(key) else { return nil }
        if let converted = convert(value) { return converted }
        problems.note(value, "“\(key)” is \(value.kind); it must be \(wanted)")
        return nil
    }

    /// Bytes of `4096`, `64KB`, `512MB`, `1GB`, `2TB`, where each step is 1024, with or without the “i” or the “B”; nil if it is none of these or not
    /// from one byte to a million terabytes.
    public static func size(_ text: String) -> Int? {
        guard let match = text.wholeMatch(of: /([0-9]+(?:\.[0-9]+)?) ?([kKmMgGtT]?)i?[bB]?/),
            let number = Double(match.output.1)
        else { return nil }
        let step = ["": 0, "k": 1, "m": 2, "g": 3, "t": 4][match.output.2.lowercased()] ?? 0
        let bytes = number * Double(1 << (10 * step))
        return bytes >= 1 && bytes <= 1e18 ? Int(bytes) : nil
    }

    /// The longest length of time: a hundred years, which clocks and Airflow can still count.
    private static let longest = 36_525.0 * 86_400

    /// Seconds of `90`, `90s`, `15m`, `2h`, `1d`; nil if it is none of these, not more than zero, or more than a hundred years.
    public static func seconds(_ text: String) -> Double? {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let last = text.last else { return nil }
        let factor = units[last]
        let digits = factor == nil ? text : String(text.dropLast())
        // As people write numbers: what else Double takes (0x10, 1e2, infinity) is a slip.
        guard digits.wholeMatch(of: /[0-9]+(?:\.[0-9]+)?/) != nil, let number = Double(digits), number > 0 else {
            return nil
        }
        let seconds = number * (factor ?? 1)
        return seconds <= longest ? seconds : nil
    }
}

public import LosslessJSON
import Yams

/// A piece of a YAML file that knows its place.
public struct YAMLNode: Sendable, Hashable {
    /// What it holds.
    public indirect enum Content: Sendable, Hashable {
        /// A text; `plain` if it was written without quotes.
        case scalar(String, plain: Bool)
        case sequence([YAMLNode])
        case mapping([Member])
    }

    /// A key and its value.
    public struct Member: Sendable, Hashable {
        /// The key.
        public var key: String
        /// The line of the key, from 1.
        public var line: Int
        /// The value.
        public var value: YAMLNode
    }

    /// The file as it was given.
    public let file: String
    /// The line, from 1.
    public let line: Int
    /// What it holds.
    public let content: Content

    /// Reads a file's text; an empty one is an empty mapping.
    ///
    /// - Throws: `SettingsError` with the line for YAML that cannot be read (duplicate keys included).
    public init(yaml text: String, file: String) throws(SettingsError) {
        let root: Node?
        do {
            // Some editors begin a file with a mark of its bytes' order, which is no part of the text.
            let isMarked = text.unicodeScalars.first == "\u{feff}"
            root = try Yams.compose(yaml: isMarked ? String(text.unicodeScalars.dropFirst()) : text)
        } catch {
            throw SettingsError([YAMLNode.problem(error, file: file)])
        }
        guard let root else {
            self.init(file: file, line: 1, content: .mapping([]))
            return
        }
        // Without aliases no file has more nodes than bytes.
        var reading = Reading(left: text.utf8.count + YAMLNode.mostRepeated)
        self.init(root, file: file, &reading)
        guard reading.left >= 0 else {
            throw SettingsError([
                Problem(
                    file: file,
                    line: 0,
                    "its aliases (*name) repeat more than \(YAMLNode.mostRepeated) values; write less of them"
                )
            ])
        }
        guard reading.problems.isEmpty else { throw SettingsError(reading.problems) }
    }

    /// What is known while a file is read.
    private struct Reading {
        /// How many nodes there may still be; below zero the rest is left out.
        var left: Int
        var problems: [Problem] = []
    }

    /// How many values aliases may repeat in a file.
    private static let mostRepeated = 100_000

    init(file: String, line: Int, content: Content) {
        self.file = file
        self.line = line
        self.content = content
    }

    private init(_ node: Node, file: String, _ reading: inout Reading) {
        let line = node.mark?.line ?? 1
        reading.left -= 1
        guard reading.left >= 0 else {
            self.init(file: file, line: line, content: .scalar("", plain: true))
            return
        }
        switch node {
        case .scalar(let scalar):
            self.init(
                file: file,
                line: line,
                content: .scalar(scalar.string, plain: scalar.style == .plain || scalar.style == .any)
            )
        case .sequence(let sequence):
            var items: [YAMLNode] = []
            for node in sequence where reading.left >= 0 { items.append(YAMLNode(node, file: file, &reading)) }
            self.init(file: file, line: line, content: .sequence(items))
        case .mapping(let mapping):
            var members: [Member] = []
            var merged: [Member] = []
            for (key, value) in mapping where reading.left >= 0 {
                let member = Member(
                    key: key.string ?? "",
                    line: key.mark?.line ?? line,
                    value: YAMLNode(value, file: file, &reading)
                )
                if case .scalar(let scalar) = key, scalar.string == "<<", scalar.style == .plain {
                    merged += YAMLNode.merged(member, &reading)
                } else {
                    members.append(member)
                }
            }
            // What stands here goes before what is merged, and of two that are merged the first.
            var keys = Set(members.map(\.key))
            for member in merged where keys.insert(member.key).inserted { members.append(member) }
            self.init(file: file, line: line, content: .mapping(members))
        case .alias:
            self.init(file: file, line: line, content: .scalar("", plain: true))
        }
    }

    /// The members that a merge key (`<<`) brings: those of a mapping, or of a list of them.
    private static func merged(_ member: Member, _ reading: inout Reading) -> [Member] {
        switch member.value.content {
        case .mapping(let members): return members
        case .sequence(let items):
            let inner = items.map { item -> [Member]? in
                if case .mapping(let members) = item.content { members } else { nil }
            }
            if inner.allSatisfy({ $0 != nil }) { return inner.flatMap { $0 ?? [] } }
        case .scalar: break
        }
        reading.problems.append(
            Problem(
                file: member.value.file,
                line: member.line,
                "“<<” merges a mapping (such as <<: *name) or a list of them, not \(member.value.kind)"
            )
        )
        return []
    }

    /// The same mapping, with members of another that it has not; any other node as it is.
    public func completed(with others: [Member]) -> YAMLNode {
        guard case .mapping(let members) = content else { return self }
        let keys = Set(members.map(\.key))
        return YAMLNode(file: file, line: line, content: .mapping(members + others.filter { !keys.contains($0.key) }))
    }

    /// The same mapping without members whose keys begin so, which hold what is repeated elsewhere in the file.
    public func without(prefix: String) -> YAMLNode {
        guard case .mapping(let members) = content else { return self }
        return YAMLNode(file: file, line: line, content: .mapping(members.filter { !$0.key.hasPrefix(prefix) }))
    }

    private static func problem(_ error: any Error, file: String) -> Problem {
        if let error = error as? YamlError {
            switch error {
            case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
                .composer(_, let problem, let mark, _):
                return Problem(file: file, line: mark.line, "this is not YAML: \(problem)")
            case .duplicatedKeysInMapping(let keys, let context):
                return Problem(
                    file: file,
                    line: context.mark.line,
                    "the key \(keys.map { "“\($0)”" }.joined(separator: ", ")) stands here twice; keep one"
                )
            default: break
            }
        }
        return Problem(file: file, line: 0, "this is not YAML: \(error)")
    }

    /// Whether it is YAML's null.
    public var isNull: Bool {
        if case .scalar(let text, plain: true) = content { return ["", "~", "null", "Null", "NULL"].contains(text) }
        return false
    }

    /// The value as JSON, by YAML 1.2's core schema: only `true`, `false`, `null` and numbers are not texts.
    public var json: JSON {
        switch content {
        case .sequence(let items): return .array(items.map(\.json))
        case .mapping(let members): return .object(JSONObject(members.map { ($0.key, $0.value.json) }))
        case .scalar(let text, let plain):
            guard plain else { return .string(text) }
            if isNull { return .null }
            if ["true", "True", "TRUE"].contains(text) { return true }
            if ["false", "False", "FALSE"].contains(text) { return false }
            return JSONNumber(lexeme: text).map { .number($0) } ?? .string(text)
        }
    }

    /// What it is, in words.
    public var kind: String {
        switch content {
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .scalar(let text, _): isNull ? "empty" : "“\(text.prefix(60))”"
        }
    }

    /// The same with every text changed.
    func mapTexts(_ change: (String, YAMLNode) -> String) -> YAMLNode {
        switch content {
        case .scalar(let text, let plain):
            YAMLNode(file: file, line: line, content: .scalar(change(text, self), plain: plain))
        case .sequence(let items):
            YAMLNode(file: file, line: line, content: .sequence(items.map { $0.mapTexts(change) }))
        case .mapping(let members):
            YAMLNode(
                file: file,
                line: line,
                content: .mapping(members.map { Member(key: $0.key, line: $0.line, value: $0.value.mapTexts(change)) })
            )
        }
    }
}

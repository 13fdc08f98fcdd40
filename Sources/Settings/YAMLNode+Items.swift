extension YAMLNode {
    /// The same with an item's values in the place of `${item}` and `${item.name}`. A value that is all of a text stands there as it is; within a
    /// longer text it must be a text or a number. Texts under the key `text`, which are SQL, take plain names alone.
    public func filled(with item: YAMLNode, _ problems: Problems) -> YAMLNode { filled(item, key: nil, problems) }

    /// Whether an item's value stands somewhere in its text.
    public var refersToItem: Bool {
        if case .scalar(let text, _) = content { text.contains("${item") } else { false }
    }

    /// What stands under a key; nil if nothing does, or it is no mapping.
    public func child(_ key: String) -> YAMLNode? {
        if case .mapping(let members) = content { members.last { $0.key == key }?.value } else { nil }
    }

    private func filled(_ item: YAMLNode, key: String?, _ problems: Problems) -> YAMLNode {
        switch content {
        case .sequence(let items):
            return YAMLNode(
                file: file,
                line: line,
                content: .sequence(items.map { $0.filled(item, key: nil, problems) })
            )
        case .mapping(let members):
            let filled = members.map { member in
                Member(
                    key: inserted(item, into: member.key, names: false, problems),
                    line: member.line,
                    value: member.value.filled(item, key: member.key, problems)
                )
            }
            return YAMLNode(file: file, line: line, content: .mapping(filled))
        case .scalar(let text, let plain):
            guard refersToItem else { return self }
            if text.hasPrefix("${item"), text.hasSuffix("}"), text.dropFirst(2).firstIndex(of: "$") == nil,
                key != "text"
            {
                guard let value = value(text.dropFirst(2).dropLast(), of: item, problems) else { return self }
                return YAMLNode(file: file, line: line, content: value.content)
            }
            let whole = inserted(item, into: text, names: key == "text", problems)
            return YAMLNode(file: file, line: line, content: .scalar(whole, plain: plain))
        }
    }

    /// A text with an item's values in it.
    private func inserted(_ item: YAMLNode, into text: String, names: Bool, _ problems: Problems) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.firstRange(of: "${item") {
            result += rest[..<start.lowerBound]
            rest = rest[start.lowerBound...]
            guard let end = rest.firstIndex(of: "}") else { break }
            let name = rest[..<end].dropFirst(2)
            rest = rest[rest.index(after: end)...]
            guard let value = value(name, of: item, problems) else { continue }
            guard case .scalar(let inner, _) = value.content, !value.isNull else {
                problems.note(self, "“\(name)” is \(value.kind), which cannot stand within a text")
                continue
            }
            let isName =
                !inner.isEmpty
                && inner.utf8.allSatisfy {
                    (97...122).contains($0) || (65...90).contains($0) || (48...57).contains($0) || $0 == 95 || $0 == 46
                }
            if names, !isName {
                problems.note(
                    self,
                    "“\(name)” is “\(inner)”: into SQL go plain names (letters, digits, “_”, “.”) alone; hand values on as “params”"
                )
            }
            result += inner
        }
        return result + rest
    }

    /// The value of `item` or `item.name`.
    private func value(_ name: Substring, of item: YAMLNode, _ problems: Problems) -> YAMLNode? {
        let steps = name.split(separator: ".", omittingEmptySubsequences: false)
        var found = item
        for step in steps.dropFirst() {
            guard case .mapping(let members) = found.content, let member = members.first(where: { $0.key == step })
            else {
                let known: [String] = if case .mapping(let members) = found.content { members.map(\.key) } else { [] }
                let near = nearest(to: String(step), of: known)
                problems.note(
                    self,
                    "${\(name)} is not in the item of line \(item.line) of \(item.file)\(near.map { "; did you mean “\($0)”?" } ?? "")"
                )
                return nil
            }
            found = member.value
        }
        guard steps.first == "item" else {
            problems.note(self, "${\(name)} is nothing: write ${item} or ${item.name}")
            return nil
        }
        return found
    }
}

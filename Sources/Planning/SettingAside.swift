import Migration
public import Settings

/// The entries that `ignore:` of `bailey.yaml` sets aside.
public struct SettingAside: Sendable {
    private let rules: [SetAsideRule]
    private let file: String
    private let prefixes: [String: String]

    /// Nothing is set aside.
    public static let none = SettingAside([], file: "bailey.yaml")

    /// What some rules set aside.
    ///
    /// - Parameters:
    ///   - file: the file they stand in, as it is shown.
    ///   - prefixes: what keys of a source begin with, by the source: a key that could not be read is meant by its name too.
    public init(_ rules: [SetAsideRule], file: String, prefixes: [String: String] = [:]) {
        (self.rules, self.file, self.prefixes) = (rules, file, prefixes)
    }

    /// The first rule about an entry, or about a key that is none.
    func rule(for id: EntryID) -> SetAsideRule? {
        var names = [id.description]
        if let prefix = prefixes[id.source], !prefix.isEmpty, id.name.hasPrefix(prefix) {
            names.append(EntryID(source: id.source, name: String(id.name.dropFirst(prefix.count))).description)
        }
        return rules.first { rule in names.contains(where: rule.matches) }
    }

    /// What the plan says of an entry that a rule sets aside.
    func made(_ id: EntryID, by rule: SetAsideRule) -> SetAside {
        SetAside(entry: id, reason: rule.reason, location: SourceLocation(file: file, line: rule.line))
    }

    /// Rules that are about nothing in an inventory.
    func idleRules(in inventory: Inventory) -> [Finding] {
        let ids = inventory.entries.map(\.id) + inventory.unread.map { EntryID(source: $0.source, name: $0.key) }
        let used = Set(ids.compactMap { rule(for: $0) })
        return rules.filter { !used.contains($0) }.map { rule in
            Finding(
                .setAside,
                location: SourceLocation(file: file, line: rule.line),
                severity: .warning,
                text:
                    "“ignore” names “\(rule.pattern)”, which is no entry and no key that was found, or is set aside by a rule before it."
            )
        }
    }
}

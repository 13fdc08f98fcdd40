import LosslessJSON
import Migration

extension JSON {
    /// Whether both mean the same: numbers by value, texts and keys byte for byte, keys in any order, the last of duplicate keys.
    func isSame(as other: JSON) -> Bool {
        switch (self, other) {
        case (.null, .null): return true
        case (.bool(let a), .bool(let b)): return a == b
        case (.number(let a), .number(let b)): return a.isSame(as: b)
        case (.string(let a), .string(let b)): return sameBytes(a, b)
        case (.array(let a), .array(let b)):
            guard a.count == b.count else { return false }
            for index in a.indices where !a[index].isSame(as: b[index]) { return false }
            return true
        case (.object(let a), .object(let b)): return a.isSame(as: b)
        default: return false
        }
    }
}

extension JSONNumber {
    /// Whether both are the same number, however they are written.
    func isSame(as other: JSONNumber) -> Bool {
        if lexeme == other.lexeme { return true }
        return canonical == other.canonical
    }
}

extension JSONObject {
    fileprivate func isSame(as other: JSONObject) -> Bool {
        // Keys in the same order, which is the rule; where they are doubled as well, both are doubled alike.
        if members.count == other.members.count {
            var index = 0
            while index < members.count, sameBytes(members[index].key, other.members[index].key),
                members[index].value.isSame(as: other.members[index].value)
            {
                index += 1
            }
            if index == members.count { return true }
        }
        let (mine, its) = (latest, other.latest)
        guard mine.count == its.count else { return false }
        return mine.allSatisfy { key, value in its[key].map(value.isSame) ?? false }
    }

    /// The last value of each key.
    var latest: [KeyBytes: JSON] {
        Dictionary(members.map { (KeyBytes($0.key), $0.value) }, uniquingKeysWith: { $1 })
    }
}

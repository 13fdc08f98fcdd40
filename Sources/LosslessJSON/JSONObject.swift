/// The members of an object in the order written, duplicates included.
public struct JSONObject: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    /// One key with its value.
    public struct Member: Sendable, Hashable {
        /// The key.
        public var key: String
        /// The value.
        public var value: JSON

        /// Makes a member.
        public init(key: String, value: JSON) {
            self.key = key
            self.value = value
        }
    }

    /// All members, in the order written.
    public var members: [Member]

    /// Makes an object from pairs, in their order.
    public init(_ pairs: [(String, JSON)]) { members = pairs.map { Member(key: $0.0, value: $0.1) } }

    /// Makes an object from members, in their order.
    public init(members: [Member]) { self.members = members }

    /// Makes an object with its keys in the order written.
    public init(dictionaryLiteral elements: (String, JSON)...) { self.init(elements) }

    /// The keys, in the order written.
    public var keys: [String] { members.map(\.key) }

    /// Whether it has no members.
    public var isEmpty: Bool { members.isEmpty }

    /// Gets the last value given for the key, as Python and `jsonb` do. Sets it in place, or adds it at the end; nil removes all of that key.
    public subscript(key: String) -> JSON? {
        get { members.last { $0.key == key }?.value }
        set {
            guard let newValue else {
                members.removeAll { $0.key == key }
                return
            }
            if let index = members.lastIndex(where: { $0.key == key }) {
                members[index].value = newValue
            } else {
                members.append(Member(key: key, value: newValue))
            }
        }
    }
}

/// The identity of a legacy entry: the name its source has in `bailey.yaml`, and the entry's own name there.
///
/// Written `source/name`. A source's name has no slash, so the first slash always separates; the entry's name may hold anything.
public struct EntryID: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The source's name in `bailey.yaml`.
    public let source: String
    /// The entry's own name in that source: a RedBeat name without the key prefix, or a job type.
    public let name: String

    /// Makes the identity of the entry `name` of `source`.
    public init(source: String, name: String) {
        self.source = source
        self.name = name
    }

    /// Reads `source/name`; nil when there is no slash or the source is empty.
    public init?(_ text: String) {
        guard let slash = text.firstIndex(of: "/"), slash != text.startIndex else { return nil }
        self.init(source: String(text[..<slash]), name: String(text[text.index(after: slash)...]))
    }

    /// `source/name`.
    public var description: String { "\(source)/\(name)" }

    /// By source, then by name.
    public static func < (left: EntryID, right: EntryID) -> Bool {
        (left.source, left.name) < (right.source, right.name)
    }
}

/// An object whose long lists are made as they are written, an item a line, so that however many there are only one is in memory.
public struct JSONDocument {
    /// What a key holds.
    public enum Part {
        case value(JSON)
        case items(AnySequence<JSON>)

        /// A list whose items are made one after another.
        public static func list<Items: Sequence>(_ items: Items) -> Part where Items.Element == JSON {
            .items(AnySequence(items))
        }
    }

    private let parts: [(key: String, part: Part)]

    /// A document of these keys, in their order.
    public init(_ parts: [(key: String, part: Part)]) { self.parts = parts }

    /// All of it as one value.
    public var json: JSON {
        .object(
            JSONObject(
                parts.map { key, part in
                    switch part {
                    case .value(let value): (key, value)
                    case .items(let items): (key, .array(Array(items)))
                    }
                }
            )
        )
    }

    /// Gives the text in pieces of some ten thousand bytes, with a line break at the end.
    public func write(to write: (String) throws -> Void) rethrows {
        var piece = "{"
        for (number, (key, part)) in parts.enumerated() {
            piece += (number == 0 ? "\n" : ",\n") + JSON.string(key).text() + ": "
            switch part {
            case .value(let value): piece += value.text()
            case .items(let items):
                piece += "["
                var isFirst = true
                for item in items {
                    piece += (isFirst ? "\n" : ",\n") + item.text()
                    isFirst = false
                    if piece.utf8.count > 30_000 {
                        try write(piece)
                        piece = ""
                    }
                }
                piece += "]"
            }
        }
        try write(piece + "\n}\n")
    }
}

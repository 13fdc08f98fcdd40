package import LosslessJSON
import Schedules

/// Why stored JSON of Bailey's own could not be read back.
public struct StoredJSONError: Error, Sendable, CustomStringConvertible {
    /// What is wrong, with the path to it.
    public let description: String
}

/// Reads the members of Bailey's own JSON.
struct StoredObject {
    private let object: JSONObject
    private let path: String

    init(_ json: JSON, _ path: String) throws(StoredJSONError) {
        guard let object = json.object else {
            throw StoredJSONError(description: "\(path) is \(json.kind), not an object")
        }
        self.object = object
        self.path = path
    }

    /// A member that is not null.
    func optional(_ key: String) -> JSON? {
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    /// A member as it is; null if it is not there.
    func json(_ key: String) -> JSON { object[key] ?? .null }

    func string(_ key: String) throws(StoredJSONError) -> String { try value(key, "a text") { $0.string } }

    func int(_ key: String) throws(StoredJSONError) -> Int { try value(key, "an integer") { $0.int } }

    func bool(_ key: String) throws(StoredJSONError) -> Bool { try value(key, "true or false") { $0.bool } }

    func instant(_ key: String) throws(StoredJSONError) -> Instant {
        try value(key, "an instant") { $0.string.flatMap { Instant(iso8601: $0) } }
    }

    func optionalInstant(_ key: String) -> Instant? { optional(key)?.string.flatMap { Instant(iso8601: $0) } }

    func items(_ key: String) -> [JSON] { object[key]?.array ?? [] }

    func entry(_ key: String) throws(StoredJSONError) -> EntryID {
        try value(key, "an entry id") { $0.string.flatMap { EntryID($0) } }
    }

    func value<Value>(_ key: String, _ wanted: String, _ convert: (JSON) -> Value?) throws(StoredJSONError) -> Value {
        if let found = object[key], let converted = convert(found) { return converted }
        throw StoredJSONError(
            description: "\(path).\(key) is \(object[key]?.text().prefix(80) ?? "missing"), not \(wanted)"
        )
    }
}

extension JSON {
    /// A text or null.
    package init(_ text: String?) { self = text.map { .string($0) } ?? .null }
    /// A number or null.
    package init(_ number: Double?) { self = number.map { .number(JSONNumber($0)) } ?? .null }
    /// An integer or null.
    package init(_ number: Int?) { self = number.map { .number(JSONNumber($0)) } ?? .null }
    /// An instant as ISO 8601 or null.
    init(_ instant: Instant?) { self = instant.map { .string($0.iso8601) } ?? .null }
    /// A list of texts.
    init(_ texts: [String]) { self = .array(texts.map { .string($0) }) }
}

import LosslessJSON
public import Schedules

/// New stored bytes of a RedBeat entry, spliced from the old ones: whatever else they say stays as it was written.
///
/// `shadow/bailey_runtime/redbeat_bytes.py` is the same in Python; one table of cases tests both.
public enum RedBeatBytes {
    /// The `last_run_at` that stops legacy's clock.
    public static let parking = RecurrenceRule.parking

    /// A definition with `enabled` false.
    ///
    /// - Throws: `RedBeatBytesError` if it is no JSON object.
    public static func closed(_ definition: [UInt8]) throws(RedBeatBytesError) -> [UInt8] {
        try spliced(definition, "enabled", Array("false".utf8), in: "definition")
    }

    /// A definition that the application wrote while Airflow owned its entry, as legacy is to have it back.
    ///
    /// The application may have loaded the entry with Bailey's own `enabled` false and saved it with the rest. So one that was enabled
    /// before (`planned`) is enabled again.
    ///
    /// - Throws: `RedBeatBytesError` if either is no JSON object.
    public static func opened(_ definition: [UInt8], planned: [UInt8]) throws(RedBeatBytesError) -> [UInt8] {
        guard try isEnabled(planned), try !isEnabled(definition) else { return definition }
        return try spliced(definition, "enabled", Array("true".utf8), in: "definition")
    }

    /// Whether beat fires an entry with this definition: what is absent is enabled, and any text is true.
    private static func isEnabled(_ definition: [UInt8]) throws(RedBeatBytesError) -> Bool {
        guard let stored = try parsed(definition, in: "definition")["enabled"] else { return true }
        return stored.isTruthy
    }

    /// When legacy last ran the entry; nil if never (no meta, an empty one, or null).
    ///
    /// - Throws: `RedBeatBytesError` if beat itself could not read it.
    public static func lastRun(_ meta: [UInt8]?, zones: ZoneDatabase) throws(RedBeatBytesError) -> RedBeatTime? {
        guard let meta, !meta.isEmpty else { return nil }
        let found = try parsed(meta, in: "meta")["last_run_at"] ?? .null
        guard !found.isNull else { return nil }
        guard let time = RedBeatTime(found, zones: zones) else {
            throw RedBeatBytesError("“last_run_at” is \(found.text().prefix(200)), which is no time that beat can read")
        }
        return time
    }

    /// Whether a fire of beat wrote the meta (not the application, which creates it without a count).
    public static func isOfAFire(_ meta: [UInt8]?) -> Bool {
        guard let meta, let count = try? JSON(parsing: meta)["total_run_count"]?.int else { return false }
        return count > 0
    }

    /// Whether a meta stops legacy's clock: its last run lies where Bailey parks it, or further.
    public static func isParked(_ meta: [UInt8]?) -> Bool {
        guard let meta, let year = try? JSON(parsing: meta)["last_run_at"]?["year"]?.int else { return false }
        return year >= 2100
    }

    /// A meta that stops legacy's clock.
    ///
    /// - Parameter until: as far as it stops it.
    /// - Throws: `RedBeatBytesError` if the meta is no JSON object.
    public static func parked(_ meta: [UInt8]?, until: Instant = parking) throws(RedBeatBytesError) -> [UInt8] {
        try withLastRun(meta, RedBeatTime(instant: until, zone: .utc))
    }

    /// A meta that says when legacy last ran.
    ///
    /// - Throws: `RedBeatBytesError` if the meta is no JSON object.
    public static func withLastRun(_ meta: [UInt8]?, _ time: RedBeatTime) throws(RedBeatBytesError) -> [UInt8] {
        let value = Array(time.text.utf8)
        guard let meta, !meta.isEmpty else { return Array(#"{"last_run_at": "#.utf8) + value + [UInt8(ascii: "}")] }
        return try spliced(meta, "last_run_at", value, in: "meta")
    }

    /// JSON with U+FFFD for each half of a surrogate pair that stands alone, which Python takes and no text of ours can hold.
    static func withoutSurrogates(_ bytes: [UInt8]) -> [UInt8] {
        HalfSurrogates.replaced(bytes) { _ in Array("\\uFFFD".utf8) }
    }

    /// How deep arrays and objects of JSON nest.
    static func depth(_ bytes: [UInt8]) -> Int {
        var (depth, deepest, isText, isEscaped) = (0, 0, false, false)
        for byte in bytes {
            if isText {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isText = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isText = true
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                deepest = max(deepest, depth)
            case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
            default: break
            }
        }
        return deepest
    }

    private static func spliced(_ bytes: [UInt8], _ key: String, _ value: [UInt8], in field: String)
        throws(RedBeatBytesError) -> [UInt8]
    {
        let object = try parsed(bytes, in: field)
        var result = bytes
        if let range = (try? JSONRanges(parsing: bytes))?.range(of: [key]) {
            result.replaceSubrange(range, with: value)
        } else if let end = bytes.lastIndex(of: UInt8(ascii: "}")) {
            let separator = object.isEmpty ? "" : ", "
            result.insert(contentsOf: Array("\(separator)\"\(key)\": ".utf8) + value, at: end)
        }
        return result
    }

    private static func parsed(_ bytes: [UInt8], in field: String) throws(RedBeatBytesError) -> JSONObject {
        let json: JSON
        do { json = try JSON(parsing: bytes) } catch { throw RedBeatBytesError("“\(field)” is \(error)") }
        guard let object = json.object else { throw RedBeatBytesError("“\(field)” is \(json.kind), not an object") }
        return object
    }
}

/// Why stored bytes of an entry could not be read.
public struct RedBeatBytesError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong.
    public let description: String

    init(_ description: String) { self.description = description }
}

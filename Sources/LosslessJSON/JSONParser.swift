/// A strict RFC 8259 reader over UTF-8 bytes that also takes the three words Python's `json` writes: `NaN`, `Infinity`, `-Infinity`.
struct JSONParser {
    /// Borrowed for as long as the parser is: see `reading`.
    private let bytes: UnsafeBufferPointer<UInt8>
    private(set) var offset = 0
    /// How many elements and members the containers that ended last had: rows follow rows, and get their room at once.
    private var elementsBefore = 0
    private var membersBefore = 0
    private static let deepest = 512
    /// The most room that is taken before anything is read.
    private static let mostRoom = 64

    private init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// What a body makes of a parser over some bytes, which are borrowed until it ends.
    static func reading<Value>(
        _ bytes: some Collection<UInt8>,
        _ body: (inout JSONParser) throws(JSONError) -> Value
    ) throws(JSONError) -> Value {
        func result(_ bytes: UnsafeBufferPointer<UInt8>) -> Result<Value, JSONError> {
            var parser = JSONParser(bytes)
            do throws(JSONError) { return .success(try body(&parser)) } catch { return .failure(error) }
        }
        if let found = bytes.withContiguousStorageIfAvailable(result) { return try found.get() }
        return try Array(bytes).withUnsafeBufferPointer(result).get()
    }

    /// Reads one value and insists that nothing follows it.
    mutating func document() throws(JSONError) -> JSON {
        skipSpace()
        let value = try self.value(depth: 0)
        skipSpace()
        if offset < bytes.count { throw error(.trailingBytes) }
        return value
    }

    private func error(_ kind: JSONError.Kind, at position: Int? = nil) -> JSONError {
        let position = position ?? offset
        var line = 1
        var start = 0
        for index in 0..<min(position, bytes.count) where bytes[index] == 0x0A {
            line += 1
            start = index + 1
        }
        let found = position < bytes.count ? bytes[position] : nil
        return JSONError(
            kind: found == nil && kind == .unexpectedByte ? .unexpectedEnd : kind,
            offset: position,
            line: line,
            column: position - start + 1,
            found: found
        )
    }

    private mutating func skipSpace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x09, 0x0A, 0x0D: offset += 1
            default: return
            }
        }
    }

    private mutating func take(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard offset + count <= bytes.count else { return false }
        let same = word.withUTF8Buffer { text in
            for index in 0..<count where bytes[offset + index] != text[index] { return false }
            return true
        }
        if same { offset += count }
        return same
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSON {
        guard offset < bytes.count else { throw error(.unexpectedEnd) }
        if depth > Self.deepest { throw error(.tooDeep) }
        switch bytes[offset] {
        case UInt8(ascii: "{"): return .object(try object(depth: depth))
        case UInt8(ascii: "["): return .array(try array(depth: depth))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t") where take("true"): return .bool(true)
        case UInt8(ascii: "f") where take("false"): return .bool(false)
        case UInt8(ascii: "n") where take("null"): return .null
        case UInt8(ascii: "N") where take("NaN"): return .number(JSONNumber(checked: "NaN"))
        case UInt8(ascii: "I") where take("Infinity"): return .number(JSONNumber(checked: "Infinity"))
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
        default: throw error(.unexpectedByte)
        }
    }

    private mutating func array(depth: Int) throws(JSONError) -> [JSON] {
        offset += 1
        var elements: [JSON] = []
        elements.reserveCapacity(min(elementsBefore, Self.mostRoom))
        skipSpace()
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "]") {
            offset += 1
            return elements
        }
        while true {
            skipSpace()
            elements.append(try value(depth: depth + 1))
            if try endsAfterElement(UInt8(ascii: "]")) {
                elementsBefore = elements.count
                return elements
            }
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
        offset += 1
        var members: [JSONObject.Member] = []
        members.reserveCapacity(min(membersBefore, Self.mostRoom))
        skipSpace()
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "}") {
            offset += 1
            return JSONObject(members: members)
        }
        while true {
            skipSpace()
            let key = try memberKey()
            members.append(JSONObject.Member(key: key, value: try value(depth: depth + 1)))
            if try endsAfterElement(UInt8(ascii: "}")) {
                membersBefore = members.count
                return JSONObject(members: members)
            }
        }
    }

    /// A key, its colon and the space after it.
    private mutating func memberKey() throws(JSONError) -> String {
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") else { throw error(.unexpectedByte) }
        let key = try string()
        skipSpace()
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: ":") else { throw error(.unexpectedByte) }
        offset += 1
        skipSpace()
        return key
    }

    /// Passes a comma (false) or the closing byte (true).
    private mutating func endsAfterElement(_ close: UInt8) throws(JSONError) -> Bool {
        skipSpace()
        guard offset < bytes.count else { throw error(.unexpectedEnd) }
        let byte = bytes[offset]
        guard byte == close || byte == UInt8(ascii: ",") else { throw error(.unexpectedByte) }
        offset += 1
        return byte == close
    }

    private mutating func digits() -> Int {
        let start = offset
        while offset < bytes.count, (0x30...0x39).contains(bytes[offset]) { offset += 1 }
        return offset - start
    }

    private mutating func number() throws(JSONError) -> JSONNumber {
        let start = offset
        if bytes[offset] == UInt8(ascii: "-") {
            offset += 1
            if take("Infinity") { return JSONNumber(checked: "-Infinity") }
        }
        let leadingZero = offset < bytes.count && bytes[offset] == UInt8(ascii: "0")
        let integerDigits = digits()
        if integerDigits == 0 || (leadingZero && integerDigits > 1) { throw error(.invalidNumber, at: start) }
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            offset += 1
            if digits() == 0 { throw error(.invalidNumber, at: start) }
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            offset += 1
            if offset < bytes.count, bytes[offset] == UInt8(ascii: "+") || bytes[offset] == UInt8(ascii: "-") {
                offset += 1
            }
            if digits() == 0 { throw error(.invalidNumber, at: start) }
        }
        return JSONNumber(checked: plain(start..<offset))
    }

    /// A text that is known to be ASCII, which needs no second look.
    private func plain(_ range: Range<Int>) -> String {
        String(unsafeUninitializedCapacity: range.count) { room in
            _ = room.initialize(fromContentsOf: bytes[range])
            return range.count
        }
    }

    private func text(_ range: Range<Int>) throws(JSONError) -> String {
        guard let valid = String(validating: UnsafeBufferPointer(rebasing: bytes[range]), as: UTF8.self) else {
            throw error(.invalidUTF8, at: invalidUTF8Offset(range))
        }
        return valid
    }

    /// Where the first byte stands that belongs to no valid sequence.
    private func invalidUTF8Offset(_ range: Range<Int>) -> Int {
        var decoder = UTF8()
        var iterator = bytes[range].makeIterator()
        var position = range.lowerBound
        while case .scalarValue(let scalar) = decoder.decode(&iterator) { position += UTF8.width(scalar) }
        return position
    }

    private mutating func string() throws(JSONError) -> String {
        offset += 1
        let start = offset
        var end = start
        var seen: UInt8 = 0
        while end < bytes.count, bytes[end] != UInt8(ascii: "\""), bytes[end] != UInt8(ascii: "\\"), bytes[end] >= 0x20
        {
            seen |= bytes[end]
            end += 1
        }
        offset = end
        guard end < bytes.count else { throw error(.unexpectedEnd) }
        switch bytes[end] {
        case UInt8(ascii: "\""):
            offset = end + 1
            return seen < 0x80 ? plain(start..<end) : try text(start..<end)
        case UInt8(ascii: "\\"): return try escapedString(from: start)
        default: throw error(.controlCharacter)
        }
    }

    /// Goes on from the first escape of a string that began at `start`.
    private mutating func escapedString(from start: Int) throws(JSONError) -> String {
        var result = try text(start..<offset)
        var run = offset
        while offset < bytes.count {
            let byte = bytes[offset]
            if byte == UInt8(ascii: "\"") {
                result += try text(run..<offset)
                offset += 1
                return result
            }
            if byte == UInt8(ascii: "\\") {
                result += try text(run..<offset)
                result.unicodeScalars.append(try escape())
                run = offset
            } else {
                if byte < 0x20 { throw error(.controlCharacter) }
                offset += 1
            }
        }
        throw error(.unexpectedEnd)
    }

    private mutating func escape() throws(JSONError) -> Unicode.Scalar {
        let start = offset
        offset += 1
        guard offset < bytes.count else { throw error(.unexpectedEnd) }
        let byte = bytes[offset]
        offset += 1
        switch byte {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{08}"
        case UInt8(ascii: "f"): return "\u{0C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: throw error(.invalidEscape, at: start)
        }
        let unit = try hexadecimal(start)
        if let scalar = Unicode.Scalar(UInt32(unit)) { return scalar }
        guard (0xD800..<0xDC00).contains(unit), take("\\u") else { throw error(.loneSurrogate, at: start) }
        let low = try hexadecimal(start)
        guard (0xDC00..<0xE000).contains(low),
            let scalar = Unicode.Scalar(0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(low) - 0xDC00))
        else { throw error(.loneSurrogate, at: start) }
        return scalar
    }

    private mutating func hexadecimal(_ start: Int) throws(JSONError) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard offset < bytes.count else { throw error(.unexpectedEnd) }
            let byte = bytes[offset]
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x41 + 10
            case 0x61...0x66: digit = byte - 0x61 + 10
            default: throw error(.invalidEscape, at: start)
            }
            unit = unit << 4 | UInt16(digit)
            offset += 1
        }
        return unit
    }
}

extension JSONParser {
    /// The bytes of the value that the keys lead to, for splicing; nil when a key is missing or its parent is no object.
    ///
    /// Where a key is given more than once the last one counts, as Python reads it.
    mutating func range(of path: ArraySlice<String>) throws(JSONError) -> Range<Int>? {
        skipSpace()
        guard let key = path.first else {
            let start = offset
            _ = try value(depth: 0)
            return start..<offset
        }
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: "{") else { return nil }
        offset += 1
        var found: Range<Int>?
        skipSpace()
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "}") { return nil }
        while true {
            skipSpace()
            let candidate = try memberKey()
            let start = offset
            if candidate == key { found = try range(of: path.dropFirst()) }
            offset = start
            _ = try value(depth: 1)
            if try endsAfterElement(UInt8(ascii: "}")) { return found }
        }
    }
}

extension JSON {
    /// Reads one value.
    ///
    /// - Throws: ``JSONError`` with the byte at which the text stops being JSON.
    public init(parsing bytes: some Collection<UInt8>) throws(JSONError) {
        self = try JSONParser.reading(bytes) { parser throws(JSONError) in try parser.document() }
    }

    /// Reads one value.
    ///
    /// - Throws: ``JSONError`` with the byte at which the text stops being JSON.
    public init(parsing text: String) throws(JSONError) {
        try self.init(parsing: text.utf8)
    }
}

/// Where the values of a JSON text stand in its bytes, so that one can be replaced without touching the others.
public struct JSONRanges: Sendable {
    private let bytes: [UInt8]

    /// Checks that the bytes are JSON.
    ///
    /// - Throws: ``JSONError`` with the byte at which the text stops being JSON.
    public init(parsing bytes: [UInt8]) throws(JSONError) {
        _ = try JSON(parsing: bytes)
        self.bytes = bytes
    }

    /// The bytes of the value that the keys lead to; nil when there is none. Of duplicate keys the last counts.
    public func range(of path: [String]) -> Range<Int>? {
        (try? JSONParser.reading(bytes) { parser throws(JSONError) in try parser.range(of: path[...]) }) ?? nil
    }
}

import LosslessJSON
import TestSupport
import Testing

@Suite struct JSONParsingTests {
    @Test(
        "A text that is JSON is written back as it was",
        arguments: [
            "null", "true", "false", "0", "-0", "1.0", "1e400", "12345678901234567890.12345678901234567890", "\"\"",
            #""a\"\\\n\r\t""#, #""é𝄞\u0001""#, "[]", "{}", #"[1,[2,[3]],{"a":null}]"#, #"{"a":1,"b":2,"a":3}"#, "NaN",
            "[Infinity,-Infinity]",
        ]
    )
    func roundTrip(_ text: String) throws {
        #expect(try JSON(parsing: text).text() == text)
    }

    @Test(
        "A text that is not JSON is refused at the byte where it goes wrong",
        arguments: [
            ("", JSONError.Kind.unexpectedByte, 0), ("[1,]", .unexpectedByte, 3), ("[1 2]", .unexpectedByte, 3),
            ("{\"a\" 1}", .unexpectedByte, 5), ("{a:1}", .unexpectedByte, 1), ("01", .invalidNumber, 0),
            ("1.", .invalidNumber, 0), ("1e", .invalidNumber, 0), ("+1", .unexpectedByte, 0),
            ("nul", .unexpectedByte, 0),
            ("1 1", .trailingBytes, 2), (#""\x""#, .invalidEscape, 1), (#""\ud800""#, .loneSurrogate, 1),
            (#""\udc00""#, .loneSurrogate, 1), ("\"\n\"", .controlCharacter, 1), ("\"abc", .unexpectedEnd, 4),
            ("[", .unexpectedEnd, 1), ("\u{FEFF}1", .unexpectedByte, 0),
        ]
    )
    func refused(_ text: String, kind: JSONError.Kind, offset: Int) {
        let error = #expect(throws: JSONError.self) { try JSON(parsing: text) }
        #expect(error?.offset == offset)
        #expect(error?.kind == (text.isEmpty ? .unexpectedEnd : kind))
    }

    @Test("Bytes that are not UTF-8 are refused where they begin")
    func invalidUTF8() {
        let error = #expect(throws: JSONError.self) { try JSON(parsing: Array("\"ab".utf8) + [0xFF, 0x22]) }
        #expect(error?.kind == .invalidUTF8)
        #expect(error?.offset == 3)
    }

    @Test("Escapes and surrogate pairs become the characters they stand for")
    func escapes() throws {
        #expect(try JSON(parsing: #""\u0041\u00e9\ud834\udd1e\/""#) == .string("Aé𝄞/"))
    }

    @Test("Nesting is limited, so that hostile text cannot exhaust the stack")
    func depth() {
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: JSONError.self) { try JSON(parsing: deep) }
        let allowed = String(repeating: "[", count: 500) + String(repeating: "]", count: 500)
        #expect(throws: Never.self) { try JSON(parsing: allowed) }
    }

    @Test("Of duplicate keys the last is read, and both are kept")
    func duplicates() throws {
        let value = try JSON(parsing: #"{"a":1,"a":2}"#)
        #expect(value["a"]?.int == 2)
        #expect(value.object?.members.count == 2)
    }

    @Test("An error names line and byte")
    func position() {
        let error = #expect(throws: JSONError.self) { try JSON(parsing: "{\n  \"a\": x\n}") }
        #expect(error?.line == 2)
        #expect(error?.column == 8)
    }

    @Test(
        "Numbers that are equal share one canonical text",
        arguments: [
            ("1", "1"), ("1.0", "1"), ("1e2", "100"), ("100.00", "100"), ("-0.0", "0"), ("0.10", "0.1"),
            ("1E-3", "0.001"),
            ("12.5e1", "125"), ("1e999", "1e999"), ("0.000", "0"), ("-1.50", "-1.5"),
        ]
    )
    func canonicalNumber(_ lexeme: String, canonical: String) {
        #expect(JSONNumber(lexeme: lexeme)?.canonical == canonical)
    }

    @Test("The canonical text sorts keys, keeps the last of duplicates and normalises numbers")
    func canonical() throws {
        #expect(try JSON(parsing: #"{"b":1.0,"a":[1e1],"b":2}"#).text(.canonical) == #"{"a":[10],"b":2}"#)
    }

    @Test("The pretty text reads back as the same value")
    func pretty() throws {
        let value = try JSON(parsing: #"{"a":[1,{"b":[]}],"c":{}}"#)
        #expect(try JSON(parsing: value.text(.pretty)) == value)
        #expect(value.text(.pretty).contains("\n  \"a\": [\n    1,"))
    }

    @Test("Ranges lead to the bytes of a value, and of duplicates to the last")
    func ranges() throws {
        let text = #" {"a": {"enabled" : true}, "x": 1, "a": {"enabled":  false }}"#
        let bytes = Array(text.utf8)
        let ranges = try JSONRanges(parsing: bytes)
        let range = try #require(ranges.range(of: ["a", "enabled"]))
        #expect(String(decoding: bytes[range], as: UTF8.self) == "false")
        #expect(ranges.range(of: ["a", "missing"]) == nil)
        #expect(ranges.range(of: ["x", "enabled"]) == nil)
    }

    @Test("Random values read back as themselves in every style")
    func randomRoundTrip() throws {
        for seed in 0..<500 {
            var generator = SplitMix(state: UInt64(seed))
            let value = JSON.random(depth: 4, using: &generator)
            #expect(try JSON(parsing: value.text(.compact)) == value, "seed \(seed)")
            #expect(try JSON(parsing: value.text(.pretty)) == value, "seed \(seed)")
            let canonical = value.text(.canonical)
            #expect(try JSON(parsing: canonical).text(.canonical) == canonical, "seed \(seed)")
        }
    }
}

extension JSON {
    static func random(depth: Int, using generator: inout SplitMix) -> JSON {
        switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &generator) {
        case 0: return nil
        case 1: return .bool(Bool.random(using: &generator))
        case 2: return .number(JSONNumber(Int.random(in: -1_000_000...1_000_000, using: &generator)))
        case 3: return .number(JSONNumber(Double.random(in: -1e6...1e6, using: &generator)))
        case 4:
            let alphabet: [Character] = ["a", "\"", "\\", "\n", "\u{1}", "ж", "𝄞", "{", "}", "%", "\u{7F}"]
            let count = Int.random(in: 0..<8, using: &generator)
            return .string(String((0..<count).compactMap { _ in alphabet.randomElement(using: &generator) }))
        case 5:
            return .array(
                (0..<Int.random(in: 0..<4, using: &generator)).map { _ in .random(depth: depth - 1, using: &generator) }
            )
        default:
            return .object(
                JSONObject(
                    (0..<Int.random(in: 0..<4, using: &generator)).map { _ in
                        ("k\(Int.random(in: 0..<3, using: &generator))", .random(depth: depth - 1, using: &generator))
                    }
                )
            )
        }
    }
}

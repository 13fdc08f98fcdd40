import Foundation
import LosslessJSON

/// A place in a JSON value as rules write it: `$`, `$.rows[0]`, `$.rows[*].id`, `$["a key"].b`.
///
/// Keys are compared byte for byte, as they were written. A key with a dot, a bracket, a quote or a space is quoted, as JSON quotes it.
public struct ComparePath: Sendable, Hashable, CustomStringConvertible {
    /// One step into a value.
    public enum Step: Sendable, Hashable {
        case key(KeyBytes)
        case index(Int)
        /// Any element of an array.
        case anyIndex
    }

    /// The steps from the whole value inwards.
    public let steps: [Step]

    /// Makes a path of steps.
    public init(_ steps: [Step]) { self.steps = steps }

    /// Reads a path.
    ///
    /// - Throws: `ComparePathError` where it is none, with what is wrong.
    public init(_ text: String) throws(ComparePathError) {
        var reader = PathReader(text)
        steps = try reader.read()
    }

    /// The path as it is written.
    public var description: String {
        steps.reduce("$") { text, step in
            switch step {
            case .key(let key): text + ComparePath.written(key.text)
            case .index(let index): text + "[\(index)]"
            case .anyIndex: text + "[*]"
            }
        }
    }

    /// Whether every place that another path leads to lies at this one or beneath it.
    public func covers(_ other: ComparePath) -> Bool {
        guard steps.count <= other.steps.count else { return false }
        return zip(steps, other.steps).allSatisfy { mine, its in
            switch (mine, its) {
            case (.anyIndex, .index), (.anyIndex, .anyIndex): true
            default: mine == its
            }
        }
    }

    /// A key as a step: `.name`, or `["a name"]` where it would be read otherwise.
    public static func written(_ key: String) -> String {
        let isPlain = !key.isEmpty && key.unicodeScalars.allSatisfy(isPlainInKeys)
        return isPlain ? "." + key : "[" + JSON.string(key).text() + "]"
    }

    static func isPlainInKeys(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case ".", "[", "]", "\"", "'", "*", "\\", "$": false
        default: !scalar.properties.isWhitespace && scalar.properties.generalCategory != .control
        }
    }
}

/// A key by its bytes: two that Unicode calls equivalent but that are written otherwise are two.
public struct KeyBytes: Sendable, Hashable {
    /// The key.
    public let text: String

    /// The bytes of a key.
    public init(_ text: String) { self.text = text }

    /// Whether both are written with the same bytes.
    public static func == (a: KeyBytes, b: KeyBytes) -> Bool { sameBytes(a.text, b.text) }

    /// Hashes the bytes.
    public func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

/// Whether two texts are written with the same bytes.
public func sameBytes(_ a: String, _ b: String) -> Bool {
    var (a, b) = (a, b)
    return a.withUTF8 { left in
        b.withUTF8 { right in
            // A text that has no place in memory is empty.
            guard let one = left.baseAddress, let other = right.baseAddress else { return left.count == right.count }
            return left.count == right.count && memcmp(one, other, left.count) == 0
        }
    }
}

/// Why a text is no path.
public struct ComparePathError: Error, Sendable, CustomStringConvertible {
    /// What is wrong, for a sentence that begins with the path.
    public let description: String
}

/// Reads a path from left to right.
private struct PathReader {
    private let text: String
    private var rest: Substring

    init(_ text: String) {
        self.text = text
        rest = text[...]
    }

    mutating func read() throws(ComparePathError) -> [ComparePath.Step] {
        guard take("$") else { throw error("it must begin with $") }
        var steps: [ComparePath.Step] = []
        while let first = rest.first {
            if first == "." {
                rest.removeFirst()
                steps.append(.key(KeyBytes(try plainKey())))
            } else if first == "[" {
                rest.removeFirst()
                steps.append(try bracketed())
            } else {
                throw error("after a step comes “.key”, “[0]”, “[*]” or “[\"key\"]”, not “\(first)”")
            }
        }
        return steps
    }

    private mutating func plainKey() throws(ComparePathError) -> String {
        var key = String.UnicodeScalarView()
        var scalars = rest.unicodeScalars
        while let scalar = scalars.first, ComparePath.isPlainInKeys(scalar) {
            key.append(scalar)
            scalars.removeFirst()
        }
        rest = Substring(scalars)
        if key.isEmpty {
            throw error(
                rest.first == "." ? "“..” stands for nothing here; name each key" : "a key is missing after “.”"
            )
        }
        if let next = rest.first, next != ".", next != "[" {
            throw error("a key with “\(next)” is quoted: [\"…\"]")
        }
        return String(key)
    }

    private mutating func bracketed() throws(ComparePathError) -> ComparePath.Step {
        if take("*]") { return .anyIndex }
        if rest.first == "\"" || rest.first == "'" { return .key(KeyBytes(try quoted())) }
        guard let end = rest.firstIndex(of: "]") else { throw error("“[” is not closed") }
        let inner = rest[..<end]
        guard !inner.isEmpty, inner.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let index = Int(inner) else {
            throw error("“[\(inner)]” is no element; write [0], [*] or [\"key\"]")
        }
        rest = rest[rest.index(after: end)...]
        return .index(index)
    }

    private mutating func quoted() throws(ComparePathError) -> String {
        let quote = rest.removeFirst()
        var key = ""
        var raw = ""
        while let character = rest.first, character != quote {
            rest.removeFirst()
            raw.append(character)
            if character == "\\", let next = rest.first {
                rest.removeFirst()
                raw.append(next)
            }
        }
        guard take("\(quote)]") else { throw error("a quoted key ends with \(quote)]") }
        if quote == "'" {
            key = raw.replacing("\\'", with: "'").replacing("\\\\", with: "\\")
        } else {
            guard let value = (try? JSON(parsing: "\"\(raw)\""))?.string else {
                throw error("“\(raw)” is not quoted as JSON quotes it")
            }
            key = value
        }
        return key
    }

    private mutating func take(_ word: String) -> Bool {
        guard rest.hasPrefix(word) else { return false }
        rest = rest.dropFirst(word.count)
        return true
    }

    private func error(_ why: String) -> ComparePathError { ComparePathError(description: why) }
}

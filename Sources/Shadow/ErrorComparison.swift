import LosslessJSON
import Migration

/// Compares how two runs failed.
///
/// The same exception is the same type, of the same module where both sides know it, with the same arguments. Where one side knows no
/// arguments the messages are compared. Of a queue that records text alone, the text has to hold what the shadow's error says.
enum ErrorComparison {
    /// Whether legacy's record says nothing of the error: a column that was left blank.
    static func saysNothing(_ legacy: RunError) -> Bool {
        legacy.type == "unknown" && trimmed(legacy.message).isEmpty
    }

    static func difference(_ legacy: RunError, _ shadow: RunError) -> Difference? {
        if legacy.type == "unknown" { return textual(legacy, shadow) }
        if let wrapped = wrapped(legacy) {
            guard wrapped.name == shadow.type.split(separator: ".").last.map(String.init),
                wrapped.module == shadow.module ?? wrapped.module
            else { return difference(legacy, shadow, "another exception", "$.type") }
            guard let a = wrapped.arguments, let b = shadow.arguments else {
                if wrapped.text == representation(wrapped.name, shadow.arguments) { return nil }
                return difference(legacy, shadow, "Celery kept a text of it alone, which is another", "$.message")
            }
            guard let first = arguments.compare(a, b).found.first else { return nil }
            let path = "$.arguments" + first.path.dropFirst()
            return difference(legacy, shadow, "the same exception with other arguments", path)
        }
        if !isKept(shadow, legacy) {
            guard legacy.type == shadow.type else { return difference(legacy, shadow, "another exception", "$.type") }
            if let a = legacy.module, let b = shadow.module, a != b {
                return difference(legacy, shadow, "exceptions of one name from two modules", "$.type")
            }
        }
        if let a = legacy.arguments, let b = shadow.arguments {
            guard let first = arguments.compare(a, b).found.first else { return nil }
            return difference(
                legacy,
                shadow,
                "the same exception with other arguments",
                "$.arguments" + first.path.dropFirst()
            )
        }
        if sameBytes(legacy.message, shadow.message) { return nil }
        return difference(legacy, shadow, "the same exception with another message", "$.message")
    }

    /// What of two errors that are no difference is told nevertheless; nil where there is nothing.
    ///
    /// Where in the application's own code both failed, if not in the same function of the same file: the same exception from a body that was
    /// written anew is the same outcome. And that Celery's record does not say which class it was.
    static func remark(_ legacy: RunError, _ shadow: RunError) -> String? {
        var told: [String] = []
        if isKept(shadow, legacy) {
            told.append(
                "Celery keeps \(shadow.name), which pickle cannot make anew, as its base \(legacy.name): legacy's may have been either"
            )
        }
        if let a = legacy.detail.flatMap(place), let b = shadow.detail.flatMap(place), a != b {
            told.append("both failed alike, legacy in \(a) and shadow in \(b)")
        }
        return told.isEmpty ? nil : told.joined(separator: "; ")
    }

    /// Whether legacy's record is of the class as which Celery would keep the shadow's exception.
    private static func isKept(_ shadow: RunError, _ legacy: RunError) -> Bool {
        guard let kept = shadow.kept else { return false }
        return kept.type == legacy.type && kept.module == legacy.module
    }

    /// The innermost frame of a traceback that is not a library's: file and function. The line moves with every edit.
    private static func place(_ traceback: String) -> String? {
        for line in traceback.split(whereSeparator: \.isNewline).reversed() {
            let text = trimmed(String(line))
            guard text.hasPrefix("File \""), let mark = text.firstRange(of: "\", line "),
                let function = text.firstRange(of: ", in ")
            else { continue }
            let file = text[text.index(text.startIndex, offsetBy: 6)..<mark.lowerBound]
            let libraries = ["/site-packages/", "/dist-packages/", "/lib/python", "bailey_runtime", "call_function.py"]
            guard !file.hasPrefix("<"), !libraries.contains(where: file.contains) else { continue }
            return "\(file.split(separator: "/").last ?? file), \(text[function.upperBound...])"
        }
        return nil
    }

    /// What Celery has put into an exception of its own because pickle could not make it anew: one whose class asks for other arguments than it keeps.
    private static func wrapped(_ error: RunError) -> (module: String, name: String, arguments: JSON?, text: String)? {
        guard error.type == "UnpickleableExceptionWrapper", let parts = error.arguments?.array, parts.count == 4,
            let module = parts[0].string, let name = parts[1].string
        else { return nil }
        return (module, name, parts[2].array.map { _ in parts[2] }, parts[3].string ?? "")
    }

    private static let arguments = JSONComparison(rules: CompareRules())

    /// Legacy kept one text: a message alone, `Type: message`, a traceback, or a representation such as `ValueError('x')`.
    private static func textual(_ legacy: RunError, _ shadow: RunError) -> Difference? {
        let text = trimmed(legacy.message)
        guard !text.isEmpty else { return nil }
        let message = trimmed(shadow.message)
        if text == message { return nil }
        for name in Set([shadow.type, shadow.name]) {
            let line = message.isEmpty ? name : "\(name): \(message)"
            if text == line || text.hasSuffix("\n" + line) { return nil }
            if let representation = representation(name, shadow.arguments), text == representation { return nil }
        }
        return difference(legacy, shadow, "legacy recorded another error", "$.message")
    }

    /// The exception as Python would represent it, where its arguments are plain.
    private static func representation(_ name: String, _ arguments: JSON?) -> String? {
        guard let all = arguments?.array else { return nil }
        var parts: [String] = []
        for argument in all {
            switch argument {
            case .string(let text):
                guard !text.contains("'"), !text.contains("\\"), !text.contains("\n") else { return nil }
                parts.append("'\(text)'")
            case .number(let number): parts.append(number.lexeme)
            case .null: parts.append("None")
            case .bool(let flag): parts.append(flag ? "True" : "False")
            default: return nil
            }
        }
        return "\(name)(\(parts.joined(separator: ", ")))"
    }

    private static func trimmed(_ text: String) -> String {
        var scalars = Substring(text).unicodeScalars
        while let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() }
        while let first = scalars.first, first.properties.isWhitespace { scalars.removeFirst() }
        return String(scalars)
    }

    private static func difference(_ a: RunError, _ b: RunError, _ what: String, _ path: String) -> Difference {
        Difference(
            kind: .error,
            path: path,
            legacy: .string(a.type == "unknown" ? a.message : "\(a.name): \(a.message)"),
            shadow: .string("\(b.name): \(b.message)"),
            text: "both failed, but not in the same way: \(what)"
        )
    }
}

import Foundation

/// A regular expression that a whole text must match, with a limit on how long it may look.
///
/// The limit counts the engine's own steps, not seconds: the same text gets the same answer on every machine.
public struct TextPattern: Sendable {
    /// What looking showed.
    public enum Answer: Sendable, Hashable {
        case matches
        case differs
        /// The limit was reached first.
        case gaveUp
    }

    private let expression: NSRegularExpression
    /// Each stands for some ten thousand steps of the engine.
    private static let mostReports = 400

    /// Reads an expression; nil if it is none.
    public init?(_ pattern: String) {
        guard let found = try? NSRegularExpression(pattern: "\\A(?:\(pattern))\\z"),
            // A bracket that closes ours is no expression of its own.
            (try? NSRegularExpression(pattern: pattern)) != nil
        else { return nil }
        expression = found
    }

    /// Whether the whole text matches.
    public func answer(_ text: String) -> Answer {
        var reports = 0
        var answer = Answer.differs
        let range = NSRange(location: 0, length: text.utf16.count)
        expression.enumerateMatches(in: text, options: [.reportProgress], range: range) { found, _, stop in
            if found != nil {
                answer = .matches
                stop.pointee = true
                return
            }
            reports += 1
            if reports > TextPattern.mostReports {
                answer = .gaveUp
                stop.pointee = true
            }
        }
        return answer
    }
}

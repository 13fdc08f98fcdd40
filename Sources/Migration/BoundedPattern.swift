import Foundation

/// A regular expression (ICU's, as most languages write them) that is given up when it needs too many steps: expressions that backtrack can
/// take minutes for a text of thirty letters.
public struct BoundedPattern: Sendable {
    /// Why it is not known whether a text matches.
    public struct TooCostly: Error, Sendable, Hashable, CustomStringConvertible {
        /// The expression.
        public let pattern: String

        /// One sentence.
        public var description: String {
            "the pattern “\(pattern)” needs too many steps for this text; write one without nested repetition"
        }
    }

    private let pattern: String
    private let expression: NSRegularExpression
    /// ICU reports back about every ten thousand steps; so many reports are some tenths of a second.
    private static let mostReports = 2000

    /// Reads an expression; nil if it is none.
    public init?(_ pattern: String) {
        guard let expression = try? NSRegularExpression(pattern: "\\A(?:\(pattern))\\z"),
            // What only balances the group that is put around it is no expression of its own.
            pattern.isEmpty || (try? NSRegularExpression(pattern: pattern)) != nil
        else { return nil }
        self.pattern = pattern
        self.expression = expression
    }

    /// Whether the whole of a text matches.
    ///
    /// - Throws: `TooCostly`.
    public func matches(_ text: String) throws(TooCostly) -> Bool {
        var found = false
        var reports = 0
        var isGivenUp = false
        let all = NSRange(text.startIndex..., in: text)
        expression.enumerateMatches(in: text, options: [.reportProgress, .reportCompletion], range: all) {
            match,
            flags,
            stop in
            if match != nil {
                found = true
                stop.pointee = true
            } else if flags.contains(.internalError) {
                isGivenUp = true
            } else if flags.contains(.progress) {
                reports += 1
                if reports > BoundedPattern.mostReports {
                    isGivenUp = true
                    stop.pointee = true
                }
            }
        }
        if isGivenUp, !found { throw TooCostly(pattern: pattern) }
        return found
    }
}

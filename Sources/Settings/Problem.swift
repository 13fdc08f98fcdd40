/// Something wrong in a file that people write, with its place.
public struct Problem: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file as it was given.
    public let file: String
    /// The line, from 1; 0 where the file as a whole is meant.
    public let line: Int
    /// What was found and what to write instead.
    public let message: String

    /// Makes a problem.
    public init(file: String, line: Int, _ message: String) {
        self.file = file
        self.line = line
        self.message = message
    }

    /// `file:line: message`.
    public var description: String { line > 0 ? "\(file):\(line): \(message)" : "\(file): \(message)" }
}

/// Collects all problems of a file, so that a person mends them in one go.
public final class Problems {
    /// The problems, in the order they were found.
    public private(set) var all: [Problem] = []

    /// None yet.
    public init() {}

    /// Notes a problem at a node.
    public func note(_ node: YAMLNode, _ message: String) {
        note(Problem(file: node.file, line: node.line, message))
    }

    /// Notes a problem; what stands once in a file and is read for many is told once.
    public func note(_ problem: Problem) { if !all.contains(problem) { all.append(problem) } }
}

/// A file with problems.
public struct SettingsError: Error, Sendable, CustomStringConvertible {
    /// The problems; never empty.
    public let problems: [Problem]

    /// Makes an error.
    public init(_ problems: [Problem]) { self.problems = problems }

    /// One problem per line.
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}

/// The known word nearest to one that is not known; nil if none is near.
public func nearest(to word: String, of known: some Sequence<String>) -> String? {
    let word = word.lowercased()
    let ranked = known.map { candidate -> (word: String, distance: Int) in
        let other = candidate.lowercased()
        // A beginning in common brings words nearer: “retry” means “retries”, not “entry”.
        return (candidate, 2 * editDistance(word, other) - zip(word, other).prefix { $0 == $1 }.count)
    }
    guard let best = ranked.min(by: { ($0.distance, $0.word) < ($1.distance, $1.word) }) else { return nil }
    return best.distance <= 2 * max(2, word.count / 3) ? best.word : nil
}

/// Levenshtein's distance.
package func editDistance(_ left: String, _ right: String) -> Int {
    let (a, b) = (Array(left), Array(right))
    var row = Array(0...b.count)
    for i in a.indices {
        var diagonal = row[0]
        row[0] = i + 1
        for j in b.indices {
            let cost = min(row[j + 1] + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
            diagonal = row[j + 1]
            row[j + 1] = cost
        }
    }
    return row[b.count]
}

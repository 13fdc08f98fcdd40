/// The version of an Airflow, as it names itself: `3.3.2`, `2.11.2`, `3.4.0rc1`.
public struct AirflowVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The numbers: 3, 3, 2.
    public let numbers: [Int]
    /// The text it was read from.
    public let description: String

    /// Reads a version; nil if it does not begin with two numbers.
    public init?(_ text: String) {
        var numbers: [Int] = []
        for part in text.split(separator: ".", omittingEmptySubsequences: false) {
            let digits = part.prefix { $0.isASCII && $0.isNumber }
            guard let number = Int(digits) else { break }
            numbers.append(number)
            if digits.count < part.count { break }
        }
        guard numbers.count >= 2 else { return nil }
        self.numbers = numbers
        description = text
    }

    /// How far Bailey knows it.
    public enum Standing: Sendable, Hashable {
        /// Older than 2.11.
        case tooOld
        /// One of those that Bailey's tests run: 2.11 and 3.0 to 3.3.
        case tested
        /// Newer than those, or between them.
        case untested
    }

    /// How far Bailey knows it.
    public var standing: Standing {
        switch (numbers[0], numbers[1]) {
        case (2, 11): .tested
        case (3, 0...3): .tested
        case (2, 12...), (3..., _): .untested
        default: .tooOld
        }
    }

    /// Whether its API is version 2.
    public var isThree: Bool { numbers[0] >= 3 }

    /// By number; what follows the numbers does not count.
    public static func < (a: AirflowVersion, b: AirflowVersion) -> Bool {
        a.numbers.lexicographicallyPrecedes(b.numbers)
    }
}

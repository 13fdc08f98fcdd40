/// Why an operation cannot do what was asked, in one line for people.
package struct OperationFailure: Error, CustomStringConvertible {
    /// The sort of failure; the command line's exit status goes by it.
    package enum Kind: Sendable, Hashable {
        /// It was looked at, and it does not hold.
        case doesNotHold
        /// The settings, the mappings or what was asked for are wrong.
        case usage
        /// A system that is needed does not answer.
        case unreachable
        /// Bailey itself is wrong.
        case defect
    }

    package let kind: Kind
    package let message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    package var description: String { message }
}

public import LosslessJSON

/// What a person who starts a run may give it; other runs have its default.
public struct RunParameter: Sendable, Hashable {
    /// What values it takes, in JSON Schema's words.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case string, integer, number, boolean, array, object
    }

    /// Its name.
    public var name: String
    /// What values it takes.
    public var kind: Kind
    /// What it is where nobody gives it; nil if it must be given.
    public var standard: JSON?
    /// The only values that it takes; empty if all of its kind.
    public var choices: [JSON]
    /// What it is for.
    public var summary: String

    /// Makes a parameter.
    public init(name: String, kind: Kind, standard: JSON?, choices: [JSON] = [], summary: String = "") {
        (self.name, self.kind, self.standard) = (name, kind, standard)
        (self.choices, self.summary) = (choices, summary)
    }

    /// Why it cannot have a value; nil if it can.
    public func refusal(of value: JSON) -> String? {
        let fits: Bool =
            switch (kind, value) {
            case (.string, .string), (.boolean, .bool), (.array, .array), (.object, .object): true
            // Airflow's JSON has no number beyond those of 64 bits, and none that is infinite.
            case (.number, .number(let number)): number.double.isFinite
            case (.integer, .number(let number)):
                number.double.isFinite && number.double == number.double.rounded()
            default: false
            }
        guard fits else { return "is \(value.shape), and its type is \(kind.rawValue)" }
        let known = choices.map { $0.text(.canonical) }
        guard known.isEmpty || known.contains(value.text(.canonical)) else {
            return "is none of \(known.joined(separator: ", "))"
        }
        return nil
    }
}

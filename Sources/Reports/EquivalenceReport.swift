package import LosslessJSON
package import Schedules

/// What `bailey ticks --against` says.
package enum EquivalenceReport {
    package static func lines(_ equivalence: Equivalence) -> [String] {
        switch equivalence {
        case .equal(let proof): ["equal until 2101: " + words(proof)]
        case .different(let differences): differences.map(\.reason)
        case .undecided(let until): ["no difference until \(until.iso8601); what comes later was not compared"]
        }
    }

    package static func document(_ equivalence: Equivalence) -> JSON {
        var proof = JSON.null
        var compared = JSON.null
        var differences: [TickDifference] = []
        switch equivalence {
        case .equal(let found): proof = .string(found.rawValue)
        case .different(let found): differences = found
        case .undecided(let until): compared = .string(until.iso8601)
        }
        return [
            "bailey": "equivalence", "version": 1, "equal": proof.isNull ? (compared.isNull ? false : .null) : true,
            "proof": proof, "compared_until": compared,
            "differences": .array(differences.map(\.document)),
        ]
    }

    private static func words(_ proof: Equivalence.Proof) -> String {
        switch proof {
        case .calendar:
            "the same times on every day of the calendar, and the same ticks round every change of the clock"
        case .samePeriod: "both count the same distance from the same start"
        case .identity: "it is the same schedule"
        case .enumeration: "every tick was compared"
        }
    }
}

extension TickDifference {
    /// The shape of a difference in `ticks --against` and `backtest`.
    package var document: JSON {
        [
            "legacy": legacy.map { .string($0.iso8601) } ?? .null, "dag": airflow.map { .string($0.iso8601) } ?? .null,
            "reason": .string(reason),
        ]
    }
}

import LosslessJSON
public import Schedules

/// How far a pipeline's bridge has been taken away, by the journal.
public enum RetirementStage: Sendable, Hashable {
    /// Its DAG has no gate any more, or is about to have none.
    case begun
    /// Its switch is gone.
    case finished(Instant)
}

extension StateStore {
    /// How far a pipeline's bridge has been taken away; nil if it stands.
    ///
    /// - Throws: `StoreError`.
    public func retirement(pipeline: String) throws(StoreError) -> RetirementStage? {
        var stage: RetirementStage?
        for line in try journal(pipeline: pipeline, operation: "retire", limit: 1000) {
            switch (line.step, line.phase) {
            case ("mark", _): stage = .begun
            case ("unmark", .after): stage = nil
            case ("finish", .after) where line.detail["answer"]?.string == "done": stage = .finished(line.at)
            default: break
            }
        }
        return stage
    }
}

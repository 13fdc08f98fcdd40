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
    /// How far the bridges of pipelines have been taken away; those that stand have no stage.
    ///
    /// - Parameter pipeline: the only one to look at; all if nil.
    /// - Throws: `StoreError`.
    public func retirements(pipeline: String? = nil) throws(StoreError) -> [String: RetirementStage] {
        var stages: [String: RetirementStage] = [:]
        for line in try journal(pipeline: pipeline, operation: "retire", limit: 1_000_000) {
            switch (line.step, line.phase) {
            case ("mark", _): stages[line.pipeline] = .begun
            case ("unmark", .after): stages[line.pipeline] = nil
            case ("finish", .after) where line.detail["answer"]?.string == "done":
                stages[line.pipeline] = .finished(line.at)
            default: break
            }
        }
        return stages
    }

    /// How far a pipeline's bridge has been taken away; nil if it stands.
    ///
    /// - Throws: `StoreError`.
    public func retirement(pipeline: String) throws(StoreError) -> RetirementStage? {
        try retirements(pipeline: pipeline)[pipeline]
    }
}

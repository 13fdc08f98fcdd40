/// The workflow of legacy's whose runs are compared with a pipeline's. It is no entry that the pipeline takes over: requests go on coming to the
/// application, and the pipeline is one that people start.
public struct WorkflowStand: Sendable, Hashable {
    /// The workflow.
    public var entry: EntryID
    /// The tasks that stand for its stages, in their order.
    public var stages: [String]

    /// Makes one.
    public init(entry: EntryID, stages: [String]) { (self.entry, self.stages) = (entry, stages) }
}

/// The SQL by which a DAG takes the jobs of a queue that belong to it alone, with parameters as Python's clients write them (`%(job)s`).
///
/// A row is claimed by its id and by its attempts as they were when it was listed: whoever has run it meanwhile has changed them.
public struct QueueStatements: Sendable, Hashable {
    /// Lists the due jobs of `type`, at most `limit`: id, attempts, the application's key.
    public var due: String
    /// Begins the job with the id `job` and as many `attempts`, if it waits still: its payload.
    public var claim: String
    /// The payload of such a job that was begun already and has not ended.
    public var own: String
    /// Ends it well.
    public var success: String
    /// Puts it back for another attempt, because of `error`; nothing happens if it has had all of them. Nil if none is repeated.
    public var retry: String?
    /// Ends it badly, because of `error`.
    public var failure: String

    /// Makes them.
    public init(due: String, claim: String, own: String, success: String, retry: String?, failure: String) {
        self.due = due
        self.claim = claim
        self.own = own
        self.success = success
        self.retry = retry
        self.failure = failure
    }
}

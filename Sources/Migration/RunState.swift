/// Where a run, or one task of it, stands: the same words for legacy, for Airflow and for the embedded engine.
public enum RunState: String, Sendable, Hashable, CaseIterable {
    /// It waits for its turn.
    case queued
    case running
    case success
    case failed
    /// It failed, and is to be tried again.
    case retrying
    case skipped
    case cancelled
    /// A task before it failed, so that it cannot be run any more.
    case upstreamFailed = "upstream_failed"
    /// Shadow in `observe`: the run was planned and no body ran, so there is no result to compare.
    case observed
    /// A word that Bailey does not know.
    case unknown
}

public import Migration
public import Schedules
public import Store

/// What bridges need from around them: Bailey's own state, time, and somebody to tell.
public struct BridgeSurroundings: Sendable {
    /// The zone files.
    public var zones: ZoneDatabase
    /// The clock, waits, and whom to tell how it goes.
    public var around: Surroundings
    /// Bailey's own state, for what it helps to know; or why it cannot be opened.
    public var known: Known<StateStore>
    /// Where the journal goes.
    public var journal: @Sendable () throws -> StateStore

    /// Makes surroundings.
    public init(
        zones: ZoneDatabase,
        around: Surroundings,
        known: Known<StateStore>,
        journal: @escaping @Sendable () throws -> StateStore
    ) {
        self.zones = zones
        self.around = around
        self.known = known
        self.journal = journal
    }

    /// Lets an operator work on a pipeline alone.
    ///
    /// - Throws: whatever keeps Bailey's own state from being opened.
    public func session(_ pipeline: String, _ operation: String) throws -> OperatorSession {
        OperatorSession(
            store: try journal(),
            pipeline: pipeline,
            operation: operation,
            now: around.now,
            sleep: around.sleep,
            note: { around.tell("\(pipeline): \($0)") }
        )
    }

    /// A journal for looking only: nothing is written to it.
    ///
    /// - Throws: as `session`.
    public func previewJournal(_ pipeline: String) throws -> Journal {
        Journal(
            store: try journal(),
            pipeline: pipeline,
            operation: "preview",
            token: "",
            by: "",
            now: around.now
        )
    }

    /// Who owned a pipeline by the journal's last word; nobody knows where Bailey's own state cannot be read.
    func journaled(_ pipeline: String) -> JournaledOwnership? {
        (try? known.value?.journaledOwnership(pipeline)) ?? nil
    }
}

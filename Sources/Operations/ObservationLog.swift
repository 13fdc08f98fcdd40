import Migration
import Schedules
import Store

/// Keeps what is seen and compared, many at a time: each commit waits for the disk.
actor ObservationLog {
    private let store: StateStore
    private let forms: [String: String]
    private let now: @Sendable () -> Instant
    private let kept: @Sendable ([Comparison]) -> Void
    private var comparisons: [Comparison] = []
    private var runs: [ObservedRun] = []
    private var clock: [EntryID: ClockSighting] = [:]
    private var unwritten: [ClockSighting] = []
    private var current: [String: Instant] = [:]

    /// A log in front of Bailey's own state.
    ///
    /// - Parameters:
    ///   - forms: the form of each pipeline's mapping.
    ///   - kept: takes the comparisons that stand in the state from now on.
    init(
        store: StateStore,
        forms: [String: String],
        now: @escaping @Sendable () -> Instant,
        kept: @escaping @Sendable ([Comparison]) -> Void
    ) {
        self.store = store
        self.forms = forms
        self.now = now
        self.kept = kept
    }

    /// Writes a little later what was added.
    func writeUntilCancelled() async throws {
        while true {
            try await Task.sleep(for: .milliseconds(250))
            try flush()
        }
    }

    func add(_ comparison: Comparison) throws {
        comparisons.append(comparison)
        if comparisons.count >= 500 { try flush() }
    }

    func add(_ run: ObservedRun) throws {
        runs.append(run)
        if runs.count >= 2000 { try flush() }
    }

    /// Keeps what the scheduler's clock says where that is news.
    func add(_ sightings: [ClockSighting]) {
        for sighting in sightings {
            if let before = clock[sighting.entry], before.last == sighting.last, before.count == sighting.count {
                continue
            }
            clock[sighting.entry] = sighting
            unwritten.append(sighting)
        }
    }

    /// Notes that nothing of a source was missed until then; written after the runs that were seen before.
    func add(current instant: Instant, of source: String) { current[source] = instant }

    func add(_ gap: ObservationGap) throws {
        try flush()
        try store.note(gap)
    }

    func addUnread(_ source: String, _ record: String, _ reason: String) throws {
        try store.noteUnread(source: source, record: record, reason: reason, at: now())
    }

    /// Writes everything that was added.
    func flush() throws {
        if !runs.isEmpty {
            try store.note(runs)
            runs = []
        }
        if !unwritten.isEmpty {
            try store.note(unwritten)
            unwritten = []
        }
        if !comparisons.isEmpty {
            try store.save(comparisons, at: now(), forms: forms)
            kept(comparisons)
            comparisons = []
        }
        for (source, instant) in current { try store.noteWatched(source: source, until: instant) }
        current = [:]
    }
}

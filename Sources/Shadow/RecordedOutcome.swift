import Airflow
import LosslessJSON
import Migration
import Schedules

/// What a task in Airflow recorded of itself, as the XCom `bailey_outcome`.
struct RecordedOutcome: Sendable {
    static let key = "bailey_outcome"

    var task: String
    var mapIndex: Int
    var mode: String
    var job: String?
    var state: RunState
    var arguments: JSON
    var result: JSON?
    var error: RunError?
    var start: Instant?
    var end: Instant?
    var attempts: Int?
    /// In how many pieces the whole of it is kept, where it was too long for one value.
    var pieces: Int?
    /// Which part of it is a digest alone, and of how many bytes.
    var cut: (part: String, bytes: Int)?

    /// Reads a record; nil if it is none of version 1.
    ///
    /// - Parameter value: JSON text (so that numbers stay as they were), or the object itself.
    init?(_ entry: AirflowXCom, _ value: JSON) {
        guard let json = value.string.map(BodyReport.parsed) ?? value, json["v"]?.int == 1,
            let word = json["state"]?.string,
            let state = ["success": .success, "failed": .failed, "observed": .observed, "skipped": .skipped][word]
                as RunState?
        else { return nil }
        task = entry.task
        mapIndex = entry.mapIndex
        mode = json["mode"]?.string ?? ""
        job = json["job"]?.string
        self.state = state
        arguments = RecordedOutcome.whole(json["arguments"] ?? .null) ?? .null
        result = json["result"].map { RecordedOutcome.whole($0) ?? $0 }
        if let found = json["error"], !found.isNull {
            error = RunError(
                type: found["type"]?.string ?? "unknown",
                message: found["message"]?.string ?? "",
                detail: found["detail"]?.string.flatMap { $0.isEmpty ? nil : $0 },
                module: found["module"]?.string,
                arguments: found["arguments"].flatMap(RecordedOutcome.whole),
                kept: found["kept"].flatMap(RunError.Kept.init(json:))
            )
        }
        pieces = json["pieces"]?.int
        for part in ["arguments", "result"] {
            if let bytes = json[part].flatMap(RecordedOutcome.length) { cut = (part, bytes) }
        }
        if let result = json["result"], cut == nil, RecordedOutcome.whole(result) == nil {
            // As of a body on this machine whose report nobody can read.
            self.state = .failed
            self.result = nil
            error = RunError(type: "result", message: "what the function returned cannot be read: it nests too deep")
        }
        start = json["start"]?.string.flatMap { Instant(iso8601: $0) }
        end = json["end"]?.string.flatMap { Instant(iso8601: $0) }
        attempts = json["attempts"]?.int
    }

    /// A value that the runtime has put into a text because only Python calls it JSON, as what it is; nil for what nests too deep to be read, or
    /// of which a digest is all there is.
    private static func whole(_ value: JSON) -> JSON? {
        if length(value) != nil { return nil }
        guard let object = value.object, object.members.count == 1, let text = object["bailey_text"]?.string else {
            return value
        }
        do { return try JSON(parsing: HalfSurrogates.spelled(Array(text.utf8))) } catch {
            // Not a choice between both, which would take this nil for JSON's null.
            if error.kind == .tooDeep { return nil }
            return value
        }
    }

    /// How many bytes a value has that was too long to be kept; nil for any other.
    private static func length(_ value: JSON) -> Int? {
        guard let object = value.object, object["bailey_truncated"]?.string != nil else { return nil }
        return object["bytes"]?.int
    }
}

/// A run in Airflow that is over, with what its tasks recorded.
struct RecordedRun: Sendable {
    var run: AirflowRun
    var instances: [AirflowTaskInstance]
    var outcomes: [RecordedOutcome]
    /// What the gate answered; nil if it left no answer.
    var gate: String?

    /// What it says of a legacy run.
    func answer(_ legacy: Outcome, as part: ShadowPart) -> ShadowAnswer {
        let place = "the run “\(run.id)” in Airflow"
        guard !instances.isEmpty else {
            return .nothing(
                .broken,
                reason: "\(place) ended without a single task: its tick lies before the DAG's start_date"
            )
        }
        let door = instances.first { $0.task == "gate" }
        switch (door?.state, gate) {
        case ("success"?, "shadow"?): break
        case ("skipped"?, _): return .nothing(.insufficient, reason: "the gate skipped \(place)")
        case (_, "live"?):
            return .nothing(
                .broken,
                reason: "\(place) was live, not shadow: Airflow owns that tick, or a person started it so"
            )
        case (nil, _): return .nothing(.broken, reason: "\(place) has no gate")
        default:
            return .nothing(.broken, reason: "the gate of \(place) gave no answer (\(door?.state ?? "not run"))")
        }
        let ids = Set(part.tasks.map(\.id))
        let counted = outcomes.filter { ids.contains($0.task) }
        if part.isWhole { return whole(legacy, part, counted) }
        let own = counted.filter { $0.task == part.standing.id }
        let record = own.first { part.isJob && $0.job == legacy.key.job } ?? own.first
        let instance = instances.first {
            $0.task == part.standing.id && (record == nil || $0.mapIndex == record?.mapIndex)
        }
        guard let instance else {
            return .nothing(.broken, reason: "\(place) has no task “\(part.standing.id)”")
        }
        if let cut = record?.cut {
            return .nothing(
                .insufficient,
                reason:
                    "\(place) kept of its \(cut.part) (\(cut.bytes) bytes) a digest alone, so that nothing can be compared: install the bailey_runtime of this version in Airflow, or have the body return less than 64 MB"
            )
        }
        var outcome = made(legacy, part, counted)
        switch (instance.state, record?.state) {
        case ("success"?, let state?):
            outcome.state = state
        case ("skipped"?, .observed?):
            // A body that moves data is shown as skipped where it was only observed.
            outcome.state = .observed
        case ("skipped"?, _):
            outcome.state = .skipped
        case ("failed"?, _), ("upstream_failed"?, _):
            // Airflow's word counts: a worker may have died after its record.
            outcome.state = .failed
        default:
            return .nothing(
                .broken,
                reason:
                    "the task “\(part.standing.id)” of \(place) is \(instance.state ?? "not run") and recorded no outcome"
            )
        }
        outcome.arguments = arguments(part.standing, record, legacy)
        outcome.take(kindOf: legacy, isGiven: outcome.arguments.isSame(as: legacy.arguments))
        outcome.result = outcome.state == .success ? record?.result : nil
        if outcome.state == .failed {
            outcome.error =
                record?.error ?? counted.first { $0.error != nil }?.error
                ?? RunError(
                    type: "unknown",
                    message: "Airflow says \(instance.state ?? ""), and no outcome was recorded"
                )
        }
        outcome.attempts = record?.attempts ?? (instance.attempt == 0 ? nil : instance.attempt)
        return .outcome(outcome)
    }

    /// The run as a whole, where no single task stands for the entry.
    private func whole(_ legacy: Outcome, _ part: ShadowPart, _ counted: [RecordedOutcome]) -> ShadowAnswer {
        var outcome = made(legacy, part, counted)
        let isObserved = !counted.isEmpty && counted.allSatisfy { $0.state == .observed }
        outcome.state = isObserved ? .observed : run.state == .success ? .success : .failed
        outcome.arguments = legacy.arguments
        outcome.take(kindOf: legacy, isGiven: true)
        outcome.error = outcome.state == .failed ? counted.first { $0.error != nil }?.error : nil
        return .outcome(outcome)
    }

    private func made(_ legacy: Outcome, _ part: ShadowPart, _ counted: [RecordedOutcome]) -> Outcome {
        var outcome = Outcome(
            key: legacy.key,
            side: .shadow,
            task: part.standing.id,
            run: "\(run.dag)/\(run.id)",
            state: .unknown
        )
        let ran = counted.filter { $0.state != .observed }
        outcome.start = ran.compactMap(\.start).min()
        outcome.end = ran.compactMap(\.end).max()
        return outcome
    }

    /// What the task was called with; where a body takes no arguments of the entry's there is nothing to compare.
    private func arguments(_ task: TaskDefinition, _ record: RecordedOutcome?, _ legacy: Outcome) -> JSON {
        guard let recorded = record?.arguments, !recorded.isNull else { return legacy.arguments }
        switch task.body {
        case .celery, .queue, .own: return recorded
        case .python: return task.entry == nil ? legacy.arguments : recorded
        case .command, .untranslatable, .sql, .copy, .http, .wait: return legacy.arguments
        }
    }
}

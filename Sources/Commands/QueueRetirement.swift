import Cutover
import LosslessJSON
import Migration
import Postgres
import Settings
import Store

/// What `retire` does of the job types of a pipeline: removes the switch of their queue, if nothing needs it.
struct QueueRetirement {
    var queue: String
    var table: String
    var types: [String]
    /// Job types that need the switch still, with the reason.
    var usedBy: [String] = []
    var refusal: QueueSwitchError?
    /// Whether the switch is installed.
    var isInstalled = false
    var isRemoved = false

    /// The document's part; see docs/json.md.
    var json: JSON {
        [
            "queue": .string(queue), "table": .string(table), "types": .array(types.map { .string($0) }),
            "installed": .bool(isInstalled), "removed": .bool(isRemoved),
            "used_by": .array(usedBy.map { .string($0) }),
            "refusal": refusal.map { error in
                [
                    "reason": .string(error.code.rawValue), "found": .string(error.found),
                    "advice": .string(error.advice),
                ]
            } ?? .null,
        ]
    }

    /// For a terminal.
    var lines: [String] {
        var lines = ["  \(types.joined(separator: ", ")) in queue \(queue)"]
        if let refusal { return lines + ["  NO   \(refusal.found)", "       \(refusal.advice)"] }
        if isRemoved {
            lines.append(
                "  removed: the triggers on \(table) and the functions in schema bailey; pause the DAG and delete its file"
            )
        } else if isInstalled {
            lines.append("  will remove the triggers on \(table) and the functions in schema bailey")
        } else {
            lines.append("  nothing is installed on \(table)")
        }
        return lines
    }
}

extension QueuePart {
    /// Looks whether the switch of the queue is needed by anything still, and removes it if asked to.
    ///
    /// - Throws: `PostgresError`, `StoreError`, or `CutoverRefusal` if somebody else is at work on the pipeline.
    func retire(_ desk: Desk, _ store: StateStore, execute: Bool) async throws -> QueueRetirement {
        let queue = try await QueueSwitch(desk.queue(source))
        var result = QueueRetirement(queue: source.name, table: queue.sql.table, types: types)
        do {
            result.isInstalled = try await queue.readiness().installation != .absent
            let all = result.isInstalled ? try await queue.uses() : []
            // What a transaction under way still holds is released before; uninstalling waits for it, and looks again.
            let unswept = all.filter { $0.state == .legacy && !$0.isSwept }.map(\.type)
            let uses = all.filter { $0.state != .legacy || $0.claimed > 0 }
            result.usedBy = uses.map(\.text)
            let own = uses.filter { types.contains($0.type) }
            if !own.isEmpty {
                throw QueueSwitchError(
                    .stillHeld,
                    queue: source.name,
                    operation: "retiring",
                    found:
                        "\(FindingCode.jobsNeedTheSwitch.id): \(own.map(\.text).joined(separator: "; ")). A DAG takes them by the functions of the switch, which keep a job from being run twice",
                    advice:
                        "Leave the switch where it is: it needs no Bailey that runs. Or let the application start the DAG itself; when it queues no more of these jobs, run bailey rollback \(pipeline), then this command"
                )
            }
            if let other = uses.first {
                throw QueueSwitchError(
                    .stillHeld,
                    queue: source.name,
                    operation: "retiring",
                    found: "the switch is needed by \(other.text)",
                    advice: "It goes with the last job type that needs it; nothing is left to do for \(pipeline)"
                )
            }
            guard execute, result.isInstalled else { return result }
            try await desk.session(pipeline, "retire", store: store).run { journal in
                for type in unswept { _ = try await queue.sweep(type) }
                try await journal.step("uninstall", ["queue": .string(source.name)], outcome: { (_: Void) in [:] }) {
                    do { try await queue.uninstall() } catch let error as PostgresError where error.code == .rights {
                        throw QueueSwitchError(
                            .noRights,
                            queue: source.name,
                            operation: "retiring",
                            found: error.found,
                            advice:
                                "Give the output of bailey retire \(pipeline) --sql to the database's administrator"
                        )
                    }
                }
            }
            (result.isRemoved, result.isInstalled) = (true, false)
        } catch let error as QueueSwitchError {
            result.refusal = error
        }
        return result
    }
}

package import Cutover
package import LosslessJSON
import Migration
import Postgres
import Settings
package import Store

/// What `retire` does of the switch of a queue: removes it, if nothing needs it.
package struct QueueRetirement {
    package var queue: String
    package var table: String
    package var types: [String]
    /// Job types that need the switch still, with the reason.
    var usedBy: [String] = []
    package var refusal: Refusal?
    /// Whether the switch is installed.
    var isInstalled = false
    package var isRemoved = false

    /// The document's part; see docs/json.md.
    package var json: JSON {
        [
            "queue": .string(queue), "table": .string(table), "types": .array(types.map { .string($0) }),
            "installed": .bool(isInstalled), "removed": .bool(isRemoved),
            "used_by": .array(usedBy.map { .string($0) }),
            "refusal": refusal.map { error in
                [
                    "reason": .string(error.reason.rawValue), "found": .string(error.found),
                    "advice": .string(error.advice),
                ]
            } ?? .null,
        ]
    }

    /// For a terminal.
    package var lines: [String] {
        var lines = ["  \(types.joined(separator: ", ")) in queue \(queue)"]
        if let refusal { return lines + ["  NO   \(refusal.found)", "       \(refusal.advice)"] }
        if isRemoved {
            lines.append("  removed: the triggers on \(table) and the functions in schema bailey")
        } else if isInstalled, !usedBy.isEmpty {
            lines.append("  the triggers on \(table) and schema bailey stay for \(usedBy.joined(separator: "; "))")
        } else if isInstalled {
            lines.append("  will remove the triggers on \(table) and the functions in schema bailey")
        } else {
            lines.append("  nothing is installed on \(table)")
        }
        return lines
    }
}

extension QueuePart {
    /// What would become of the switch of the queue once these types need it no more. Only looks.
    ///
    /// - Throws: `PostgresError`.
    func switchAfterwards(_ queue: QueueSwitch) async throws -> QueueRetirement {
        var result = QueueRetirement(queue: source, table: queue.sql.table, types: types)
        result.isInstalled = try await queue.readiness().installation != .absent
        let others = result.isInstalled ? try await queue.uses().filter { !types.contains($0.type) } : []
        result.usedBy = others.filter(\.needsSwitch).map(\.text)
        return result
    }

    /// Looks whether the switch of the queue is needed by anything still, and removes it if asked to.
    ///
    /// - Parameter isRetired: whether the types are Airflow's for good, so that it does not matter if others need the switch.
    /// - Throws: `PostgresError`, `StoreError`, or `Refusal` if somebody else is at work on the pipeline.
    package func removeSwitch(_ workspace: Workspace, _ store: StateStore, execute: Bool, isRetired: Bool = false)
        async throws
        -> QueueRetirement
    {
        let queue = try await QueueSwitch(workspace.queue(source))
        var result = QueueRetirement(queue: source, table: queue.sql.table, types: types)
        do {
            result.isInstalled = try await queue.readiness().installation != .absent
            let all = result.isInstalled ? try await queue.uses() : []
            let unswept = all.filter { $0.state == .legacy && !$0.isSwept }.map(\.type)
            let uses = all.filter(\.needsSwitch)
            result.usedBy = uses.map(\.text)
            if let first = uses.first, !isRetired || uses.contains(where: { types.contains($0.type) }) {
                throw Refusal(
                    .stillHeld,
                    queue: source,
                    operation: "retiring",
                    found: "the switch is needed by \(first.text)",
                    advice: "It goes with the last job type that needs it; nothing is left to do for \(pipeline)"
                )
            }
            guard execute, result.isInstalled else { return result }
            let isRemoved = try await workspace.session(pipeline, "retire", store: store).run { journal in
                try await sweep(unswept, queue, workspace.surroundings)
                guard uses.isEmpty else { return false }
                try await journal.step(.uninstall, ["queue": .string(source)], outcome: { (_: Void) in [:] }) {
                    try await uninstall(queue)
                }
                return true
            }
            if isRemoved { (result.isRemoved, result.isInstalled) = (true, false) }
        } catch let error as Refusal {
            result.refusal = error
        }
        return result
    }

    /// Releases what transactions under way still hold, for as long as the removal's own lock would wait for them.
    private func sweep(_ types: [String], _ queue: QueueSwitch, _ surroundings: Surroundings) async throws {
        for type in types {
            for _ in 0..<100 {
                if try await queue.sweep(type).isDone { break }
                try await surroundings.sleep(0.2)
            }
        }
    }

    private func uninstall(_ queue: QueueSwitch) async throws {
        do { try await queue.uninstall() } catch let error as PostgresError where error.code == .rights {
            throw Refusal(
                .noRights,
                queue: source,
                operation: "retiring",
                found: error.found,
                advice: "Give the output of bailey retire \(pipeline) --sql to the database's administrator"
            )
        }
    }
}

extension QueueUse {
    /// Whether Airflow has the type, or runs have jobs of it.
    var needsSwitch: Bool { state != .legacy || claimed > 0 }
}

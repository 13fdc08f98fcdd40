import LosslessJSON
import Migration
import Postgres
import Store

/// The end of a queue's switch: it goes with the last job type that needs it.
extension QueueCrossing {
    public func removeSwitch(_ request: SwitchRemovalRequest) async throws -> SwitchRemoval? {
        let queue = try await bridge.connected()
        var removal = SwitchRemoval(source: source, table: queue.sql.table, members: members)
        switch request {
        case .look:
            removal.isInstalled = try await queue.readiness().installation != .absent
            let others = removal.isInstalled ? try await queue.uses().filter { !members.contains($0.type) } : []
            removal.usedBy = others.filter(\.needsSwitch).map(\.text)
        case .remove(let executes, let isRetired):
            do { try await remove(queue, &removal, executes: executes, isRetired: isRetired) } catch let error
                as Refusal
            {
                removal.refusal = error
            }
        }
        return removal
    }

    private func remove(_ queue: QueueSwitch, _ removal: inout SwitchRemoval, executes: Bool, isRetired: Bool)
        async throws
    {
        if let refusal = try await queue.missingRights("retiring") { throw refusal }
        removal.isInstalled = try await queue.readiness().installation != .absent
        let all = removal.isInstalled ? try await queue.uses() : []
        let unswept = all.filter { $0.state == .legacy && !$0.isSwept }.map(\.type)
        let uses = all.filter(\.needsSwitch)
        removal.usedBy = uses.map(\.text)
        if let first = uses.first, !isRetired || uses.contains(where: { members.contains($0.type) }) {
            throw Refusal(
                .stillHeld,
                queue: source,
                operation: "retiring",
                found: "the switch is needed by \(first.text)",
                advice: "It goes with the last job type that needs it; nothing is left to do for \(pipeline)"
            )
        }
        guard executes, removal.isInstalled else { return }
        let isRemoved = try await surroundings.session(pipeline, "retire").run { [self] journal in
            try await sweep(unswept, queue)
            guard uses.isEmpty else { return false }
            try await journal.step(.uninstall, ["queue": .string(source)], outcome: { (_: Void) in [:] }) {
                try await uninstall(queue)
            }
            return true
        }
        if isRemoved { (removal.isRemoved, removal.isInstalled) = (true, false) }
    }

    /// Releases what transactions under way still hold, for as long as the removal's own lock would wait for them.
    private func sweep(_ types: [String], _ queue: QueueSwitch) async throws {
        for type in types {
            for _ in 0..<100 {
                if try await queue.sweep(type).isDone { break }
                try await surroundings.around.sleep(0.2)
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
    fileprivate var needsSwitch: Bool { state != .legacy || claimed > 0 }
}

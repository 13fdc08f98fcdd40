import LosslessJSON
import Migration
import Store

/// What somebody left half done, or something has started.
extension DjangoBeatEngine {
    /// What `heal` found and did.
    enum Healed: Sendable { case sound, settled, parked, undone, ended }

    /// Completes or undoes what was broken off, ends a bounded window, and closes again what something has enabled.
    func heal() async throws -> Healed {
        guard let found = try await found().found, let record = found.record else { return .sound }
        if try journal.store.journaledOwnership(pipeline).isRollbackForgotten(by: record) {
            tell(.recovering("the database had forgotten a rollback: giving it back again"))
            return try await giveBack() == nil ? .sound : .undone
        }
        if record.isOver || found.isOver {
            tell(.recovering("its bounded window has ended: giving it back"))
            return try await giveBack() == nil ? .sound : .ended
        }
        var isHealing = record.isHealing
        if record.state == .airflow {
            guard found.isStarted else { return .sound }
            let answer = try await journal.step(.repark, outcome: { (answer: JSON) in answer }) {
                try await connection.repark(pipeline)
            }
            guard answer["answer"]?.string == "closing" else { return .sound }
            isHealing = true
        } else if record.state == .legacy {
            return .sound
        } else {
            tell(.recovering("\(record.by ?? "an operation") had closed it and not settled it: completing that"))
        }
        switch try await settle() {
        case .airflow: return isHealing ? .parked : .settled
        case .legacy: return .undone
        case .refused(let refusal, _):
            try journal.write(
                .undo,
                .before,
                ["refused": .string(refusal.reason.rawValue), "found": .string(refusal.found)]
            )
            _ = try await giveBack(onlyClosing: true)
            return .undone
        }
    }
}

extension JournaledOwnership {
    /// Whether a switch says Airflow although it was given back later, by the journal: the database came back older.
    func isRollbackForgotten(by record: SwitchRecord) -> Bool {
        !isAirflows && fence > 0 && record.state != .legacy && record.fence < fence
    }

    /// Whether a switch says legacy although it was moved later, by the journal.
    func isCutoverForgotten(by record: SwitchRecord) -> Bool {
        isAirflows && record.state == .legacy && record.fence < fence
    }
}

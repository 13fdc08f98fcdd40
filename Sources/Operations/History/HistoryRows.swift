import LosslessJSON
import Migration
import Schedules
import Store
import Warehouse

/// What a record of history is in the warehouse's tables.
enum HistoryRows {
    /// The tables that a stream's rows lie in.
    static func tables(of stream: HistoryStream) -> [WarehouseTable] {
        switch stream {
        case .legacy: [.run]
        case .compared: [.comparison, .difference, .run]
        case .fired: [.tick]
        case .journal: [.journal]
        }
    }

    /// The day of an instant, in UTC.
    static func day(_ instant: Instant) -> String { String(instant.iso8601.prefix(10)) }

    /// The rows of a record.
    static func rows(_ record: HistoryRecord, part: WarehousePart) -> [WarehouseRow] {
        let place: [(String, JSON)] = [("day", .string(part.day)), ("part", .string(part.name))]
        func row(_ table: WarehouseTable, _ values: [(String, JSON)]) -> WarehouseRow {
            WarehouseRow(table, JSONObject(place + values))
        }
        switch record {
        case .unreadable: return []
        case .fired(let fire, let entry):
            return [
                row(
                    .tick,
                    [
                        ("entry", .string(entry)), ("tick", .string(fire.tick.iso8601)),
                        ("fired_at", .string(fire.at.iso8601)),
                        ("is_exact", .bool(fire.isExact)), ("run", JSON(fire.run)),
                    ]
                )
            ]
        case .journal(let line):
            return [
                row(
                    .journal,
                    [
                        ("number", .number(JSONNumber(Int(line.id)))), ("at", .string(line.at.iso8601)),
                        ("pipeline", .string(line.pipeline)), ("operation", .string(line.operation)),
                        ("token", .string(line.token)), ("step", .string(line.step.rawValue)),
                        ("phase", .string(line.phase.rawValue)), ("done_by", .string(line.by)),
                        ("owner", JSON(line.newOwner)),
                    ]
                )
            ]
        case .legacy(let run, let entry, let outcome):
            let started = run.started ?? outcome?.start
            return [
                row(
                    .run,
                    [
                        ("side", "legacy"), ("entry", .string(entry)), ("run", .string(run.run)),
                        ("tick", JSON(run.tick?.iso8601)), ("queued_at", JSON((run.sent ?? outcome?.queued)?.iso8601)),
                        ("started_at", JSON(started?.iso8601)), ("ended_at", .string(run.ended.iso8601)),
                        ("seconds", JSON(outcome?.duration ?? started.map { max(0, run.ended.seconds(since: $0)) })),
                        ("state", JSON(outcome?.state.rawValue)), ("standing", .string(run.standing.rawValue)),
                        ("attempts", JSON(outcome?.attempts)),
                    ]
                )
            ]
        case .compared(let compared): return rows(compared, row)
        }
    }

    private static func rows(
        _ compared: HistoryRecord.ComparedRun,
        _ row: (WarehouseTable, [(String, JSON)]) -> WarehouseRow
    ) -> [WarehouseRow] {
        let number = JSON.number(JSONNumber(Int(compared.number)))
        var rows = [
            row(
                .comparison,
                [
                    ("number", number), ("pipeline", .string(compared.pipeline)), ("entry", .string(compared.entry)),
                    ("run", .string(compared.run)), ("form", .string(compared.form)),
                    ("verdict", .string(compared.verdict)), ("reason", JSON(compared.comparison?.reason)),
                    ("compared_at", .string(compared.comparedAt.iso8601)), ("ran_at", JSON(compared.ran?.iso8601)),
                    ("legacy_seconds", JSON(compared.seconds.legacy)),
                    ("shadow_seconds", JSON(compared.seconds.shadow)), ("shadow_state", JSON(compared.state)),
                    ("is_replaced", .bool(compared.isReplaced)), ("isolation", JSON(compared.isolation)),
                    ("uncompared_calls", JSON(compared.uncomparedCalls)),
                ]
            )
        ]
        for cause in compared.causes {
            rows.append(
                row(
                    .difference,
                    [
                        ("comparison", number), ("pipeline", .string(compared.pipeline)),
                        ("kind", .string(cause.kind)), ("place", .string(cause.place)),
                        ("hidden_by", cause.hidden.isEmpty ? .null : .string(cause.hidden)),
                    ]
                )
            )
        }
        guard let shadow = compared.comparison?.shadow else { return rows }
        rows.append(
            row(
                .run,
                [
                    ("side", "shadow"), ("pipeline", .string(compared.pipeline)), ("entry", .string(compared.entry)),
                    ("task", JSON(shadow.task)), ("run", .string(shadow.run)), ("tick", JSON(shadow.key.tick?.iso8601)),
                    ("queued_at", JSON(shadow.queued?.iso8601)), ("started_at", JSON(shadow.start?.iso8601)),
                    ("ended_at", JSON(shadow.end?.iso8601)), ("seconds", JSON(shadow.duration)),
                    ("state", .string(shadow.state.rawValue)), ("mode", "shadow"), ("attempts", JSON(shadow.attempts)),
                ]
            )
        )
        return rows
    }
}

extension JournalLine {
    /// Whose the ticks or jobs are from this line on; nil of a line that changes nothing of that.
    fileprivate var newOwner: String? {
        guard phase == .after else { return nil }
        switch step {
        case .close where detail["closed_at"] != nil || detail["fence"] != nil: return "closing"
        case .settle where detail["state"] == nil || detail["state"]?.string == "airflow": return "airflow"
        case .giveBack where ["given_back_at", "nothing", "fences"].contains(where: { detail[$0] != nil }):
            return "legacy"
        case .restore where detail["restored_at"] != nil: return "legacy"
        case .forgotten: return "legacy"
        case .launch: return "airflow"
        case .stop: return "nobody"
        default: return nil
        }
    }
}

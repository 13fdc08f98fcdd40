import LosslessJSON
import Migration
import Schedules
import Store
import Warehouse

/// What is now, as rows: they are replaced as a whole.
struct HistoryDimensions {
    let inventory: Inventory
    let plan: Plan
    let gaps: [ObservationGap]

    /// Each with its rows.
    var all: [(table: WarehouseTable, rows: [WarehouseRow])] {
        [(.pipeline, pipelines), (.entry, entries), (.source, sources), (.gap, absences)]
    }

    private func row(_ table: WarehouseTable, _ values: [(String, JSON)]) -> WarehouseRow {
        WarehouseRow(table, JSONObject([("part", .string(table.rawValue))] + values))
    }

    private var pipelines: [WarehouseRow] {
        plan.pipelines.map(\.dag).enumerated().map { place, dag in
            row(
                .pipeline,
                [
                    ("pipeline", .string(dag.id)), ("name", .string(dag.name)), ("summary", .string(dag.summary)),
                    ("owner", .string(dag.owner)), ("driver", JSON(dag.clock.driver?.description)),
                    ("schedule", .string(plan.pipelines[place].scheduleWords)),
                    ("timezone", .string(dag.clock.timezone)), ("tasks", .number(JSONNumber(dag.tasks.count))),
                ]
            )
        }
    }

    private var entries: [WarehouseRow] {
        var owners: [EntryID: String] = [:]
        for pipeline in plan.pipelines {
            for entry in pipeline.dag.entries + pipeline.dag.tasks.compactMap(\.entry) where owners[entry] == nil {
                owners[entry] = pipeline.dag.id
            }
        }
        return inventory.entries.map { entry in
            row(
                .entry,
                [
                    ("entry", .string(entry.id.description)), ("source", .string(entry.id.source)),
                    ("name", .string(entry.id.name)), ("kind", .string(entry.kind.rawValue)),
                    ("task", .string(entry.task)), ("pipeline", JSON(owners[entry.id])),
                    ("schedule", entry.scheduleSource.isNull ? .null : .string(entry.scheduleSource.text())),
                    ("timezone", JSON(entry.timezone)), ("is_enabled", .bool(entry.enabled)),
                ]
            )
        }
    }

    private var sources: [WarehouseRow] {
        inventory.sources.map { source in
            row(
                .source,
                [
                    ("source", .string(source.name)), ("kind", .string(source.kind)),
                    ("system", .string(source.system)), ("address", .string(source.address)),
                ]
            )
        }
    }

    private var absences: [WarehouseRow] {
        gaps.map { gap in
            row(
                .gap,
                [
                    ("source", .string(gap.source)), ("from_at", .string(gap.from.iso8601)),
                    ("until_at", .string(gap.until.iso8601)),
                    ("reason", .string(gap.reason)),
                ]
            )
        }
    }
}

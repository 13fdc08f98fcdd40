import CTexts
import Foundation

/// A table of the warehouse.
public enum WarehouseTable: String, Sendable, Hashable, CaseIterable {
    // Facts: they grow, and are partitioned by month where the layout says so.
    case run, comparison, difference, tick, journal
    case taskRun = "task_run"
    // Dimensions: they say what is now.
    case pipeline, entry, source, gap
    // What the export knows of itself.
    case state = "export_state"
    case part = "export_part"
    case month = "export_month"

    /// What sort of table it is.
    enum Kind { case fact, dimension, own }

    var kind: Kind {
        switch self {
        case .run, .comparison, .difference, .tick, .journal, .taskRun: .fact
        case .pipeline, .entry, .source, .gap: .dimension
        case .state, .part, .month: .own
        }
    }

    /// The tables that rows of history stand in.
    public static var ofHistory: [WarehouseTable] { allCases.filter { $0.kind != .own } }

    /// The columns by whose hash rows are spread over segments: what never changes and has many values; no dates, for a day would lie on one
    /// segment.
    var distribution: [String] {
        switch self {
        case .run, .taskRun, .comparison: ["run"]
        case .difference: ["comparison"]
        case .tick: ["entry", "fired_at"]
        case .journal: ["number"]
        case .state: ["name"]
        case .part: ["part"]
        case .month: ["month"]
        case .pipeline, .entry, .source, .gap: []
        }
    }

    /// The statement that makes it, without the clauses of a layout.
    var definition: String {
        let carried =
            switch self {
            case .run: carried_warehouse_run_sql()
            case .taskRun: carried_warehouse_task_run_sql()
            case .comparison: carried_warehouse_comparison_sql()
            case .difference: carried_warehouse_difference_sql()
            case .tick: carried_warehouse_tick_sql()
            case .journal: carried_warehouse_journal_sql()
            case .pipeline: carried_warehouse_pipeline_sql()
            case .entry: carried_warehouse_entry_sql()
            case .source: carried_warehouse_source_sql()
            case .gap: carried_warehouse_gap_sql()
            case .state: carried_warehouse_export_state_sql()
            case .part: carried_warehouse_export_part_sql()
            case .month: carried_warehouse_export_month_sql()
            }
        return WarehouseTable.text(carried)
    }

    /// The columns that are written, as the statement names them, one a line.
    var columns: [String] {
        definition.split(separator: "\n").filter { $0.hasPrefix("    ") }.compactMap {
            $0.split(separator: " ").first.map(String.init)
        }.filter { $0 == $0.lowercased() }
    }

    /// The text of a file of SQL, without the line's end.
    static func text(_ carried: UnsafePointer<CChar>) -> String {
        String(cString: carried).trimmingCharacters(in: .newlines)
    }
}

/// The view that says who ran which tick.
enum WarehouseView {
    static let name = "tick_runner"
    static var definition: String { WarehouseTable.text(carried_warehouse_tick_runner_sql()) }
}

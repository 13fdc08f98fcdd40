import ArgumentParser
import Foundation
import Operations
import Settings

struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "What was seen: runs, ticks and comparisons for analyses elsewhere, and what entries were.",
        subcommands: [HistoryExportCommand.self, HistoryEntryCommand.self]
    )
}

struct HistoryExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write history into a database's tables; without --execute, say what would be made and written.",
        discussion: """
            PostgreSQL 10 or later, Greenplum 6 and 7, Greengage, Cloudberry; which one it is, is found out. Only what is not there yet, or was
            written differently, is written: a repeated export changes nothing. What jobs were called with and what they returned is not written.
            Ends with status 3 where a configured Airflow could not be asked.
            """
    )

    @OptionGroup var common: CommonOptions

    @Flag(help: "Do it.")
    var execute = false

    @Option(
        help: ArgumentHelp(
            "The database's URL, or the name of an environment variable that holds it.",
            valueName: "url"
        )
    )
    var to: String

    @Option(help: ArgumentHelp("The schema, which is Bailey's alone.", valueName: "name"))
    var schema = "bailey_history"

    @Flag(
        help:
            "Give tables that are made in a PostgreSQL a partition a month; Greenplum and its relatives always have them."
    )
    var monthly = false

    @Flag(inversion: .prefixedNo, help: "Ask Airflow for what ran there.")
    var airflow = true

    @Flag(help: "Print the SQL that makes schema and tables in that server, for its administrator.")
    var sql = false

    @Option(help: ArgumentHelp("How long all of it may take: 10m, 2h.", valueName: "time"))
    var wait = "1h"

    func validate() throws {
        guard YAMLFields.seconds(wait) != nil else { throw ValidationError("--wait is “\(wait)”; write 10m or 2h") }
        guard (1...63).contains(schema.utf8.count), !schema.utf8.contains(0), !schema.hasPrefix("pg_") else {
            throw ValidationError("--schema is “\(schema)”; write a name of 1 to 63 bytes that does not begin with pg_")
        }
        if sql, execute || common.json {
            throw ValidationError("--sql only prints: it goes with neither --execute nor --json")
        }
    }

    func run() async throws {
        let request = HistoryExporting.Request(
            target: to,
            schema: schema,
            isMonthly: monthly,
            asksAirflow: airflow,
            seconds: YAMLFields.seconds(wait) ?? 3600
        )
        let workspace = try Workspace(common)
        let exporting = try HistoryExporting(workspace, request, environment: ProcessInfo.processInfo.environment)
        if sql {
            Console.print(text: try await exporting.script())
            return
        }
        let report = try await exporting.run(executes: execute)
        if common.json { Console.print(report.json) } else { Console.print(report.textLines) }
        if !report.unknowns.isEmpty { throw ExitCode(ExitStatus.unreachable.rawValue) }
        if !report.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}

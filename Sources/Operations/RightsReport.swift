import Cutover
import Legacy
package import LosslessJSON
import Postgres
import Redis
import Settings

/// The least rights that each command needs on each source, as lines for an administrator.
package struct RightsReport: Sendable {
    /// What some commands need on one source.
    package struct Need: Sendable {
        package var source: String
        package var commands: String
        package var lines: [String]
    }

    package private(set) var needs: [Need] = []

    /// Writes the lines; asks nobody.
    ///
    /// - Throws: what is wrong with a URL or a profile.
    package init(_ workspace: Workspace) throws {
        for source in workspace.settings.sources {
            if workspace.system(source.name) is QueueSystem {
                needs += try RightsReport.postgres(workspace.queue(source.name), source.name)
            } else if workspace.system(source.name) is DjangoBeatSystem {
                let lines = DjangoBeatSystem.readingRights(schema: "public")
                needs.append(Need(source: source.name, commands: "import, doctor, shadow", lines: lines))
            } else {
                let url = try RedisURL(source.url)
                let steps = RedisRights.allCases.filter {
                    source.kind == "redbeat" || $0 == .read || $0 == .watchRuns
                }
                for step in steps {
                    let results = CeleryResultKeys(settings: source.celery?.settings)
                    let line = step.line(prefix: source.prefix, results: results, database: url.database)
                    needs.append(Need(source: source.name, commands: step.commands, lines: [line]))
                }
            }
        }
    }

    private static func postgres(_ queue: QueueSource, _ name: String) -> [Need] {
        let table = queue.quotedTable
        let schema = queue.quotedSchema.map { "GRANT USAGE ON SCHEMA \($0) TO bailey;" }
        let connect = "GRANT CONNECT ON DATABASE \(PostgresConnection.identifier(queue.database)) TO bailey;"
        let reading = [connect] + [schema].compactMap { $0 }
        // A profile's query may read more tables of the schema.
        let tables =
            queue.layout.view == nil ? table : "ALL TABLES IN SCHEMA \(queue.quotedSchema ?? "public")"
        let reader = Need(
            source: name,
            commands: "import, doctor, shadow, status before a cutover",
            lines: reading + ["GRANT SELECT ON \(tables) TO bailey;"]
        )
        if queue.layout.hold == nil { return [reader] }
        return [
            reader,
            Need(
                source: name,
                commands: "cutover, rollback, retire, watch (or give the output of cutover --sql to the administrator)",
                lines: reading + [
                    "GRANT CREATE ON DATABASE \(PostgresConnection.identifier(queue.database)) TO bailey;",
                    "GRANT SELECT, UPDATE, TRIGGER ON \(table) TO bailey;",
                ]
            ),
        ]
    }

    /// For a terminal.
    package var textLines: [String] {
        needs.flatMap { ["# \($0.source): \($0.commands)"] + $0.lines + [""] }
    }

    /// The document; see docs/json.md.
    package var json: JSON {
        [
            "bailey": "rights", "version": 1,
            "needs": .array(
                needs.map { need in
                    [
                        "source": .string(need.source), "commands": .string(need.commands),
                        "lines": .array(need.lines.map { .string($0) }),
                    ]
                }
            ),
        ]
    }
}

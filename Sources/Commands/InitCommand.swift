import ArgumentParser
import Foundation
import Operations
import Postgres
import Redis

struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Write bailey.yaml and an empty mappings folder.",
        discussion: "URLs are taken by the name of an environment variable, so that secrets stay out of files."
    )

    @Option(help: ArgumentHelp("The variable that holds the URL of RedBeat's Redis.", valueName: "NAME"))
    var redbeat: String?

    @Option(help: ArgumentHelp("The variable that holds the URL of the queue's PostgreSQL.", valueName: "NAME"))
    var queue: String?

    @Option(help: "The queue's profile.")
    var profile = "background_jobs"

    @Option(help: ArgumentHelp("RedBeat's key prefix.", valueName: "text"))
    var prefix = "redbeat:"

    func run() async throws {
        let here = FileManager.default.currentDirectoryPath
        let path = here + "/bailey.yaml"
        guard !FileManager.default.fileExists(atPath: path) else {
            throw OperationFailure(.usage, "bailey.yaml exists already; it was left as it is")
        }
        let environment = ProcessInfo.processInfo.environment
        let redis =
            redbeat
            ?? ["REDBEAT_REDIS_URL", "CELERY_BROKER_URL", "BROKER_URL", "REDIS_URL"].first {
                environment[$0]?.isEmpty == false
            }
        let database = queue ?? ["DATABASE_URL", "POSTGRES_URL", "PG_URL"].first { environment[$0]?.isEmpty == false }
        for (name, kind) in [(redis, "redbeat"), (database, "queue")] {
            guard let name else { continue }
            guard !name.contains("://") else {
                throw OperationFailure(.usage, "--\(kind) takes the name of an environment variable, not a URL")
            }
            guard let value = environment[name], !value.isEmpty else {
                throw OperationFailure(.usage, "the environment variable \(name) is not set")
            }
            if kind == "redbeat" { _ = try RedisURL(value) } else { _ = try PostgresURL(value) }
        }
        guard redis != nil || database != nil else {
            throw OperationFailure(
                .usage,
                "no URL was found in the environment; name its variable with --redbeat NAME or --queue NAME"
            )
        }
        var lines = [
            "# What Bailey reads, and for which Airflow it writes. Editors complete this file with mappings/schema/bailey.schema.json.",
            "version: 1", "sources:",
        ]
        if let redis {
            lines += ["  scheduler:", "    kind: redbeat", "    url: ${\(redis)}"]
            if prefix != "redbeat:" { lines.append("    prefix: \"\(prefix)\"") }
        }
        if let database {
            lines += ["  jobs:", "    kind: queue", "    profile: \(profile)", "    url: ${\(database)}"]
        }
        lines += [
            "target:", "  airflow:", "    version: \"3\"", "    dags_folder: dags", "state:",
            "  path: .bailey/state.sqlite", "mappings: mappings",
        ]
        try FileManager.default.createDirectory(atPath: here + "/mappings", withIntermediateDirectories: true)
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(
            to: URL(fileURLWithPath: path),
            options: .withoutOverwriting
        )
        let ignore = here + "/.gitignore"
        if !FileManager.default.fileExists(atPath: ignore) {
            try Data(".bailey/\n".utf8).write(to: URL(fileURLWithPath: ignore))
        }
        Console.note("Wrote bailey.yaml and mappings/. Next: bailey import")
    }
}

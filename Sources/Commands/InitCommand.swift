import ArgumentParser
import Foundation
import Migration
import Operations
import Postgres
import Redis
import Reports

struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Write bailey.yaml and an empty mappings folder.",
        discussion: "URLs are taken by the name of an environment variable, so that secrets stay out of files."
    )

    @Option(help: ArgumentHelp("The variable that holds the URL of RedBeat's Redis.", valueName: "NAME"))
    var redbeat: String?

    @Option(
        help: ArgumentHelp("The variable that holds the URL of Celery's broker, if it is another.", valueName: "NAME")
    )
    var broker: String?

    @Option(
        help: ArgumentHelp(
            "The variable that holds the URL of Celery's results, if they are elsewhere.",
            valueName: "NAME"
        )
    )
    var results: String?

    @Option(help: ArgumentHelp("The variable that holds the URL of the queue's PostgreSQL.", valueName: "NAME"))
    var queue: String?

    @Option(help: "The queue's profile.")
    var profile = "background_jobs"

    @Option(help: ArgumentHelp("RedBeat's key prefix.", valueName: "text"))
    var prefix = "redbeat:"

    @Flag(help: "Look at the servers, and write what is found there instead of what their variables' names say.")
    var discover = false

    func run() async throws {
        let here = FileManager.default.currentDirectoryPath
        let path = here + "/bailey.yaml"
        guard !FileManager.default.fileExists(atPath: path) else {
            throw OperationFailure(.usage, "bailey.yaml exists already; it was left as it is")
        }
        let environment = ProcessInfo.processInfo.environment
        func found(_ names: [String]) -> String? { names.first { environment[$0]?.isEmpty == false } }
        func isRedis(_ name: String) -> Bool { environment[name]?.hasPrefix("redis") == true }
        let messages = broker ?? found(["CELERY_BROKER_URL", "CELERY_BROKER", "BROKER_URL"])
        let backend =
            results
            ?? found(["CELERY_RESULT_BACKEND", "CELERY_RESULT_BACKEND_URL", "CELERY_BACKEND_URL", "RESULT_BACKEND"])
            .flatMap { isRedis($0) ? $0 : nil }
        let redis =
            redbeat ?? found(["REDBEAT_REDIS_URL"]) ?? messages.flatMap { isRedis($0) ? $0 : nil }
            ?? found(["REDIS_URL"])
        let database = queue ?? ["DATABASE_URL", "POSTGRES_URL", "PG_URL"].first { environment[$0]?.isEmpty == false }
        for (name, kind) in [
            (redis, "redbeat"), (database, "queue"), (messages, "broker"), (backend, "results"),
        ] {
            guard let name else { continue }
            guard !name.contains("://") else {
                throw OperationFailure(.usage, "--\(kind) takes the name of an environment variable, not a URL")
            }
            guard let value = environment[name], !value.isEmpty else {
                throw OperationFailure(.usage, "the environment variable \(name) is not set")
            }
            switch kind {
            case "redbeat", "results": _ = try RedisURL(value)
            case "queue": _ = try PostgresURL(value)
            // Brokers of other kinds are kombu's to know.
            default: if isRedis(name) { _ = try RedisURL(value) }
            }
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
            // Two names for one place are one.
            if let messages, environment[messages] != environment[redis] {
                lines.append("    broker_url: ${\(messages)}")
            }
            if let backend, environment[backend] != environment[messages ?? redis] {
                lines.append("    results_url: ${\(backend)}")
            }
            if prefix != "redbeat:" { lines.append("    prefix: \"\(prefix)\"") }
        }
        if let database {
            lines += ["  jobs:", "    kind: queue", "    profile: \(profile)", "    url: ${\(database)}"]
        }
        lines += [
            "target:", "  airflow:", "    version: \"3\"", "    dags_folder: dags", "state:",
            "  path: .bailey/state.sqlite", "mappings: mappings",
        ]
        if discover {
            lines = try await discovered(
                ([redis, database, backend] + [messages.flatMap { isRedis($0) ? $0 : nil }]).compactMap { $0 }
            )
        }
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

    /// The lines of the settings that read what is found on the servers that some variables name.
    private func discovered(_ names: [String]) async throws -> [String] {
        var once: [String] = []
        for name in names where !once.contains(name) { once.append(name) }
        let found = try await Discovering(
            servers: DiscoverCommand.servers(once),
            surroundings: .machine(tell: Console.note)
        ).run { ExitStatus.of($0).lines.joined(separator: "; ") }
        Console.print(found.textLines())
        guard found.isWhole else {
            throw OperationFailure(.unreachable, "a server did not answer, so bailey.yaml was not written; see above")
        }
        guard found.hasSources else {
            throw OperationFailure(
                .doesNotHold,
                "nothing was found that a source reads, so bailey.yaml was not written"
            )
        }
        return found.settings.split(separator: "\n").map(String.init)
    }
}

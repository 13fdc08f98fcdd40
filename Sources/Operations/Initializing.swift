import Foundation
import LosslessJSON
package import Migration
import Postgres
import Redis
import Reports

/// Makes a workspace: `bailey.yaml`, which names the environment variables that hold URLs, and a folder for mappings.
package struct Initializing: Sendable {
    /// The environment variables that hold URLs, as a person named them; nil for those whose usual names are looked for.
    package struct Variables: Sendable {
        package var redbeat: String?
        package var broker: String?
        package var results: String?
        package var queue: String?

        package init(redbeat: String?, broker: String?, results: String?, queue: String?) {
            (self.redbeat, self.broker, self.results, self.queue) = (redbeat, broker, results, queue)
        }
    }

    private let folder: String
    private let environment: [String: String]
    private let surroundings: Surroundings

    package init(folder: String, environment: [String: String], surroundings: Surroundings) {
        (self.folder, self.environment, self.surroundings) = (folder, environment, surroundings)
    }

    private var path: String { folder + "/bailey.yaml" }

    /// Settings of the systems that the variables name.
    ///
    /// - Throws: `OperationFailure` if there are settings already, or a variable is not set or holds no URL that is understood.
    package func settings(_ names: Variables, profile: String, prefix: String) throws -> [String] {
        guard !FileManager.default.fileExists(atPath: path) else {
            throw OperationFailure(.usage, "bailey.yaml exists already; it was left as it is")
        }
        let names = try found(names)
        var lines = [
            "# What Bailey reads, and for which Airflow it writes. Editors complete this file with mappings/schema/bailey.schema.json.",
            "version: 1", "sources:",
        ]
        if let redis = names.redbeat {
            lines += ["  scheduler:", "    kind: redbeat", "    url: \(variable(redis))"]
            // Two names for one place are one.
            if let messages = names.broker, environment[messages] != environment[redis] {
                lines.append("    broker_url: \(variable(messages))")
            }
            if let backend = names.results, environment[backend] != environment[names.broker ?? redis] {
                lines.append("    results_url: \(variable(backend))")
            }
            if prefix != "redbeat:" { lines.append("    prefix: \(quoted(prefix))") }
        }
        if let database = names.queue {
            lines += [
                "  jobs:", "    kind: queue", "    profile: \(quoted(profile))", "    url: \(variable(database))",
            ]
        }
        return lines + [
            "target:", "  airflow:", "    version: \"3\"", "    dags_folder: dags", "state:",
            "  path: .bailey/state.sqlite", "mappings: mappings",
        ]
    }

    /// What one look at the servers that the variables name finds.
    ///
    /// - Parameter words: how an error of a server is told.
    /// - Throws: `OperationFailure` as `settings`, or `CancellationError`.
    package func discover(_ names: Variables, words: @escaping @Sendable (any Error) -> String) async throws
        -> Discovery
    {
        let names = try found(names)
        var once: [String] = []
        let broker = names.broker.flatMap { isRedis($0) ? $0 : nil }
        for name in [names.redbeat, names.queue, names.results, broker] {
            if let name, !once.contains(name) { once.append(name) }
        }
        let servers = try once.enumerated().map {
            try Discovering.Server($0.element, number: $0.offset + 1, environment: environment)
        }
        let results = try names.results.map { try Discovering.Server($0, number: 0, environment: environment) }
        return try await Discovering(servers: servers, results: results, surroundings: surroundings).run(
            describe: words
        )
    }

    /// Settings that read what was found.
    ///
    /// - Throws: `OperationFailure` if something could not be looked at, or nothing was found that a source reads.
    package func settings(of found: Discovery) throws -> [String] {
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

    /// Writes the settings and makes the folder; what is there stays.
    ///
    /// - Throws: an error of the file system.
    package func write(_ lines: [String]) throws {
        try FileManager.default.createDirectory(atPath: folder + "/mappings", withIntermediateDirectories: true)
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(
            to: URL(fileURLWithPath: path),
            options: .withoutOverwriting
        )
        let ignore = folder + "/.gitignore"
        if !FileManager.default.fileExists(atPath: ignore) {
            try Data(".bailey/\n".utf8).write(to: URL(fileURLWithPath: ignore))
        }
    }

    // MARK: Variables

    private func isRedis(_ name: String) -> Bool { environment[name]?.hasPrefix("redis") == true }

    /// The variables to use: those that were named, else those of the usual names that are set.
    private func found(_ names: Variables) throws -> Variables {
        func first(_ names: [String]) -> String? { names.first { environment[$0]?.isEmpty == false } }
        var all = names
        all.broker = names.broker ?? first(["CELERY_BROKER_URL", "CELERY_BROKER", "BROKER_URL"])
        all.results =
            names.results
            ?? first(["CELERY_RESULT_BACKEND", "CELERY_RESULT_BACKEND_URL", "CELERY_BACKEND_URL", "RESULT_BACKEND"])
            .flatMap { isRedis($0) ? $0 : nil }
        all.redbeat =
            names.redbeat ?? first(["REDBEAT_REDIS_URL"]) ?? all.broker.flatMap { isRedis($0) ? $0 : nil }
            ?? first(["REDIS_URL"])
        all.queue = names.queue ?? first(["DATABASE_URL", "POSTGRES_URL", "PG_URL"])
        for (name, option) in [
            (all.redbeat, "redbeat"), (all.queue, "queue"), (all.broker, "broker"), (all.results, "results"),
        ] {
            if let name { try check(name, option) }
        }
        guard all.redbeat != nil || all.queue != nil else {
            throw OperationFailure(
                .usage,
                "no URL was found in the environment; name its variable with --redbeat NAME or --queue NAME"
            )
        }
        return all
    }

    /// Whether a variable holds what an option is for.
    private func check(_ name: String, _ option: String) throws {
        guard !name.contains("://") else {
            throw OperationFailure(.usage, "--\(option) takes the name of an environment variable, not a URL")
        }
        guard let value = environment[name], !value.isEmpty else {
            throw OperationFailure(.usage, "the environment variable \(name) is not set")
        }
        switch option {
        case "redbeat", "results": _ = try RedisURL(value)
        case "queue": _ = try PostgresURL(value)
        // Brokers of other kinds are kombu's to know.
        default: if isRedis(name) { _ = try RedisURL(value) }
        }
    }

    /// A reference as settings are read; a name that is no word of a shell is quoted as YAML quotes it.
    private func variable(_ name: String) -> String {
        let reference = "${\(name)}"
        return name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
            ? reference : quoted(reference)
    }

    /// A text as YAML; JSON is YAML.
    private func quoted(_ text: String) -> String { JSON.string(text).text() }
}

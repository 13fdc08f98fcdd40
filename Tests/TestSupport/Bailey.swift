public import Foundation

/// A workspace in a folder of its own, and the built program that works in it.
public struct Bailey: Sendable {
    /// The workspace's folder.
    public let folder: URL
    /// The environment of the program: nothing of the test's own but the path.
    public var environment: [String: String]

    /// A workspace in a folder.
    public init(in folder: URL, environment: [String: String] = [:]) {
        self.folder = folder
        let inherited = [
            "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin", "TMPDIR": folder.path + "/tmp",
        ]
        self.environment = inherited.merging(environment) { $1 }
        try? FileManager.default.createDirectory(atPath: folder.path + "/tmp", withIntermediateDirectories: true)
    }

    /// Writes a file of the workspace.
    public func write(_ text: String, to name: String) throws {
        let file = folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }

    /// Writes `bailey.yaml` with a RedBeat source `s`, a queue `q`, or both; the URLs stay in the environment.
    public mutating func settle(redis: String? = nil, postgres: String? = nil, more: String = "") throws {
        var lines = ["version: 1", "sources:"]
        if let redis {
            environment["REDIS_FOR_TEST"] = redis
            lines += ["  s: {kind: redbeat, celery: {settings: {}}, url: \"${REDIS_FOR_TEST}\"}"]
        }
        if let postgres {
            environment["POSTGRES_FOR_TEST"] = postgres
            lines += ["  q: {kind: queue, profile: background_jobs, timezone: UTC, url: \"${POSTGRES_FOR_TEST}\"}"]
        }
        try write(lines.joined(separator: "\n") + "\n" + more, to: "bailey.yaml")
    }

    /// Starts the program.
    ///
    /// - Parameter wrapper: words before it, such as those of `prlimit`.
    public func start(_ words: [String], wrapper: [String] = []) throws -> Running {
        try Running(wrapper + [baileyProgram] + words, in: folder, environment: environment)
    }

    /// Runs the program to its end, within a minute.
    @discardableResult
    public func run(_ words: String..., wrapper: [String] = []) async throws -> Ended {
        try await start(words, wrapper: wrapper).ended(within: 60)
    }

    /// What is left of temporary files, and drafts beside the workspace's own.
    public func leftovers() -> [String] {
        let names = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
        return names.filter { $0.hasPrefix("tmp/") || $0.contains(".bailey-") }
    }
}

/// The definition of a RedBeat entry.
public func redbeatDefinition(_ name: String, task: String = "t", args: String = "[]", schedule: String? = nil)
    -> String
{
    let hourly =
        #"{"__type__":"crontab","minute":"0","hour":"*","day_of_week":"*","day_of_month":"*","month_of_year":"*"}"#
    return
        #"{"name":"\#(name)","task":"\#(task)","args":\#(args),"kwargs":{},"options":{},"schedule":\#(schedule ?? hourly),"enabled":true}"#
}

extension RedisServer {
    /// Puts an entry where RedBeat would.
    public func addEntry(_ name: String, task: String = "t", args: String = "[]", schedule: String? = nil) throws {
        let file = folder.appendingPathComponent("entry")
        let quoted = redbeatDefinition(name, task: task, args: args, schedule: schedule).replacingOccurrences(
            of: "\"",
            with: "\\\""
        )
        try Data("HSET redbeat:\(name) definition \"\(quoted)\"\nZADD redbeat::schedule 1 redbeat:\(name)\n".utf8)
            .write(to: file)
        try load(file)
    }

    /// Writes what beat writes when it has fired an entry: when last, in UTC (`2026-01-01T02:00:00`), and how often.
    public func fired(_ name: String, last: String, count: Int) throws {
        let numbers = last.split { !$0.isNumber }.compactMap { Int($0) }
        let names = ["year", "month", "day", "hour", "minute", "second"]
        let parts = zip(names, numbers).map { "\"\($0)\":\($1)" }.joined(separator: ",")
        let meta =
            "{\"last_run_at\":{\"__type__\":\"datetime\",\(parts),\"microsecond\":2000,\"timezone\":\"UTC\"},\"total_run_count\":\(count)}"
        try cli("HSET", "redbeat:\(name)", "meta", meta)
    }

    /// Puts results of a task's runs where Celery would, each an hour after the one before.
    public func addResults(_ range: Range<Int>, task: String = "t", args: String = "[]", result: String = "1") throws {
        try addResults(
            range.map { (number: $0, ended: String(format: "2026-01-%02dT%02d:00:01", 1 + $0 / 24, $0 % 24)) },
            task: task,
            args: args,
            result: result
        )
    }

    /// Puts results of a task's runs where Celery would, ended at local times in UTC.
    public func addResults(
        _ runs: [(number: Int, ended: String)],
        task: String = "t",
        args: String = "[]",
        result: String = "1"
    ) throws {
        let file = folder.appendingPathComponent("results")
        let lines = runs.map { number, end in
            let record =
                #"{"status":"SUCCESS","result":\#(result),"traceback":null,"date_done":"\#(end)","name":"\#(task)","args":\#(args),"kwargs":{},"retries":0,"task_id":"\#(task)-\#(number)"}"#
            return "SET celery-task-meta-\(task)-\(number) \"\(record.replacingOccurrences(of: "\"", with: "\\\""))\"\n"
        }
        try Data(lines.joined().utf8).write(to: file)
        try load(file)
    }
}

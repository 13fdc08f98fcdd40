public import Redis
public import Schedules

/// One look at a Redis server: which of its databases hold keys that are named as Celery and RedBeat name theirs. Nothing is written.
public struct RedisLook: Sendable {
    /// A database with keys.
    struct Database: Sendable {
        /// Its URL.
        let url: RedisURL
        /// What leads from the server's URL to it; nil for the URL's own.
        let query: String?
        /// Keys that are named as RedBeat names its schedule.
        let schedules: [[UInt8]]
        /// The queues that Celery's messages go to.
        let queues: [String]
        /// The names of workers that have ever listened there for questions. Who does now, only a question tells: kombu listens by patterns,
        /// which Redis does not count by channel.
        let workers: [String]
    }

    /// The product and its version.
    public let product: String
    /// What was not looked at, and why.
    public let unseen: [String]
    /// The databases that hold keys, and how many.
    public let contents: [String]
    let databases: [Database]
    let zones: ZoneDatabase
    /// How live workers are asked; nil if they are not to be.
    let question: (@Sendable () -> WorkerQuestion)?

    /// Rounds of about a thousand keys that are looked through in each database, and databases that are looked at.
    private static let (rounds, most) = (500, 64)

    /// Looks.
    ///
    /// - Parameter question: makes a question to live workers, which is a message to each; nil to leave them alone.
    /// - Throws: `RedisError`.
    public init(
        _ url: RedisURL,
        zones: ZoneDatabase,
        question: (@Sendable () -> WorkerQuestion)?
    ) async throws {
        self.zones = zones
        self.question = question
        var unseen: [String] = []
        let (product, numbers) = try await RedisConnection.use(url) { redis in
            let version = try await redis.serverVersion(atLeast: 5)
            return ("Redis \(version)", await RedisLook.keyspace(redis))
        }
        self.product = product
        if numbers == nil {
            unseen.append("its other databases: which of them hold keys may not be asked (INFO)")
        }
        contents = (numbers ?? []).map { "database \($0.number): \($0.keys) \($0.keys == 1 ? "key" : "keys")" }
        let others = (numbers ?? []).map(\.number).filter { $0 != url.database }
        if others.count >= RedisLook.most {
            unseen.append("\(others.count - RedisLook.most + 1) of its databases: only \(RedisLook.most) are looked at")
        }
        var databases: [Database] = []
        for number in [url.database] + others.prefix(RedisLook.most - 1) {
            var there = url
            there.database = number
            do {
                let (database, missed) = try await RedisLook.look(there, isOwn: number == url.database)
                databases.append(database)
                unseen += missed.map { [$0] } ?? []
            } catch let error as RedisError where number != url.database {
                unseen.append("database \(number): \(error.found)")
            }
        }
        self.databases = databases
        self.unseen = unseen
    }

    private static func look(_ url: RedisURL, isOwn: Bool) async throws -> (Database, missed: String?) {
        try await RedisConnection.use(url) { redis in
            let keys = try? await redis.send("DBSIZE").int
            let prefix = "_kombu.binding."
            let bindings = try await redis.keys(matching: prefix + "*", steps: rounds)
            let queues = bindings.map { readable(Array($0.dropFirst(prefix.utf8.count))) }
                .filter { !$0.hasSuffix("celery.pidbox") && $0 != "celeryev" }
            let members = try? await redis.members(of: Array("\(prefix)celery.pidbox".utf8))
            let workers = (members ?? []).map { readable($0) }.compactMap { name in
                name.split(separator: "\u{16}").last.map { String($0) }
            }.filter { $0.hasSuffix(".celery.pidbox") }.map { String($0.dropLast(".celery.pidbox".count)) }
            let database = Database(
                url: url,
                query: isOwn ? nil : "db=\(url.database)",
                schedules: try await redis.keys(matching: "*:schedule", steps: rounds).sorted {
                    $0.lexicographicallyPrecedes($1)
                },
                queues: queues.sorted(),
                workers: workers.sorted()
            )
            let seen = rounds * 1000
            let missed =
                if let keys {
                    keys > seen
                        ? "database \(url.database): about \(seen) of its \(keys) keys were looked through"
                        : nil as String?
                } else {
                    "database \(url.database): whether all its keys were looked through, for their number may not be asked (DBSIZE)"
                }
            return (database, missed)
        }
    }

    /// The databases that hold keys, and how many; nil if that may not be asked.
    private static func keyspace(_ redis: RedisConnection) async -> [(number: Int, keys: Int)]? {
        guard let text = try? await redis.send("INFO", "keyspace").text else { return nil }
        return text.split(whereSeparator: \.isNewline).compactMap { line in
            guard line.hasPrefix("db"), let number = Int(line.dropFirst(2).prefix { $0 != ":" }) else { return nil }
            let keys = line.firstRange(of: "keys=").map { line[$0.upperBound...].prefix { $0.isNumber } }
            return (number, keys.flatMap { Int($0) } ?? 0)
        }
    }
}

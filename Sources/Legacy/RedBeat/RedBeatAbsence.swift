import Redis

/// What there is in Redis where no entry was found: another prefix, another database, another scheduler.
extension RedBeatSource {
    /// Steps of about a thousand keys that are looked through in each database.
    private static let steps = 100

    /// One sentence and more: what was looked for, and what was seen instead.
    func absence(_ redis: RedisConnection) async throws(RedisError) -> String {
        var words = [
            "nothing was found: “\(prefix):schedule” does not exist in database \(url.database), and no key begins with “\(prefix)”"
        ]
        let databases = await keyspace(redis)
        if let databases {
            words.append(
                databases.isEmpty
                    ? "the server holds no key at all"
                    : "keys per database: "
                        + databases.map { "\($0.number) has \($0.keys)" }.joined(separator: ", ")
            )
        } else {
            words.append("how many keys the other databases have is not known (INFO is not allowed)")
        }
        var schedules: [String] = []
        for number in ([url.database] + (databases ?? []).map(\.number).filter { $0 != url.database }).prefix(17) {
            schedules += await otherSchedules(in: number)
        }
        if !schedules.isEmpty {
            words.append("schedules of RedBeat elsewhere: \(schedules.prefix(5).joined(separator: ", "))")
        }
        let bindings = try await redis.keys(matching: "_kombu.binding.*", steps: RedBeatSource.steps)
        let listening = await listeners(redis)
        if !bindings.isEmpty || listening > 0 {
            let queues = bindings.map { String(decoding: $0.dropFirst("_kombu.binding.".utf8.count), as: UTF8.self) }
                .sorted()
            var seen = "database \(url.database) is a Celery broker"
            if !queues.isEmpty { seen += " (bindings of \(queues.prefix(5).joined(separator: ", ")))" }
            if listening > 0 {
                seen += " where \(listening) \(listening == 1 ? "worker takes" : "workers take") questions"
            }
            if schedules.isEmpty {
                seen +=
                    " without RedBeat: beat here is not RedBeat's. Its schedule is in a file or a database; see --scheduler of celery beat"
            }
            words.append(seen)
        } else if schedules.isEmpty {
            let prefixes = try await self.prefixes(redis)
            if !prefixes.isEmpty { words.append("keys in database \(url.database): \(prefixes)") }
        }
        return words.joined(separator: "; ")
            + ". Set “url” (its database) and “prefix” of source \(name) to where RedBeat writes"
    }

    /// How many keys each database has; nil if that may not be asked.
    private func keyspace(_ redis: RedisConnection) async -> [(number: Int, keys: Int)]? {
        guard let text = try? await redis.send("INFO", "keyspace").text else { return nil }
        return text.split(whereSeparator: \.isNewline).compactMap { line in
            guard line.hasPrefix("db"), let colon = line.firstIndex(of: ":"),
                let number = Int(line.dropFirst(2).prefix { $0 != ":" }),
                let keys = Int(line[colon...].dropFirst(":keys=".count).prefix { $0 != "," })
            else { return nil }
            return (number, keys)
        }
    }

    /// The sorted sets of a database that are named as RedBeat names its schedule: `“acme:” in database 3 (12 entries)`.
    private func otherSchedules(in database: Int) async -> [String] {
        var elsewhere = url
        elsewhere.database = database
        let found = try? await RedisConnection.use(elsewhere) { redis in
            var found: [String] = []
            for key in ((try? await redis.keys(matching: "*:schedule", steps: RedBeatSource.steps)) ?? []).prefix(50) {
                guard let count = try? await redis.send(RedisCommand("ZCARD", raw: [key])).int else { continue }
                let prefix = readable(Array(key.dropLast(":schedule".utf8.count)))
                found.append("prefix “\(prefix)” in database \(database) (\(count) entries)")
            }
            return found
        }
        return (found ?? []).sorted()
    }

    /// How many workers have a place for questions in this database, if anybody listens at all: kombu listens by patterns, which Redis counts
    /// over all databases alone.
    private func listeners(_ redis: RedisConnection) async -> Int {
        guard let patterns = try? await redis.send("PUBSUB", "NUMPAT").int, patterns > 0 else { return 0 }
        return (try? await redis.members(of: Array("_kombu.binding.celery.pidbox".utf8)))?.count ?? 0
    }

    /// What keys begin with, up to their first colon, the most frequent first.
    private func prefixes(_ redis: RedisConnection) async throws(RedisError) -> String {
        var counts: [String: Int] = [:]
        for key in try await redis.keys(matching: "*", steps: RedBeatSource.steps) {
            let text = readable(key)
            counts[text.firstIndex(of: ":").map { "\(text[...$0])…" } ?? "(no colon)", default: 0] += 1
        }
        let most = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(5)
        return most.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    }
}

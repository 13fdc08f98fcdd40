import Foundation
import Legacy
package import Migration
import Planning
import Postgres
import Redis
package import Schedules
import Settings

/// One read-only look at servers and crontabs: everything that schedules or queues work there, and the settings that read it.
package struct Discovering: Sendable {
    /// A server's URL, and how `bailey.yaml` is to name it.
    package struct Server: Sendable {
        package var url: String
        package var reference: String

        /// A URL, or the name of an environment variable that holds one.
        ///
        /// - Throws: `OperationFailure` if there is no such variable.
        package init(_ text: String, number: Int, environment: [String: String]) throws {
            guard text.contains("://") || text.contains("=") else {
                guard let value = environment[text], !value.isEmpty else {
                    throw OperationFailure(
                        .usage,
                        "“\(text)” is no URL, and no environment variable of that name is set"
                    )
                }
                (url, reference) = (value, "${\(text)}")
                return
            }
            url = text
            if let name = environment.filter({ $0.value == text }).keys.min() {
                reference = "${\(name)}"
            } else {
                // A URL with anything secret in it stands in no file.
                let login = text.firstRange(of: "://").flatMap { scheme in
                    text.lastIndex(of: "@").map { text[scheme.upperBound...].prefix(upTo: max($0, scheme.upperBound)) }
                }
                let isOpen = login?.contains(":") != true && !text.lowercased().contains("password")
                reference = isOpen ? text : "${BAILEY_URL_\(number)}"
            }
        }
    }

    /// A crontab's text.
    package struct Crontab: Sendable {
        package var file: String
        package var text: String
        /// Where it stands, so that a source can read it; nil of one that came another way.
        package var path: String?

        package init(file: String, text: String, path: String? = nil) {
            (self.file, self.text, self.path) = (file, text, path)
        }
    }

    let servers: [Server]
    /// Where Celery's results are, as a person says; nil where the workers' word counts.
    let results: Server?
    private let crontabs: [Crontab]
    private let asksWorkers: Bool
    private let zones: ZoneDatabase
    private let surroundings: Surroundings

    package init(
        servers: [Server],
        results: Server? = nil,
        crontabs: [Crontab] = [],
        asksWorkers: Bool = true,
        zones: ZoneDatabase = ZoneDatabase(),
        surroundings: Surroundings
    ) {
        self.servers = servers
        self.results = results
        self.crontabs = crontabs
        self.asksWorkers = asksWorkers
        self.zones = zones
        self.surroundings = surroundings
    }

    /// Looks at all servers at once; one that does not answer keeps nothing from being found elsewhere.
    ///
    /// - Parameter describe: an error in one line, as the command line says it.
    /// - Throws: `OperationFailure` for a file that is no crontab; `CancellationError`.
    package func run(describe: @escaping @Sendable (any Error) -> String) async throws -> Discovery {
        // What is wrong with a file is known before anybody is asked.
        let files = try crontabs.map { crontab throws(OperationFailure) in
            do throws(NoCrontab) { return try CrontabFile(crontab.text, file: crontab.file) } catch {
                throw OperationFailure(.usage, error.description)
            }
        }
        var discovery = Discovery(at: surroundings.now())
        let looks = try await withThrowingTaskGroup(of: (Int, ServerSeen, [DiscoveredSystem]).self) { group in
            for (index, server) in servers.enumerated() {
                group.addTask {
                    let (seen, found) = try await look(server, describe)
                    return (index, seen, found)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }
        }
        discovery.servers = looks.map(\.1)
        discovery.systems = looks.flatMap(\.2)
        join(&discovery)
        let seen = discovery.servers.filter { $0.trouble == nil }.compactMap { place($0.address) }
        let judge = CrontabJudge(zones: zones, now: discovery.at, kept: places(discovery.systems), looked: seen)
        discovery.crontabs = crontabs.compactMap(\.path)
        for file in files {
            let (lines, findings) = judge.judge(file)
            discovery.lines += lines
            if lines.isEmpty { discovery.idle.append(file.file) }
            discovery.findings += findings
        }
        return discovery
    }

    private func look(_ server: Server, _ describe: (any Error) -> String) async throws -> (
        ServerSeen, [DiscoveredSystem]
    ) {
        let scheme = server.url.prefix { $0 != ":" }.lowercased()
        var seen = ServerSeen(address: "(unreadable URL)")
        do {
            let look: ServerLook
            if ["redis", "rediss", "unix", "redis+socket", "socket", "sentinel", "sentinels", "redis+sentinel"]
                .contains(scheme)
            {
                let url = try RedisURL(server.url)
                seen.address = url.address
                surroundings.tell("looking at \(url.address) …")
                let now = surroundings.now
                let ask: @Sendable () -> WorkerQuestion = {
                    WorkerQuestion(name: "bailey-\(UUID().uuidString.lowercased())", now: now())
                }
                let redis = try await RedisLook(url, zones: zones, question: asksWorkers ? ask : nil)
                (seen.product, seen.unseen) = (redis.product, redis.unseen)
                seen.contents = redis.contents
                look = .redis(redis)
            } else if ["amqp", "amqps", "pyamqp", "sqs", "kafka", "confluentkafka"].contains(scheme) {
                seen.address = "\(scheme)://…"
                seen.trouble =
                    "a broker that is no Redis, whose workers Bailey does not ask: name RedBeat's Redis (redbeat_redis_url) or the database of django_celery_beat, and read a schedule in code with import --from-app MODULE:APP"
                return (seen, [])
            } else {
                let url = try PostgresURL(server.url)
                seen.address = url.address
                surroundings.tell("looking at \(url.address) …")
                let postgres = try await PostgresLook(url, zones: zones)
                (seen.product, seen.unseen) = (postgres.product, postgres.unseen)
                seen.contents = postgres.contents
                look = .postgres(postgres)
            }
            var found: [DiscoveredSystem] = []
            for kind in SystemKind.all {
                do { found += try await kind.discover(look) } catch {
                    if error is CancellationError { throw error }
                    seen.unseen.append("what of kind \(kind.settings.name) is there: \(describe(error))")
                }
            }
            found += OtherSystem.discover(at: look)
            for index in found.indices { found[index].reference = server.reference }
            return (seen, found)
        } catch {
            try Task.checkCancellation()
            seen.trouble = describe(error)
            return (seen, [])
        }
    }

    /// What is found twice is read once, and what belongs together is.
    private func join(_ discovery: inout Discovery) {
        let brokers = discovery.systems.filter { $0.parts.contains(.broker) }
        let driven = discovery.systems.filter { $0.parts.isSuperset(of: [.stored, .driven]) }
        var seen: Set<String> = []
        for index in discovery.systems.indices {
            let system = discovery.systems[index]
            // Two URLs may lead to one server.
            if !seen.insert("\(system.what)|\(system.address)|\(system.place)").inserted {
                discovery.systems[index].settings = nil
                discovery.systems[index].advice = "It was found by another of the URLs already"
                continue
            }
            if system.parts.contains(.told), let stored = driven.first(where: { holds($0, system) }) {
                discovery.systems[index].blocked =
                    "\(stored.what) holds the same entries (\(stored.place) at \(stored.address)) and is read"
            }
            let broker = brokers.count == 1 ? brokers.first : nil
            if let broker, broker.address != system.address, system.parts.contains(.stored) {
                discovery.systems[index].settings?.append(
                    DiscoveredSystem.Setting("broker_url", joined(broker.reference, broker.query))
                )
            }
            addResults(to: &discovery.systems[index], of: broker)
        }
    }

    /// Whether a store holds all that an application's code schedules.
    private func holds(_ stored: DiscoveredSystem, _ told: DiscoveredSystem) -> Bool {
        !told.entries.isEmpty && Set(told.entries).isSubset(of: stored.entries)
    }

    /// The databases of a Redis that hold something.
    private func places(_ systems: [DiscoveredSystem]) -> [(place: DangerousCommand.Place, what: String)] {
        systems.compactMap { system in
            place(system.address).map { ($0, "\(system.what) (\(system.address))") }
        }
    }

    /// The Redis at an address; nil for another server, and for one without a host.
    private func place(_ address: String) -> DangerousCommand.Place? {
        guard address.hasPrefix("redis"), let url = try? RedisURL(address), case .host(let host, let port) = url.place
        else { return nil }
        return DangerousCommand.Place(host: host, port: port, database: url.database)
    }

    func joined(_ url: String, _ query: String?) -> String {
        query.map { url + (url.contains("?") ? "&" : "?") + $0 } ?? url
    }
}

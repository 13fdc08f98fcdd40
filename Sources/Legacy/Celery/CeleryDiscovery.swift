import LosslessJSON
public import Migration
import Redis

/// Celery's brokers on a server, and the schedules that their workers tell.
extension CelerySystem {
    public static func discover(at server: ServerLook) async throws -> [DiscoveredSystem] {
        guard case .redis(let look) = server else { return [] }
        var found: [DiscoveredSystem] = []
        for database in look.databases where !database.queues.isEmpty || !database.workers.isEmpty {
            found.append(try await broker(database, look))
        }
        return found
    }

    private static func broker(_ database: RedisLook.Database, _ look: RedisLook) async throws -> DiscoveredSystem {
        var found = DiscoveredSystem(
            what: "Celery's broker",
            kind: nil,
            address: database.url.address,
            place: "database \(database.url.database)",
            certainty: .certain,
            evidence: [],
            amount: nil,
            unit: "entries",
            outlook: .notRead,
            advice: ""
        )
        found.parts = [.broker]
        found.query = database.query
        if !database.queues.isEmpty {
            found.evidence.append("bindings of the queues \(database.queues.prefix(8).joined(separator: ", "))")
        }
        if !database.workers.isEmpty {
            found.evidence.append("a place for questions to \(database.workers.prefix(8).joined(separator: ", "))")
        }
        let unknown = "so that what its code schedules is unknown: read it with import --from-app MODULE:APP"
        guard let question = look.question?() else {
            found.advice = "Its workers were not asked, \(unknown)"
            return found
        }
        let told = try await CeleryWorkers(url: database.url).configurations(
            name: question.name,
            now: question.now,
            seconds: 2
        )
        found.evidence.append("\(told.asked) live \(told.asked == 1 ? "worker listens" : "workers listen")")
        guard !told.answers.isEmpty else {
            found.advice =
                told.asked == 0
                ? "No worker listens, \(unknown)"
                : "None of its workers answered within 2 s, \(unknown), or ask again when one is idle"
            return found
        }
        found.writers = told.answers.map { "the worker \($0.worker)" }
        let schedulers = Set(told.answers.compactMap { $0.settings["beat_scheduler"]?.string }).sorted()
        if !schedulers.isEmpty {
            found.evidence.append(
                "the configured beat_scheduler is \(schedulers.joined(separator: ", ")) (-S of beat's command line workers do not know)"
            )
        }
        let backends = Set(told.answers.map { $0.settings["result_backend"]?.string })
        if backends.count == 1, let backend = backends.first { found.results = backend }
        let schedule = StaticSchedule(source: "discovered", answers: told.answers).read()
        found.amount = schedule.found
        guard schedule.found > 0 else {
            found.advice =
                "Its workers tell no beat_schedule: what it runs on schedule stands in RedBeat's keys, in a database or elsewhere"
            return found
        }
        found.what = "the beat_schedule of a Celery application's code"
        found.kind = "celery"
        found.parts.insert(.told)
        found.outlook = .readOnly
        found.settings = []
        found.entries = schedule.entries.map(\.id.name)
        found.advice =
            "It is read and shadowed. Beat started with RedBeat's scheduler makes it one that moves: bailey adopt says how"
        if !schedule.unread.isEmpty {
            found.evidence.append("\(schedule.unread.count) of \(schedule.found) entries are not told whole")
        }
        found.keeps = schedule.entries.compactMap { RedBeatSystem.tooOften($0, zones: look.zones) }
        return found
    }
}

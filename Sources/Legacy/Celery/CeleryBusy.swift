import LosslessJSON
import Redis
public import Schedules

/// What of an application's work is under way: messages that wait, and tasks that its workers have.
public struct CeleryBusy: Sendable {
    /// Tasks that workers have taken, by name, with when each began where it has; a task that waits for its time is one too.
    public var taken: [(task: String, began: Instant?)] = []
    /// How many messages wait in each queue that has any.
    public var waiting: [String: Int] = [:]
    /// How many workers answered, and how many were asked.
    public var answered = 0
    public var asked = 0

    /// Whether a task of that name may be under way. A message that waits names its task inside, where nobody looks.
    public func mayHold(_ task: String) -> Bool { !waiting.isEmpty || taken.contains { $0.task == task } }

    /// Whether all that could be asked answered.
    public var isWhole: Bool { asked > 0 && answered >= asked }
}

extension CeleryWorkers {
    /// Looks.
    ///
    /// - Parameter name: as for `configurations`; each question gets a number more.
    /// - Throws: `RedisError`.
    public func busy(name: String, now: @Sendable () -> Instant) async throws -> CeleryBusy {
        var busy = CeleryBusy()
        for (number, method) in ["active", "reserved", "scheduled"].enumerated() {
            let told = try await asking(method, name: "\(name)\(number)", now: now())
            (busy.asked, busy.answered) = (
                told.asked, number == 0 ? told.answers.count : min(busy.answered, told.answers.count)
            )
            for answer in told.answers {
                for item in answer.settings.array ?? [] {
                    let request = item["request"] ?? item
                    let began = request["time_start"]?.double.flatMap { $0 > 0 ? Instant(timestamp: $0) : nil }
                    busy.taken.append((request["name"]?.string ?? request["type"]?.string ?? "", began))
                }
            }
        }
        busy.waiting = try await waiting()
        return busy
    }

    /// The queues that hold messages.
    private func waiting() async throws -> [String: Int] {
        try await RedisConnection.use(place) { redis in
            let prefix = "_kombu.binding."
            var found: [String: Int] = [:]
            for binding in try await redis.keys(matching: prefix + "*") {
                let queue = Array(binding.dropFirst(prefix.utf8.count))
                let name = readable(queue)
                if name.hasSuffix("celery.pidbox") || name == "celeryev" { continue }
                // A queue is a list for each step of priority.
                let lists = [queue] + ["3", "6", "9"].map { queue + Array("\u{6}\u{16}\($0)".utf8) }
                let lengths = try await redis.read(lists.map { RedisCommand("LLEN", raw: [$0]) })
                let count = lengths.reduce(0) { $0 + ($1.int ?? 0) }
                if count > 0 { found[name] = count }
            }
            return found
        }
    }
}

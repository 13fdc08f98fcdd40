import Foundation
import LosslessJSON
import Schedules
import Synchronization

/// What Celery's events say of a message before its result comes: when it was sent, and whether another task sent it. Workers and senders
/// tell it where the application has events switched on (`worker -E`, `task_send_sent_event`).
final class CeleryEvents: Sendable {
    struct Message: Sendable {
        var sent: Instant?
        /// When it was seen to start, by this machine's clock.
        var started: Instant?
        /// When its worker began it, by the worker's own clock.
        var begun: Instant?
        var origin: String?
    }

    private struct State {
        var messages: [String: Message] = [:]
        var order: [String] = []
        var dropped = 0
        /// The least time that a result was seen after its worker's stamp: what the clocks of both hosts differ by, and the way.
        var least = Double.infinity
        /// The most by which a result that did not wait on the way was seen after its worker's stamp: the clock that is furthest behind.
        var most = 0.0
    }
    private let state = Mutex(State())
    /// A message whose result never comes is forgotten.
    private static let most = 100_000

    /// Takes an event's payload: kombu's envelope with one event or a list of them.
    ///
    /// - Parameter seen: when it came.
    func take(_ payload: [UInt8], seen: Instant) {
        for event in CeleryEvents.events(in: payload) { take(event, seen) }
    }

    /// The events in a message of kombu's; none of one that cannot be read.
    static func events(in payload: [UInt8]) -> [JSON] {
        guard let envelope = try? JSON(parsing: payload), let body = envelope["body"]?.string else { return [] }
        let bytes = Data(base64Encoded: body).map { Array($0) } ?? Array(body.utf8)
        guard let json = try? JSON(parsing: bytes) else { return [] }
        return json.array ?? [json]
    }

    private func take(_ event: JSON, _ seen: Instant) {
        guard let id = event["uuid"]?.string, let type = event["type"]?.string,
            let stamp = event["timestamp"]?.double, stamp > 0, let at = Instant(timestamp: stamp)
        else { return }
        switch type {
        case "task-sent", "task-received":
            var origin: String?
            if let parent = event["parent_id"]?.string, parent != id { origin = "another task sent it" }
            if let root = event["root_id"]?.string, root != id { origin = "it is part of another task's work" }
            change(id) { message in
                // Sent comes before received, but by another host's clock.
                message.sent = min(message.sent ?? at, at)
                message.origin = message.origin ?? origin
            }
        case "task-started":
            change(id) { message in
                message.started = message.started ?? seen
                message.begun = message.begun ?? at
            }
        default: break
        }
    }

    /// Whether a result was seen much later after its end than others: it waited on the way (this process stood still), and so may have what
    /// was seen of its start.
    func isLate(_ seen: Instant, after end: Instant) -> Bool {
        state.withLock { state in
            let delay = seen.seconds(since: end)
            state.least = min(state.least, delay)
            state.most = max(state.most, min(delay, CeleryEvents.furthest))
            return delay > state.least + 1
        }
    }

    /// Seconds by which a clock may be behind and its results are found nevertheless.
    private static let furthest = 900.0
    /// Seconds that are looked back where no result has told yet how far behind the workers' clocks are.
    private static let unlearned = 60.0

    /// Seconds by which the clocks of workers may be behind this one.
    var behind: Double {
        state.withLock { $0.least == .infinity ? CeleryEvents.unlearned : max(0, $0.most) + 5 }
    }

    /// Notes when a run was seen to start.
    func noteStart(_ id: String, at instant: Instant) { change(id) { $0.started = $0.started ?? instant } }

    /// What is known of a message, which is then forgotten.
    func remove(_ id: String) -> Message? { state.withLock { $0.messages.removeValue(forKey: id) } }

    private func change(_ id: String, _ body: (inout Message) -> Void) {
        state.withLock { state in
            if state.messages[id] == nil {
                state.order.append(id)
                if state.order.count - state.dropped > CeleryEvents.most {
                    state.messages[state.order[state.dropped]] = nil
                    state.dropped += 1
                    if state.dropped > CeleryEvents.most {
                        state.order.removeFirst(state.dropped)
                        state.dropped = 0
                    }
                }
            }
            body(&state.messages[id, default: Message()])
        }
    }
}

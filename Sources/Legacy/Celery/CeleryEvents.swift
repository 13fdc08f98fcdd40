import Foundation
import LosslessJSON
import Schedules
import Synchronization

/// What Celery's events say of a message before its result comes: when it was sent, and whether another task sent it. Workers and senders
/// tell it where the application has events switched on (`worker -E`, `task_send_sent_event`).
final class CeleryEvents: Sendable {
    struct Message: Sendable {
        var sent: Instant?
        var started: Instant?
        var origin: String?
    }

    private struct State {
        var messages: [String: Message] = [:]
        var order: [String] = []
        var dropped = 0
        /// The least time that a result was seen after its worker's stamp: what the clocks of both hosts differ by, and the way.
        var least = Double.infinity
    }
    private let state = Mutex(State())
    /// A message whose result never comes is forgotten.
    private static let most = 100_000

    /// Takes an event's payload: kombu's envelope with one event or a list of them.
    func take(_ payload: [UInt8]) {
        guard let envelope = try? JSON(parsing: payload), let body = envelope["body"]?.string else { return }
        let bytes = Data(base64Encoded: body).map { Array($0) } ?? Array(body.utf8)
        guard let json = try? JSON(parsing: bytes) else { return }
        for event in json.array ?? [json] { take(event) }
    }

    private func take(_ event: JSON) {
        guard let id = event["uuid"]?.string, let type = event["type"]?.string,
            let stamp = event["timestamp"]?.double, stamp > 0, stamp < 1e11
        else { return }
        let at = Instant(microseconds: Int64(stamp * 1e6))
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
        case "task-started": change(id) { $0.started = $0.started ?? at }
        default: break
        }
    }

    /// Whether a result was seen much later after its end than others: it waited on the way (this process stood still), and so may have what
    /// was seen of its start.
    func isLate(_ seen: Instant, after end: Instant) -> Bool {
        state.withLock { state in
            let delay = seen.seconds(since: end)
            state.least = min(state.least, delay)
            return delay > state.least + 1
        }
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

import Synchronization

/// A number of places, each taken by one at a time; of those who wait the highest priority is served first, and among equals the first.
final class Slots: Sendable {
    private struct State {
        var free: Int
        var waiting: [(id: Int, priority: Int, continuation: CheckedContinuation<Bool, Never>)] = []
        var cancelled: Set<Int> = []
        var next = 0
    }
    private let state: Mutex<State>

    init(_ count: Int) { state = Mutex(State(free: count)) }

    /// Runs a body once a place is free.
    ///
    /// - Throws: `CancellationError` if the task is cancelled while it waits, or what the body throws.
    func with<Value: Sendable>(priority: Int = 1, _ body: () async throws -> Value) async throws -> Value {
        guard await take(priority) else { throw CancellationError() }
        defer { give() }
        return try await body()
    }

    private func take(_ priority: Int) async -> Bool {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return false }
                    if state.free > 0 {
                        state.free -= 1
                        return true
                    }
                    let place = state.waiting.firstIndex { $0.priority < priority } ?? state.waiting.endIndex
                    state.waiting.insert((id, priority, continuation), at: place)
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let continuation = state.withLock { state -> CheckedContinuation<Bool, Never>? in
                guard let index = state.waiting.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return state.waiting.remove(at: index).continuation
            }
            continuation?.resume(returning: false)
        }
    }

    private func give() {
        let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            if state.waiting.isEmpty {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst().continuation
        }
        next?.resume(returning: true)
    }
}

import Synchronization

/// A number of places. Of those who wait the highest priority is served first, and among equals the first; one for whom there is not
/// room enough lets others by for whom there is, as Airflow's scheduler does.
final class Slots: Sendable {
    private struct State {
        var free: Int
        var waiting: [Waiting] = []
        var cancelled: Set<Int> = []
        var next = 0
    }
    private struct Waiting {
        var id: Int
        var priority: Int
        var places: Int
        var continuation: CheckedContinuation<Bool, Never>
    }
    private let state: Mutex<State>
    private let count: Int

    init(_ count: Int) {
        self.count = count
        state = Mutex(State(free: count))
    }

    /// Runs a body once so many places are free; of one that wants more than there are all are taken.
    ///
    /// - Throws: `CancellationError` if the task is cancelled while it waits, or what the body throws.
    func with<Value: Sendable>(priority: Int = 1, places: Int = 1, _ body: () async throws -> Value) async throws
        -> Value
    {
        let places = min(places, count)
        guard await take(priority, places) else { throw CancellationError() }
        defer { give(places) }
        return try await body()
    }

    private func take(_ priority: Int, _ places: Int) async -> Bool {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = state.withLock { state in
                    if state.cancelled.remove(id) != nil { return false }
                    if state.free >= places {
                        state.free -= places
                        return true
                    }
                    let index = state.waiting.firstIndex { $0.priority < priority } ?? state.waiting.endIndex
                    let waiting = Waiting(id: id, priority: priority, places: places, continuation: continuation)
                    state.waiting.insert(waiting, at: index)
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

    private func give(_ places: Int) {
        let next = state.withLock { state in
            state.free += places
            var served: [CheckedContinuation<Bool, Never>] = []
            while let index = state.waiting.firstIndex(where: { $0.places <= state.free }) {
                let waiting = state.waiting.remove(at: index)
                state.free -= waiting.places
                served.append(waiting.continuation)
            }
            return served
        }
        for continuation in next { continuation.resume(returning: true) }
    }
}

import Synchronization

/// A fact that one side notes and the other takes.
final class Flag: Sendable {
    private let state = Mutex(false)

    func set() { state.withLock { $0 = true } }

    /// Whether it was set; unsets it.
    func take() -> Bool {
        state.withLock { value in
            defer { value = false }
            return value
        }
    }
}

import CLibpq
import Dispatch
import Synchronization

/// The right to cancel a connection's statement from any thread; a request never reaches a later statement.
final class PostgresCancellation: Sendable {
    private struct State: @unchecked Sendable {  // safe: PQcancel may be called from any thread (libpq 15, §34.7)
        var pointer: OpaquePointer?
        var last = 0
        /// Statements that have not ended, by their number.
        var open: Set<Int> = []
        /// The one that the server has.
        var running: Int?
    }
    private let state: Mutex<State>

    init(_ connection: OpaquePointer) { state = Mutex(State(pointer: PQgetCancel(connection))) }

    deinit { state.withLock { PQfreeCancel($0.pointer) } }

    /// A number for a statement to come.
    func open() -> Int {
        state.withLock { state in
            state.last += 1
            state.open.insert(state.last)
            return state.last
        }
    }

    /// Notes that the statement is about to be sent.
    func begin(_ statement: Int) { state.withLock { $0.running = statement } }

    /// Notes that the statement has ended; waits for a request that is under way.
    func end(_ statement: Int) {
        state.withLock { state in
            if state.running == statement { state.running = nil }
            state.open.remove(statement)
        }
    }

    /// Asks the server to stop a statement, again until it has ended: a server ignores a request that comes before the statement.
    /// Returns at once.
    func fire(_ statement: Int) { DispatchQueue.global().async { self.ask(statement) } }

    private func ask(_ statement: Int) {
        let isOpen = state.withLock { state in
            if state.running == statement {
                // It returns when the server has closed the request's own connection, which is after it sent the signal.
                var message = [CChar](repeating: 0, count: 256)
                _ = PQcancel(state.pointer, &message, Int32(message.count))
            }
            return state.open.contains(statement)
        }
        if isOpen { DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(200)) { self.ask(statement) } }
    }
}

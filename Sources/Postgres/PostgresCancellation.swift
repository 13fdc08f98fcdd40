import CLibpq
import Dispatch
import Foundation
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
        /// Whether a request is on its way to the server.
        var isAsking = false
        /// Until when the end of a statement that was told to end is waited for.
        var patience: [Int: ContinuousClock.Instant] = [:]
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

    /// Notes that nobody waits for the statement any more.
    func close(_ statement: Int) {
        state.withLock { state in
            if state.running == statement { state.running = nil }
            state.open.remove(statement)
            state.patience[statement] = nil
        }
    }

    /// Notes that the statement has ended, and waits for a request that is under way.
    ///
    /// - Returns: false if that request still is under way: it could reach a later statement, so there must be none.
    func end(_ statement: Int, within seconds: Double = 2) -> Bool {
        close(statement)
        let limit = ContinuousClock.now + .seconds(seconds)
        while state.withLock({ $0.isAsking }) {
            guard ContinuousClock.now < limit else { return false }
            usleep(1000)
        }
        return true
    }

    /// Until when the end of a statement is waited for that was told to end; nil if it was not.
    func patience(_ statement: Int) -> ContinuousClock.Instant? { state.withLock { $0.patience[statement] } }

    /// Asks the server to stop a statement, again until it has ended: a server ignores a request that comes before the statement.
    /// Returns at once.
    ///
    /// - Parameter seconds: how long the server's answer to that is waited for; nil for as long as any other.
    func fire(_ statement: Int, patience seconds: Double? = nil) {
        state.withLock { state in
            guard let seconds, state.open.contains(statement) else { return }
            state.patience[statement] = ContinuousClock.now + .seconds(seconds)
        }
        DispatchQueue.global().async { self.ask(statement) }
    }

    private func ask(_ statement: Int) {
        let pointer: OpaquePointer? = state.withLock { state in
            guard state.running == statement, !state.isAsking else { return nil }
            state.isAsking = true
            return state.pointer
        }
        if let pointer {
            // It returns when the server has closed the request's own connection, which is after it sent the signal; from a server that
            // stalls, never.
            var message = [CChar](repeating: 0, count: 256)
            _ = PQcancel(pointer, &message, Int32(message.count))
            state.withLock { $0.isAsking = false }
        }
        if state.withLock({ $0.open.contains(statement) }) {
            DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(200)) { self.ask(statement) }
        }
    }
}

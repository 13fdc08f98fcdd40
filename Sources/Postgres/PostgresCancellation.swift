import CLibpq
import Dispatch
import Synchronization

/// The right to cancel whatever a connection is doing, from any thread.
final class PostgresCancellation: Sendable {
    private struct Handle: @unchecked Sendable {  // safe: PQcancel may be called from any thread (libpq 15, §34.7)
        var pointer: OpaquePointer?
    }
    private let handle: Mutex<Handle>

    init(_ connection: OpaquePointer) { handle = Mutex(Handle(pointer: PQgetCancel(connection))) }

    deinit { handle.withLock { PQfreeCancel($0.pointer) } }

    /// Asks the server to stop; returns at once.
    func fire() {
        DispatchQueue.global().async {
            self.handle.withLock { handle in
                var message = [CChar](repeating: 0, count: 256)
                _ = PQcancel(handle.pointer, &message, Int32(message.count))
            }
        }
    }
}

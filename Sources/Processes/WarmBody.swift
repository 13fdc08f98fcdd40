import Foundation
import Subprocess
import Synchronization

/// One body that a warm interpreter has forked: its output is read, and its end awaited, on a thread of its own.
final class WarmBody: Sendable {
    /// Why there is no end.
    enum Failure: Error {
        /// The interpreter forked nothing; nothing of the body ran.
        case notBegun
        /// It wrote more than is read.
        case outputLimit
    }

    /// In milliseconds: how often it is looked for what was printed before the end, and how long without any.
    private static let (lookEvery, quietLimit): (Int32, Int32) = (100, 1000)

    private struct Control {
        var socket: Int32?
        var isCancelled = false
    }

    private let control: Mutex<Control>
    private let outputs: [Int32]
    private let limit: Int

    /// - Parameters:
    ///   - control: the socket on which the keeper says how the body ended; it ends all of it when that is shut.
    ///   - outputs: what standard output and error are read from.
    ///   - limit: the most bytes of each.
    init(control: Int32, outputs: [Int32], limit: Int) {
        self.control = Mutex(Control(socket: control))
        self.outputs = outputs
        self.limit = limit
    }

    /// How it ended, and what it wrote. Cancelling the task ends all that it has started.
    func end() async throws -> WarmInterpreter.Ended {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                Thread.detachNewThread {
                    continuation.resume(with: Result { try self.read() })
                }
            }
        } onCancel: {
            self.cancel()
        }
    }

    private func cancel() {
        control.withLock { control in
            control.isCancelled = true
            if let socket = control.socket { _ = shutdown(socket, Int32(SHUT_WR)) }
        }
    }

    private var isCancelled: Bool { control.withLock { $0.isCancelled } }

    private func read() throws -> WarmInterpreter.Ended {
        let socket = control.withLock { $0.socket } ?? -1
        defer {
            control.withLock { $0.socket = nil }
            for descriptor in outputs + [socket] { close(descriptor) }
        }
        var written: [[UInt8]] = [[], []]
        var isOpen = [true, true]
        var (hasBegun, isKept) = (false, true)
        var status: TerminationStatus?
        var isTooMuch = false
        var quiet: Int32 = 0
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 65536, alignment: 1)
        defer { buffer.deallocate() }
        // What the body has left behind when it ended holds the pipes for as long as it lasts: what it prints is nobody's to wait for.
        while isKept || (isOpen[0] || isOpen[1]) && quiet < WarmBody.quietLimit {
            if !isKept, isCancelled { throw CancellationError() }
            var polled = [
                pollfd(fd: isOpen[0] ? outputs[0] : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: isOpen[1] ? outputs[1] : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: isKept ? socket : -1, events: Int16(POLLIN), revents: 0),
            ]
            let ready = poll(&polled, 3, isKept ? -1 : WarmBody.lookEvery)
            guard ready >= 0 || errno == EINTR else { break }
            quiet = ready == 0 ? quiet + WarmBody.lookEvery : 0
            for index in 0..<2 where polled[index].revents != 0 {
                let count = Glibc.read(outputs[index], buffer.baseAddress, buffer.count)
                if count <= 0 {
                    isOpen[index] = false
                } else if written[index].count + count > limit {
                    isTooMuch = true
                    cancel()
                } else {
                    written[index].append(contentsOf: buffer[..<count])
                }
            }
            guard polled[2].revents != 0 else { continue }
            let count = recv(socket, buffer.baseAddress, buffer.count, 0)
            let words = String(decoding: buffer[..<max(0, count)], as: UTF8.self).split(separator: " ")
            switch (words.first, words.last.flatMap { Int32($0) }) {
            case ("began"?, _): hasBegun = true
            case ("exited"?, let code?): (status, isKept) = (.exited(code), false)
            case ("signaled"?, let code?): (status, isKept) = (.signaled(code), false)
            default: isKept = false
            }
        }
        if isTooMuch { throw Failure.outputLimit }
        if isCancelled { throw CancellationError() }
        guard hasBegun else { throw Failure.notBegun }
        // A keeper that says nothing was killed, as the guard is then.
        return WarmInterpreter.Ended(
            status: status ?? .signaled(SIGKILL),
            output: String(decoding: written[0], as: UTF8.self),
            errors: String(decoding: written[1], as: UTF8.self)
        )
    }
}

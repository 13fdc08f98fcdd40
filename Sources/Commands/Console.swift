import Foundation
import LosslessJSON
import Operations
import Synchronization

/// Where commands write: documents and tables on standard output, progress and advice on standard error.
///
/// The only place from which texts reach a terminal: what in them a terminal would obey, or would forge a line, is shown instead.
public enum Console {
    /// Writes lines for people on standard output.
    static func print(_ lines: [String]) {
        write(lines.map { $0.visible + "\n" }.joined(), to: .standardOutput)
    }

    /// Writes one JSON document on standard output.
    static func print(_ document: JSON) { write(document.text(.pretty).visibleJSON + "\n", to: .standardOutput) }

    /// Writes one JSON document on standard output, as it is made.
    static func print(_ document: JSONDocument) {
        // What writing throws is that nobody reads it any more, which is no defect.
        try? document.write(to: write(part:))
    }

    /// Writes one JSON document on standard output, on one line.
    static func print(compact document: JSON) { write(document.text().visibleJSON + "\n", to: .standardOutput) }

    /// Writes a line on standard output.
    static func print(line: String) { print([line]) }

    /// Writes a text of several lines of Bailey's own, such as SQL, on standard output.
    static func print(text: String) {
        print(text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
    }

    /// Writes why the program fails on standard error.
    public static func complain(_ lines: [String]) {
        write("bailey: " + lines.map { $0.visible + "\n" }.joined(), to: .standardError)
    }

    /// Nobody reads standard output any more, or it takes nothing.
    struct ReaderGone: Error {}

    /// Why something that was printed did not get out (the disk is full); 0 if all did, or nobody wanted it.
    private static let failure = Mutex<Int32>(0)

    /// What the program ends with: where a document did not get out, no status may say that all is well.
    public static func status(_ wanted: Int32) -> Int32 {
        let code = failure.withLock { $0 }
        guard code != 0 else { return wanted }
        complain(["what was to be printed could not be written: \(String(cString: strerror(code))); it is not whole"])
        return ExitStatus.unreachable.rawValue
    }

    /// Notes that standard output takes nothing. A reader that has gone away (`| head`) is no defect.
    private static func note(_ code: Int32) {
        if code != EPIPE { failure.withLock { $0 = code } }
    }

    /// Writes bytes on standard output at once; the way for output without end, which must stop when nobody reads it.
    ///
    /// - Throws: `ReaderGone`, or `CancellationError` when the command was told to end.
    static func write(_ bytes: some ContiguousBytes) throws {
        try Task.checkCancellation()
        let code = bytes.withUnsafeBytes { put($0, on: STDOUT_FILENO) }
        guard code == 0 else {
            note(code)
            throw ReaderGone()
        }
    }

    /// Writes a part of a document of JSON on standard output at once.
    ///
    /// - Throws: `ReaderGone`; `CancellationError` when the command was told to end.
    static func write(part: String) throws { try write(Data(part.visibleJSON.utf8)) }

    /// Writes all of it; why it could not, or 0.
    private static func put(_ bytes: UnsafeRawBufferPointer, on descriptor: Int32) -> Int32 {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest)
            let written = Foundation.write(descriptor, part.baseAddress, part.count)
            if written >= 0 {
                guard written > 0 else { return EIO }
                rest = rest.dropFirst(written)
            } else if errno == EAGAIN {
                // A pipe that somebody else made not to wait.
                var polled = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&polled, 1, 1000)
            } else if errno != EINTR {
                return errno
            }
        }
        return 0
    }

    /// Writes a line of progress or advice on standard error.
    static func note(_ line: String) { write(line.visible + "\n", to: .standardError) }

    private static func write(_ text: String, to handle: FileHandle) {
        var text = text
        let code = text.withUTF8 { put(UnsafeRawBufferPointer($0), on: handle.fileDescriptor) }
        if code != 0, handle.fileDescriptor == STDOUT_FILENO { note(code) }
    }

    /// Writes a document to a path that somebody gave: a file in one piece, so that nobody finds half of it; into a device or a pipe, as it is.
    static func write(_ document: String, to path: String) throws {
        var found = stat()
        if stat(path, &found) == 0, found.st_mode & S_IFMT != S_IFREG {
            let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            defer { try? handle.close() }
            return try handle.write(contentsOf: Data(document.utf8))
        }
        try Data(document.utf8).write(to: URL(fileURLWithPath: WrittenPath.linked(path)), options: .atomic)
    }
}

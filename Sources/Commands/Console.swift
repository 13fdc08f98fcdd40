import Foundation
import LosslessJSON

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

    /// Nobody reads standard output any more.
    struct ReaderGone: Error {}

    /// Writes bytes on standard output at once; the way for output without end, which must stop when nobody reads it.
    ///
    /// - Throws: `ReaderGone`, or `CancellationError` when the command was told to end.
    static func write(_ bytes: some ContiguousBytes) throws {
        try Task.checkCancellation()
        try bytes.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let written = Foundation.write(
                    STDOUT_FILENO,
                    UnsafeRawBufferPointer(rebasing: rest).baseAddress,
                    rest.count
                )
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { throw ReaderGone() }
                rest = rest.dropFirst(written)
            }
        }
    }

    /// Writes a line of progress or advice on standard error.
    static func note(_ line: String) { write(line.visible + "\n", to: .standardError) }

    private static func write(_ text: String, to handle: FileHandle) {
        // A reader that has gone away (`| head`) is no defect.
        try? handle.write(contentsOf: Data(text.utf8))
    }
}

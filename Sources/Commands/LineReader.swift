import Foundation

/// The lines of a file descriptor as bytes, as they arrive: what is not UTF-8 stays what it is.
struct LineReader: IteratorProtocol {
    private let descriptor: Int32
    private var waiting: [UInt8] = []
    private var position = 0
    private var atEnd = false

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// The next line without its end; nil at the end of the file, or when it can no longer be read.
    mutating func next() -> ArraySlice<UInt8>? {
        var searched = position
        while true {
            if let end = waiting[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { position = end + 1 }
                return waiting[position..<end]
            }
            if atEnd {
                defer { position = waiting.count }
                return position < waiting.count ? waiting[position...] : nil
            }
            waiting.removeSubrange(..<position)
            position = 0
            searched = waiting.count
            fill()
        }
    }

    private mutating func fill() {
        let old = waiting.count
        waiting += [UInt8](repeating: 0, count: 1 << 16)
        var read = -1
        repeat {
            read = waiting.withUnsafeMutableBytes { buffer in
                Foundation.read(descriptor, buffer.baseAddress?.advanced(by: old), buffer.count - old)
            }
        } while read < 0 && errno == EINTR
        waiting.removeSubrange((old + max(0, read))...)
        atEnd = read <= 0
    }
}

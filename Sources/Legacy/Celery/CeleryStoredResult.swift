import CZlib
import LosslessJSON

/// What Celery's result backend stores, as the JSON that the worker wrote. `bailey_runtime.celery_answers.record` reads the same.
enum CeleryStoredResult {
    case record(JSON)
    /// Why it cannot be read, and what to change.
    case unread(String)

    /// Why a record cannot be read that is no record at all.
    static let notJSON = "not a JSON record of Celery's"

    /// What Celery 5.7 puts before what it has compressed; a name and a zero byte follow.
    private static let compressed = Array("\u{0}celery-compressed\u{0}".utf8)
    /// A result that is larger than this was made to be: so much may one record take of this process.
    private static let most = 256 << 20

    /// Reads what is stored.
    init(_ stored: [UInt8]) {
        var bytes = stored
        if stored.starts(with: CeleryStoredResult.compressed) {
            let rest = stored.dropFirst(CeleryStoredResult.compressed.count)
            let end = rest.firstIndex(of: 0) ?? rest.endIndex
            let kind = String(decoding: rest[..<end], as: UTF8.self)
            guard kind == "application/x-gzip" else {
                self = .unread("compressed as \(kind): only result_compression gzip and zlib are read")
                return
            }
            guard let whole = CeleryStoredResult.inflated(Array(rest[end...].dropFirst())) else {
                self = .unread("compressed as \(kind), and torn or larger than \(CeleryStoredResult.most >> 20) MB")
                return
            }
            bytes = whole
        }
        if bytes.first == 0x80 {
            self = .unread("pickled, and it stays closed: set result_serializer to json in the Celery application")
            return
        }
        do {
            self = .record(try JSON(parsing: bytes))
        } catch  where error.kind == .loneSurrogate {
            guard let json = try? JSON(parsing: HalfSurrogates.spelled(bytes)) else {
                self = .unread(CeleryStoredResult.notJSON)
                return
            }
            self = .record(json)
        } catch {
            self = .unread(CeleryStoredResult.notJSON)
        }
    }

    /// What zlib or gzip has compressed; nil if it is torn, or more than any result.
    private static func inflated(_ bytes: [UInt8]) -> [UInt8]? {
        var stream = z_stream()
        // Both forms, told apart by their beginnings.
        let eitherForm = MAX_WBITS + 32
        guard inflateInit2_(&stream, eitherForm, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            return nil
        }
        defer { inflateEnd(&stream) }
        var input = bytes
        var output: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 64 << 10)
        // The stream keeps the addresses, and is used only while the buffers stay where they are.
        let isWhole = input.withUnsafeMutableBufferPointer { input in
            stream.next_in = input.baseAddress
            stream.avail_in = UInt32(clamping: input.count)
            while true {
                let (status, made) = room.withUnsafeMutableBufferPointer { room in
                    stream.next_out = room.baseAddress
                    stream.avail_out = UInt32(room.count)
                    let status = inflate(&stream, Z_NO_FLUSH)
                    return (status, room.count - Int(stream.avail_out))
                }
                output += room[..<made]
                if status == Z_STREAM_END { return true }
                guard status == Z_OK, output.count <= most else { return false }
            }
        }
        return isWhole ? output : nil
    }
}

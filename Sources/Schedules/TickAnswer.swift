import LosslessJSON

/// Answers questions as lines of JSON, in pieces: memory does not grow with the number of ticks.
public struct TickAnswer {
    private static let pieceSize = 1 << 15
    /// The longest text of one tick with its comma.
    private static let longest = 32
    private var piece = [UInt8](repeating: 0, count: TickAnswer.pieceSize + TickAnswer.longest)
    private var used = 0
    private let write: ([UInt8]) throws -> Void

    /// - Parameter write: takes the pieces; whole lines with their ends, but a long line comes in several pieces.
    public init(write: @escaping ([UInt8]) throws -> Void) { self.write = write }

    /// Answers a line of JSON, with the ticks or with the error.
    ///
    /// - Throws: only what `write` throws.
    public mutating func answer(line: some Collection<UInt8>, zones: ZoneDatabase) throws {
        let query: TickQuery
        do {
            let json: JSON
            do { json = try JSON(parsing: line) } catch {
                throw ScheduleError(.badRequest, "the line is not JSON: \(error)")
            }
            query = try TickQuery(json, zones: zones)
        } catch {
            let failure = error as? ScheduleError ?? ScheduleError(.badRequest, "\(error)")
            let answer = JSON.object([
                "error": ["code": .string(failure.code.rawValue), "message": .string(failure.message)]
            ])
            try write(Array((answer.text() + "\n").utf8))
            return
        }
        try answer(query)
    }

    /// Answers a question.
    ///
    /// - Throws: only what `write` throws.
    public mutating func answer(_ query: TickQuery) throws {
        append(#"{"ticks":["#)
        var first = true
        let end = try query.each { tick in
            if !first {
                piece[used] = UInt8(ascii: ",")
                used += 1
            }
            first = false
            append(tick)
            if used >= TickAnswer.pieceSize { try flush() }
            return true
        }
        append("],\"end\":\(end.map { "\"\($0)\"" } ?? "null")}\n")
        try flush()
    }

    private mutating func flush() throws {
        try write(Array(piece[..<used]))
        used = 0
    }

    private mutating func append(_ text: String) {
        for byte in text.utf8 {
            piece[used] = byte
            used += 1
        }
    }

    /// Whole seconds two digits at a time, which is what nearly all ticks are.
    private mutating func append(_ tick: Instant) {
        let seconds = tick.seconds
        guard seconds > 0, tick.microseconds == seconds * 1_000_000 else { return append(tick.secondsText) }
        var width = 10
        if seconds < 1_000_000_000 || seconds >= 10_000_000_000 { width = String(seconds).utf8.count }
        var rest = UInt64(seconds)
        var at = used + width
        used = at
        // Unchecked, for this is where the time of a long answer goes: a piece has room for the longest tick beyond its size.
        piece.withUnsafeMutableBufferPointer { piece in
            while rest >= 10 {
                let pair = Int(truncatingIfNeeded: rest % 100)
                rest /= 100
                at -= 2
                piece[at] = UInt8(truncatingIfNeeded: 48 + pair / 10)
                piece[at + 1] = UInt8(truncatingIfNeeded: 48 + pair % 10)
            }
            if rest > 0 { piece[at - 1] = UInt8(truncatingIfNeeded: 48 + rest) }
        }
    }
}

import LosslessJSON

/// Answers questions as lines of JSON, in pieces: memory does not grow with the number of ticks.
public struct TickAnswer {
    private static let pieceSize = 1 << 15
    private var piece: [UInt8] = []
    private let write: ([UInt8]) throws -> Void

    /// - Parameter write: takes the pieces; whole lines with their ends, but a long line comes in several pieces.
    public init(write: @escaping ([UInt8]) throws -> Void) {
        self.write = write
        piece.reserveCapacity(TickAnswer.pieceSize + 64)
    }

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
            piece += Array(answer.text().utf8)
            try endLine()
            return
        }
        try answer(query)
    }

    /// Answers a question.
    ///
    /// - Throws: only what `write` throws.
    public mutating func answer(_ query: TickQuery) throws {
        piece += Array("{\"ticks\":[".utf8)
        var first = true
        let end = try query.each { tick in
            if !first { piece.append(UInt8(ascii: ",")) }
            first = false
            append(tick)
            if piece.count >= TickAnswer.pieceSize { try flush() }
            return true
        }
        piece += Array("],\"end\":\(end.map { "\"\($0)\"" } ?? "null")}".utf8)
        try endLine()
    }

    private mutating func endLine() throws {
        piece.append(UInt8(ascii: "\n"))
        try flush()
    }

    private mutating func flush() throws {
        try write(piece)
        piece.removeAll(keepingCapacity: true)
    }

    /// Whole seconds digit by digit, which is what nearly all ticks are.
    private mutating func append(_ tick: Instant) {
        var rest = tick.seconds
        guard rest > 0, tick.microseconds == rest * 1_000_000 else {
            piece += Array(tick.secondsText.utf8)
            return
        }
        let start = piece.count
        while rest > 0 {
            piece.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        }
        piece[start...].reverse()
    }
}

import LosslessJSON

/// Answers questions as lines of JSON, in pieces: memory does not grow with the number of ticks.
public struct TickAnswer {
    private static let pieceSize = 1 << 16
    private var text = TickText(capacity: TickAnswer.pieceSize + TickQuery.batchSize * TickText.longestTick)
    private let write: (ArraySlice<UInt8>) throws -> Void

    /// - Parameter write: takes the pieces; whole lines with their ends, but a long line comes in several pieces.
    public init(write: @escaping (ArraySlice<UInt8>) throws -> Void) { self.write = write }

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
            try write(Array((answer.text() + "\n").utf8)[...])
            return
        }
        try answer(query)
    }

    /// Answers a question.
    ///
    /// - Throws: only what `write` throws.
    public mutating func answer(_ query: TickQuery) throws {
        text.append(#"{"ticks":["#)
        text.beginList()
        let end = try query.batches { ticks in
            text.append(ticks)
            if text.bytes.count >= TickAnswer.pieceSize { try flush() }
        }
        text.append("],\"end\":\(end.map { "\"\($0)\"" } ?? "null")}\n")
        try flush()
    }

    private mutating func flush() throws {
        try write(text.bytes)
        text.removeAll()
    }
}

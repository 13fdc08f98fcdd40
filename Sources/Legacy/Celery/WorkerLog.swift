/// Reads a Celery worker's log, line by line: what a run took stands in the line that tells of its end, so that neither the log's zone nor its
/// locale nor the rest of its format matters.
///
/// Only the worker's own messages count. What a task printed, logged, returned or raised may look like one: it stands behind other words.
public struct WorkerLog: Sendable {
    /// A run that ended in success.
    public struct Run: Sendable, Hashable {
        /// The id of its message.
        public var id: String
        /// The name of its task.
        public var task: String
        /// How long its last attempt took; nil where an attempt before it failed, so that nobody knows how long it took in all.
        public var seconds: Double?
    }

    /// Lines that were read.
    public private(set) var lines = 0
    /// Runs that succeeded at their first attempt, or at a later one.
    public private(set) var runs: [String: Run] = [:]
    /// Messages that were tried again.
    public private(set) var retried: Set<String> = []
    /// Messages of which a run failed, was rejected or was killed by a time limit.
    public private(set) var failed: Set<String> = []
    /// Messages that were received and of whose end no line tells: a worker that crashed, or another part of the log.
    public var open: Int { received.subtracting(ended).count }
    /// The first and the last time that a line tells, as the log writes it, in its own zone.
    public private(set) var span: (first: String, last: String)?
    private var received: Set<String> = []
    private var ended: Set<String> = []

    /// An empty log.
    public init() {}

    /// Whether any line told of a task.
    public var tellsOfTasks: Bool { !received.isEmpty || !ended.isEmpty || !retried.isEmpty }

    /// Takes the next line, without its end.
    public mutating func take(_ bytes: some Sequence<UInt8>) {
        lines += 1
        // Most lines are the tasks' own: those are given up at once.
        let kept = WorkerLog.plain(bytes)
        guard WorkerLog.mayTell(kept) else { return }
        let line = String(decoding: kept, as: UTF8.self)
        guard let found = WorkerLog.message(line) else { return }
        if let time = WorkerLog.time(line) { span = (span?.first ?? time, time) }
        switch found.rest {
        case let rest where rest.hasPrefix("received"): received.insert(found.id)
        case let rest where rest.hasPrefix("succeeded in ") && found.isInformation:
            guard let seconds = WorkerLog.seconds(rest.dropFirst("succeeded in ".count)) else { return }
            // Without a level what a task printed looks the same, and so does the second line of what it said; but what the worker did not receive
            // it did not run.
            guard found.hasLevel || received.contains(found.id) else { return }
            ended.insert(found.id)
            guard runs[found.id] == nil else { return }
            runs[found.id] = Run(id: found.id, task: found.task, seconds: retried.contains(found.id) ? nil : seconds)
        case let rest where rest.hasPrefix("retry:"):
            retried.insert(found.id)
            // A log that was turned over and is read in the other order tells of the success first.
            runs[found.id]?.seconds = nil
        case let rest where WorkerLog.failures.contains(where: rest.hasPrefix):
            ended.insert(found.id)
            failed.insert(found.id)
        default: break
        }
    }

    private static let failures = ["raised ", "INTERNAL ERROR", "rejected", "ignored"]
    private static let levels = ["INFO", "ERROR", "WARNING", "CRITICAL", "DEBUG"]

    /// What a line of the worker's own says: `Task name[id] …`.
    private struct Message {
        var task: String
        var id: String
        var rest: Substring
        /// Whether its level is that of a success, or the log writes none.
        var isInformation: Bool
        /// Whether the log writes its level.
        var hasLevel: Bool
    }

    private static func message(_ line: String) -> Message? {
        guard let start = line.firstRange(of: "Task ") else { return nil }
        let before = line[..<start.lowerBound]
        guard let level = level(before) else { return nil }
        let rest = line[start.upperBound...]
        guard let end = rest.firstIndex(of: "]"), let begin = rest[..<end].lastIndex(of: "["), begin > rest.startIndex
        else { return nil }
        let (task, id) = (rest[..<begin], rest[rest.index(after: begin)..<end])
        let after = rest.index(after: end)
        guard !id.isEmpty, !task.contains(" "), after < rest.endIndex, rest[after] == " " else { return nil }
        return Message(
            task: String(task),
            id: String(id),
            rest: rest[rest.index(after: after)...],
            isInformation: level != .other,
            hasLevel: level != .none
        )
    }

    /// The level of the worker's own messages.
    private enum Level { case information, other, none }

    /// The level of a message that such text stands before; nil where it is not the worker's own.
    ///
    /// Between the level and the message of a task's own logger its name stands, in brackets; before a line of a traceback the exception's type.
    private static func level(_ before: Substring) -> Level? {
        let words = before.uppercased()
        let found = levels.compactMap { level in words.ranges(of: level).last.map { (level, $0) } }
        guard let (level, place) = found.max(by: { $0.1.lowerBound < $1.1.lowerBound }) else {
            // A format without a level: a time, and no word.
            return before.allSatisfy { !$0.isLetter || $0 == "T" || $0 == "Z" } ? Level.none : nil
        }
        // `ValueError: Task …` of a traceback has the level in the middle of a word.
        if let last = words[..<place.lowerBound].last, last.isLetter { return nil }
        let between = words[place.upperBound...]
        let isCelerys = between.contains("CELERY.APP.TRACE") || between.contains("CELERY.WORKER")
        // Celery's own form has the process after the level; JSON has the name of the field. Any other word is a logger of the application's.
        let isPlain = between.hasPrefix("/") || !between.contains(where: \.isLetter)
        let isField = ["\"MESSAGE\"", "\"MSG\"", "\"EVENT\""].contains {
            between.contains($0) && !between.replacing($0, with: "").contains(where: \.isLetter)
        }
        guard isCelerys || (isPlain || isField) && !between.contains("[") else { return nil }
        return level == "INFO" ? .information : .other
    }

    /// `0.0123s:`, `1.5e-05s:`.
    private static func seconds(_ text: Substring) -> Double? {
        guard let end = text.firstIndex(of: "s"), !text[..<end].contains("x"), let seconds = Double(text[..<end]),
            seconds.isFinite, (0...315_360_000).contains(seconds)
        else { return nil }
        return seconds
    }

    /// The time that a line begins with as Celery writes it, `2026-11-30 02:00:34`; nil of other formats.
    private static func time(_ line: String) -> String? {
        let text = line.drop { $0 == "[" || $0 == " " }.prefix(19)
        let form = text.map { $0.isASCII && $0.isNumber ? "0" : $0 }
        return String(form) == "0000-00-00 00:00:00" ? String(text) : nil
    }

    /// Whether a line may be one of a worker's own about a task.
    private static func mayTell(_ bytes: [UInt8]) -> Bool {
        let wanted = Array("Task ".utf8)
        guard bytes.count > wanted.count else { return false }
        return (0...(bytes.count - wanted.count)).contains { start in
            bytes[start] == wanted[0] && bytes[start..<(start + wanted.count)].elementsEqual(wanted)
        }
    }

    /// A line without the colours of a terminal.
    private static func plain(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var kept: [UInt8] = []
        var inside = false
        var isFirst = false
        for byte in bytes {
            if inside {
                // `ESC [ … letter`.
                if isFirst {
                    isFirst = false
                    inside = byte == UInt8(ascii: "[")
                } else if (0x40...0x7e).contains(byte) {
                    inside = false
                }
            } else if byte == 0x1b {
                (inside, isFirst) = (true, true)
            } else if byte != UInt8(ascii: "\r") {
                kept.append(byte)
            }
        }
        return kept
    }
}

import Foundation
import LosslessJSON
import Migration
import Schedules
import Shadow
import Store

/// Compares and stores the pairs of a file, and says what that took. The file is read as it is needed, so that memory shows what comparing takes.
@main struct PairsBenchmark {
    private let store: StateStore
    private let clock = ContinuousClock()
    private var comparing = Duration.zero
    private var storing = Duration.zero
    private var pending: [Comparison] = []
    private var count = 0
    private var differing = 0

    static func main() throws {
        let words = ProcessInfo.processInfo.arguments
        guard words.count == 3, let file = fopen(words[1], "r") else {
            print("usage: PairsBenchmark PAIRS STATE")
            exit(2)
        }
        var benchmark = PairsBenchmark(store: try StateStore(path: words[2]))
        while let line = line(of: file) { try benchmark.take(line) }
        try benchmark.write()
        benchmark.tell()
    }

    private init(store: StateStore) { self.store = store }

    private mutating func take(_ line: String) throws {
        let both = try JSON(parsing: line)
        let key = Outcome.Key(entry: EntryID(source: "s", name: "e"), job: "\(count)")
        func outcome(_ side: Outcome.Side, _ result: JSON?) -> Outcome {
            Outcome(
                key: key,
                side: side,
                run: "\(count)",
                state: .success,
                arguments: ["args": [], "kwargs": [:]],
                result: result
            )
        }
        let (legacy, shadow) = (outcome(.legacy, both[0]), outcome(.shadow, both[1]))
        let began = clock.now
        let comparison = OutcomeComparison.compare(legacy, shadow, pipeline: "p", rules: CompareRules())
        comparing += clock.now - began
        if comparison.verdict == .mismatch { differing += 1 }
        pending.append(comparison)
        count += 1
        if pending.count == 500 { try write() }
    }

    private mutating func write() throws {
        let began = clock.now
        try store.save(pending, at: Instant(seconds: 0), forms: ["p": "form"])
        storing += clock.now - began
        pending = []
    }

    private func tell() {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        print("bailey compares     \(each(comparing)) µs a pair (\(differing) of \(count) differ)")
        print("bailey stores       \(each(storing)) µs a pair")
        print("memory at the most  \(usage.ru_maxrss / 1024) MB")
    }

    private func each(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        return String(format: "%8.1f", (Double(seconds) * 1e6 + Double(attoseconds) / 1e12) / Double(max(1, count)))
    }

    /// The next line; nil at the end of the file.
    private static func line(of file: UnsafeMutablePointer<FILE>) -> String? {
        var buffer: UnsafeMutablePointer<CChar>?
        var size = 0
        defer { free(buffer) }
        guard getline(&buffer, &size, file) > 0, let buffer else { return nil }
        return String(cString: buffer)
    }
}

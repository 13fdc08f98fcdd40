import Foundation
import TestSupport
import Testing

/// Drives a reader with real texts in which values are replaced by extreme ones, bytes changed, parts cut or repeated.
///
/// `BAILEY_READER_INPUTS` sets how many inputs each reader gets, `BAILEY_SEED` the seed, which is printed. Should an input end the process,
/// it stands in the file that is named at the start.
struct Drive {
    /// Values that once hurt, or that lie at the end of a type; a find is added here.
    static let extremes = [
        "1e-9223372036854775808", "1e9223372036854775808", "9223372036854775807", "-9223372036854775808",
        "9223372036854775809", "99999999999999999999999999", "1e308", "-1e308", "1e400", "NaN", "Infinity", "-Infinity",
        "0", "-0", "-1", "60", "294276", "2147483648", "-2147483649", "4294967296", "-0.0", "1e-320", "0.1e1",
        "253402300800", "-62135596801", "9007199254740993", "null", "true", "false", "\"\"", "\"9223372036854775808\"",
        "[]", "{}", "[[[]]]", "\"\\ud800\"", "\"\\u0000\"", "\"+99:99\"", "\"*/9223372036854775809\"",
        "\"9223372036854775809\"", "\"1-9223372036854775809\"", "\"١٢\"", "\"../../etc/passwd\"",
        "\"\\u001b]0;x\\u0007\\u202e\"", "\"9223372036854775807\"", "\"-9223372036854775808\"",
        "{\"__type__\":\"weekday\",\"wkday\":4,\"n\":-9223372036854775808}",
        "{\"__type__\":\"weekday\",\"wkday\":4,\"n\":9223372036854775807}",
        "{\"__type__\":\"datetime\",\"year\":9999,\"month\":12,\"day\":31,\"hour\":23,\"timezone\":-86399}",
        "{\"__type__\":\"interval\",\"every\":31557599999,\"relative\":true}",
        "\"294276-12-31T23:59:59Z\"", "\"9999-12-31T23:59:59-23:59\"", "\"0000-01-01T00:00:00+23:59\"",
        "\"292277026596-12-04T15:30:07.999999Z\"", "infinity", "-infinity", "'0044-03-15 BC'",
        "{\"days\":1e308,\"seconds\":-1e308}", "9223372036854775807d", "99999999999999999999h", "1e308d",
        "0x7fffffffffffffff",
        "!!python/object/apply:os.system [id]", "&a [*a]", "*a", "~", "1:60:60", "<<", "${HOME}", "$${", "${",
        "\"(a+)+$\"",
    ].map { Array($0.utf8) }

    /// The reader's name.
    let name: String
    /// Real texts.
    let corpus: [[UInt8]]
    /// How many of the inputs this reader gets; slow ones get fewer.
    var share = 1.0

    /// Reads every input; each has to be accounted for (`read` is true) and to take less than a second of the processor's time.
    func run(_ read: ([UInt8]) throws -> Bool) throws {
        let environment = ProcessInfo.processInfo.environment
        let all = environment["BAILEY_READER_INPUTS"].flatMap { Int($0) } ?? 4_000
        let count = max(1, Int(Double(all) * share))
        let seed = environment["BAILEY_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0...UInt64.max)
        let trace = FileManager.default.temporaryDirectory.appendingPathComponent("bailey-reader-\(UUID().uuidString)")
        let file = open(trace.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        try #require(file >= 0)
        defer {
            close(file)
            unlink(trace.path)
        }
        print("\(name): \(count) inputs, BAILEY_SEED=\(seed), the one at hand in \(trace.path)")
        var random = SplitMix(state: seed)
        var accounted = 0
        var slowest = 0.0
        for _ in 0..<count {
            let input = mutated(corpus.randomElement(using: &random) ?? [], &random)
            _ = input.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) }
            ftruncate(file, off_t(input.count))
            let start = Drive.seconds()
            if try read(input) {
                accounted += 1
            } else {
                Issue.record("\(name): not accounted for: \(String(decoding: input, as: UTF8.self))")
            }
            let took = Drive.seconds() - start
            slowest = max(slowest, took)
            if took > 1 { Issue.record("\(name): \(took) s: \(String(decoding: input.prefix(2000), as: UTF8.self))") }
        }
        #expect(accounted == count)
        print("\(name): \(accounted) accounted for, the slowest took \(slowest) s")
    }

    /// Of this thread: others on the machine do not count.
    private static func seconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private func mutated(_ text: [UInt8], _ random: inout SplitMix) -> [UInt8] {
        var bytes = text
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            switch Int.random(in: 0..<12, using: &random) {
            case 0 where !bytes.isEmpty:
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            case 1 where !bytes.isEmpty: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
            case 2 where !bytes.isEmpty && bytes.count < 20_000:
                let from = Int.random(in: 0..<bytes.count, using: &random)
                let part = Array(bytes[from..<min(bytes.count, from + 200)])
                bytes.insert(contentsOf: part, at: Int.random(in: 0...bytes.count, using: &random))
            default: replaceValue(&bytes, &random)
            }
        }
        return bytes
    }

    /// Puts an extreme value where a value stands after a colon, or where there are none, a line.
    private func replaceValue(_ bytes: inout [UInt8], _ random: inout SplitMix) {
        let value = Drive.extremes.randomElement(using: &random) ?? []
        let colons = bytes.indices.filter { bytes[$0] == UInt8(ascii: ":") }
        guard let colon = colons.randomElement(using: &random) else {
            bytes.replaceSubrange(bytes.indices.randomElement(using: &random).map { $0..<$0 + 1 } ?? 0..<0, with: value)
            return
        }
        var end = colon + 1
        var depth = 0
        while end < bytes.count {
            let byte = bytes[end]
            if depth == 0, [UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"), 0x0A, 0x0D].contains(byte) {
                break
            }
            if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") { depth += 1 }
            if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") { depth -= 1 }
            end += 1
        }
        // In YAML a value needs its distance.
        bytes.replaceSubrange(colon + 1..<end, with: [0x20] + value)
    }
}

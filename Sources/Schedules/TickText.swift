/// Ticks as numbers of JSON. This is where the time of a long answer goes, so ticks that lie close together share their upper digits.
struct TickText {
    /// The longest text of one tick with its comma, and what is written beyond it and then overwritten.
    static let longestTick = 32
    /// `0000` to `9999`, as their bytes lie in memory.
    private static let quads: [UInt32] = (0..<10_000).map(quad)

    private var storage: [UInt8]
    private var used = 0
    private let quads = TickText.quads
    private var isFirst = true
    /// The multiple of 10,000 seconds whose upper digits, with a comma before them, are in `head`; at first one that no tick has.
    private var base = UInt64.max / 2
    private var head: UInt64 = 0
    private var headLength = 0

    /// No text yet.
    ///
    /// - Parameter capacity: the bytes that are taken before `removeAll`.
    init(capacity: Int) { storage = [UInt8](repeating: 0, count: capacity) }

    /// The text so far.
    var bytes: ArraySlice<UInt8> { storage[..<used] }

    mutating func removeAll() { used = 0 }

    /// Appends a short text.
    mutating func append(_ text: String) {
        for byte in text.utf8 {
            storage[used] = byte
            used += 1
        }
    }

    /// The next tick is the first of its list.
    mutating func beginList() { isFirst = true }

    /// Appends the ticks of a list, or more of them.
    mutating func append(_ ticks: ArraySlice<Instant>) {
        var rest = ticks
        if isFirst, let first = rest.popFirst() {
            append(first.secondsText)
            isFirst = false
        }
        while !rest.isEmpty {
            rest = rest.dropFirst(appendWhole(rest))
            // What remains begins with a fraction of a second, in the first hours of 1970, or after the year 5138.
            if let tick = rest.popFirst() { append("," + tick.secondsText) }
        }
    }

    /// Appends ticks until one that is no whole second of five to eleven digits.
    ///
    /// - Returns: how many.
    private mutating func appendWhole(_ ticks: ArraySlice<Instant>) -> Int {
        precondition(storage.count - used >= ticks.count * TickText.longestTick)
        var (position, base, head, headLength) = (used, base, head, headLength)
        defer { (used, self.base, self.head, self.headLength) = (position, base, head, headLength) }
        // Unchecked: there is room for each, as was made sure of.
        return storage.withUnsafeMutableBytes { storage in
            quads.withUnsafeBufferPointer { quads in
                ticks.withUnsafeBufferPointer { ticks in
                    for index in ticks.indices {
                        let microseconds = UInt64(bitPattern: ticks[index].microseconds)
                        let seconds = microseconds / 1_000_000
                        guard seconds &* 1_000_000 == microseconds else { return index }
                        if seconds &- base >= 10_000 {
                            guard TickText.wholes.contains(seconds) else { return index }
                            base = seconds / 10_000 * 10_000
                            (head, headLength) = TickText.head(seconds / 10_000)
                        }
                        storage.storeBytes(of: head, toByteOffset: position, as: UInt64.self)
                        position += headLength
                        storage.storeBytes(of: quads[Int(seconds &- base)], toByteOffset: position, as: UInt32.self)
                        position += 4
                    }
                    return ticks.count
                }
            }
        }
    }

    private static let wholes: Range<UInt64> = 10_000..<100_000_000_000

    /// A comma and the digits of a number of at most seven, as their bytes lie in memory, and how many they are.
    private static func head(_ number: UInt64) -> (word: UInt64, length: Int) {
        var (rest, word, length) = (number, UInt64(0), 1)
        while rest > 0 {
            word = word << 8 | UInt64(UInt8(ascii: "0")) + rest % 10
            rest /= 10
            length += 1
        }
        return ((word << 8 | UInt64(UInt8(ascii: ","))).littleEndian, length)
    }

    /// The four digits of a number below 10,000, as their bytes lie in memory.
    private static func quad(_ number: UInt32) -> UInt32 {
        var word: UInt32 = 0
        for power: UInt32 in [1, 10, 100, 1000] { word = word << 8 | UInt32(UInt8(ascii: "0")) + number / power % 10 }
        return word.littleEndian
    }
}

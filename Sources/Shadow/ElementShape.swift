import LosslessJSON
import Migration

/// What of an element no rule lets differ, as a hash of 128 bits: two elements of different shapes can never stand for each other.
struct ElementShape: Hashable {
    private(set) var high: UInt64 = 0xCBF2_9CE4_8422_2325
    private(set) var low: UInt64 = 0x9AE1_6A3B_2F90_404F

    mutating func add(_ word: UInt64) {
        high = (high ^ word) &* 0x9FB2_1C65_1E98_DF25
        high ^= high >> 29
        low = (low &+ word) &* 0xD6E8_FEB8_6659_FD93
        low ^= low >> 32
    }

    mutating func add(_ text: String) {
        var text = text
        add(UInt64(text.utf8.count))
        text.withUTF8 { bytes in
            var word: UInt64 = 0
            for (index, byte) in bytes.enumerated() {
                word = word << 8 | UInt64(byte)
                if index & 7 == 7 {
                    add(word)
                    word = 0
                }
            }
            add(word)
        }
    }

    mutating func add(_ other: ElementShape) {
        add(other.high)
        add(other.low)
    }

    /// Adds parts in whatever order they came.
    mutating func add(anyOrder parts: [ElementShape]) {
        add(UInt64(parts.count))
        var sum = ElementShape()
        for part in parts {
            sum.high = sum.high &+ part.high &* 0xA24B_AED4_963E_E407
            sum.low = sum.low &+ part.low &* 0x9FB2_1C65_1E98_DF25
        }
        add(sum)
    }
}

/// Reads the shape of an element, and the numbers that a tolerance lets differ, in the order of their places.
struct ElementReading {
    let rules: CompiledRules
    private(set) var shape = ElementShape()
    private(set) var numbers: [(value: Double, rule: Int)] = []

    init(rules: CompiledRules) { self.rules = rules }

    mutating func read(_ value: JSON, _ meeting: Meeting) {
        if meeting.first(\.ignore) != nil {
            shape.add(1)
            return
        }
        switch value {
        case .null: shape.add(2)
        case .bool(let flag): shape.add(flag ? 3 : 4)
        case .number(let number):
            shape.add(5)
            if let rule = meeting.first(\.tolerance), number.double.isFinite {
                numbers.append((number.double, rule))
            } else {
                shape.add(number.canonical)
            }
        case .string(let text):
            shape.add(6)
            if let rule = meeting.first(\.pattern), let pattern = rules.patterns[rule] {
                shape.add((try? pattern.matches(text)) == true ? 9 : 10)
            } else {
                shape.add(text)
            }
        case .array(let elements):
            shape.add(7)
            let isUnordered = meeting.first(\.unordered) != nil
            var parts: [(shape: ElementShape, numbers: [(value: Double, rule: Int)])] = []
            for (index, element) in elements.enumerated() {
                var inner = ElementReading(rules: rules)
                inner.read(element, meeting.at(index: index))
                parts.append((inner.shape, inner.numbers))
            }
            if isUnordered {
                shape.add(anyOrder: parts.map(\.shape))
                // In an order of their own, so that two arrays that can stand for each other begin with numbers that can.
                parts.sort { a, b in
                    (a.shape.high, a.shape.low, a.numbers.first?.value ?? 0)
                        < (b.shape.high, b.shape.low, b.numbers.first?.value ?? 0)
                }
            } else {
                shape.add(UInt64(parts.count))
                for part in parts { shape.add(part.shape) }
            }
            numbers += parts.flatMap(\.numbers)
        case .object(let object):
            shape.add(8)
            var parts: [ElementShape] = []
            let latest = object.latest
            for key in latest.keys.sorted(by: { $0.text.utf8.lexicographicallyPrecedes($1.text.utf8) }) {
                guard let member = latest[key] else { continue }
                let inside = meeting.at(key: key.text)
                // A key that is ignored may be missing on one side.
                if inside.first(\.ignore) != nil { continue }
                var inner = ElementReading(rules: rules)
                inner.shape.add(key.text)
                inner.read(member, inside)
                parts.append(inner.shape)
                numbers += inner.numbers
            }
            shape.add(anyOrder: parts)
        }
    }
}

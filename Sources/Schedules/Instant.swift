/// A point in time, counted in microseconds since 1970-01-01T00:00:00Z without leap seconds: what Python's `datetime` and
/// PostgreSQL's `timestamptz` hold.
///
/// It lies in the years 1 to 9999, which are Python's and those that ISO 8601 can name: so each instant has a text, and the text is read back
/// as the same instant, wherever it is kept or sent.
public struct Instant: Sendable, Hashable, Comparable {
    /// Microseconds since the epoch.
    public let microseconds: Int64

    /// An instant of so many microseconds since the epoch; what lies beyond ``first`` and ``last`` ends there.
    public init(microseconds: Int64) {
        self.microseconds = max(Instant.first, min(Instant.last, microseconds))
    }

    /// An instant of so many whole seconds since the epoch; what lies beyond ``first`` and ``last`` ends there.
    public init(seconds: Int64) {
        let (product, overflows) = seconds.multipliedReportingOverflow(by: 1_000_000)
        self.init(microseconds: overflows ? (seconds < 0 ? .min : .max) : product)
    }

    /// An instant of so many seconds since the epoch, rounded to the microsecond; nil for no number, or one beyond ``first`` and ``last``.
    public init?(timestamp seconds: Double) {
        guard let micro = Int64(exactly: (seconds * 1_000_000).rounded()) else { return nil }
        self.init(exactMicroseconds: micro)
    }

    /// An instant of so many microseconds since the epoch; nil for one beyond ``first`` and ``last``.
    public init?(exactMicroseconds micro: Int64) {
        guard micro >= Instant.first, micro <= Instant.last else { return nil }
        microseconds = micro
    }

    // Computed, so that they are literals where they are used: every tick of a long span is made by them.

    /// The first instant of the year 1, in microseconds since the epoch.
    private static var first: Int64 { -62_135_596_800_000_000 }
    /// The last of the year 9999.
    private static var last: Int64 { 253_402_300_799_999_999 }

    /// Whole seconds since the epoch, rounded down.
    public var seconds: Int64 { microseconds.floorDivided(by: 1_000_000) }

    /// Seconds since the epoch as a floating-point number; loses digits beyond the microsecond.
    public var timestamp: Double { Double(microseconds) / 1_000_000 }

    /// The instant so many seconds later.
    public func adding(seconds: Int64) -> Instant {
        let (product, overflows) = seconds.multipliedReportingOverflow(by: 1_000_000)
        return adding(microseconds: overflows ? (seconds < 0 ? .min : .max) : product)
    }

    /// The instant so many microseconds later.
    public func adding(microseconds delta: Int64) -> Instant {
        let (sum, overflows) = microseconds.addingReportingOverflow(delta)
        return Instant(microseconds: overflows ? (delta < 0 ? .min : .max) : sum)
    }

    /// Seconds from another instant to this one.
    public func seconds(since other: Instant) -> Double {
        let (span, overflows) = microseconds.subtractingReportingOverflow(other.microseconds)
        return (overflows ? Double(microseconds) - Double(other.microseconds) : Double(span)) / 1_000_000
    }

    public static func < (a: Instant, b: Instant) -> Bool { a.microseconds < b.microseconds }

    /// 1970-01-01T00:00:00Z, the first instant that schedules are computed for.
    public static let earliest = Instant(microseconds: 0)
    /// 2101-01-01T00:00:00Z, the end of what schedules are computed for.
    public static let latest = Instant(seconds: 4_133_980_800)
}

extension Instant {
    /// The instant written as ISO 8601 (`2026-11-23T06:54:14Z`, `2026-11-23 06:54:14.305759+01:00`); nil if it is not one.
    ///
    /// The offset may be `Z`, `+hh`, `+hhmm` or `+hh:mm`; without one the text is refused, for a local time is not an instant.
    /// It is nil too where the year is 0, or the offset leads out of the years 1 to 9999.
    public init?(iso8601 text: String) {
        var scanner = DigitScanner(text)
        guard let year = scanner.number(4), year > 0, scanner.skip("-"), let month = scanner.number(2),
            scanner.skip("-"),
            let day = scanner.number(2), (1...12).contains(month), day >= 1,
            day <= CivilDate.daysInMonth(year: year, month: month),
            scanner.skip("T") || scanner.skip("t") || scanner.skip(" "),
            let hour = scanner.number(2), hour < 24, scanner.skip(":"), let minute = scanner.number(2), minute < 60
        else { return nil }
        var second = 0
        var fraction: Int64 = 0
        if scanner.skip(":") {
            guard let value = scanner.number(2), value < 60 else { return nil }
            second = value
            if scanner.skip(".") {
                guard let micro = scanner.fractionInMicroseconds() else { return nil }
                fraction = micro
            }
        }
        guard let offset = scanner.offsetInSeconds(), scanner.isAtEnd else { return nil }
        let days = CivilDate(year: year, month: month, day: day).epochDay
        let seconds = Int64(days) * 86_400 + Int64(hour * 3600 + minute * 60 + second - offset)
        self.init(exactMicroseconds: seconds * 1_000_000 + fraction)
    }

    /// The instant as ISO 8601 in UTC: `2026-11-23T06:54:14Z`, with six digits of fraction where it is not zero.
    public var iso8601: String {
        let whole = seconds
        let local = LocalTime(wallSeconds: whole)
        let fraction = microseconds - whole * 1_000_000
        let tail = fraction == 0 ? "" : "." + padded(Int(fraction), 6)
        return local.date.description + "T" + local.clock + tail + "Z"
    }
}

extension FixedWidthInteger {
    /// The quotient rounded towards minus infinity.
    @inlinable
    func floorDivided(by divisor: Self) -> Self {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}

/// A number with zeros in front to a width.
func padded(_ value: Int, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}

/// Reads the digits of a timestamp.
private struct DigitScanner {
    private let bytes: [UInt8]
    private var position = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    var isAtEnd: Bool { position == bytes.count }

    mutating func skip(_ character: Character) -> Bool {
        guard position < bytes.count, bytes[position] == character.asciiValue else { return false }
        position += 1
        return true
    }

    mutating func number(_ width: Int) -> Int? {
        guard position + width <= bytes.count else { return nil }
        var value = 0
        for byte in bytes[position..<position + width] {
            guard (48...57).contains(byte) else { return nil }
            value = value * 10 + Int(byte - 48)
        }
        position += width
        return value
    }

    mutating func fractionInMicroseconds() -> Int64? {
        var value: Int64 = 0
        var digits = 0
        while position < bytes.count, (48...57).contains(bytes[position]) {
            if digits < 6 { value = value * 10 + Int64(bytes[position] - 48) }
            digits += 1
            position += 1
        }
        guard digits > 0 else { return nil }
        for _ in stride(from: min(digits, 6), to: 6, by: 1) { value *= 10 }
        return value
    }

    mutating func offsetInSeconds() -> Int? {
        if skip("Z") || skip("z") { return 0 }
        let sign: Int
        if skip("+") { sign = 1 } else if skip("-") { sign = -1 } else { return nil }
        guard let hours = number(2), hours < 24 else { return nil }
        if isAtEnd { return sign * hours * 3600 }
        _ = skip(":")
        guard let minutes = number(2), minutes < 60 else { return nil }
        return sign * (hours * 3600 + minutes * 60)
    }
}

import Schedules
import Testing

@Suite("Instants lie in the years that have a text") struct InstantTests {
    /// What is read, and what is written then; nil for what is refused.
    @Test(
        arguments: [
            ("2026-11-23T06:54:14Z", "2026-11-23T06:54:14Z"),
            ("2026-11-23 06:54:14.305759+01:00", "2026-11-23T05:54:14.305759Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("0001-01-01T23:59:00+23:59", "0001-01-01T00:00:00Z"),
            ("0001-01-01T23:58:59.999999+23:59", nil), ("0001-01-01T00:00:00+00:01", nil),
            ("0001-01-01T00:00:00+23", nil),
            ("0001-01-01T00:00:00-00:01", "0001-01-01T00:01:00Z"),
            ("0000-12-31T23:59:59Z", nil), ("0000-12-31T23:00:00-02:00", nil), ("0000-01-01T00:00:00-23:59", nil),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
            ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999Z"),
            ("9999-12-31T00:00:59-23:59", "9999-12-31T23:59:59Z"), ("9999-12-31T00:01:00-23:59", nil),
            ("9999-12-31T23:59:59-00:01", nil), ("9999-12-31T23:59:59-2359", nil),
            ("9999-12-31T23:59:59+00:01", "9999-12-31T23:58:59Z"), ("10000-01-01T00:00:00Z", nil),
            ("-001-01-01T00:00:00Z", nil), ("2026-11-23T06:54:14+24:00", nil), ("2026-11-23T06:54:14", nil),
        ] as [(String, String?)]
    ) func whatLeadsOutOfTheCalendarIsRefused(_ text: String, _ written: String?) {
        #expect(Instant(iso8601: text)?.iso8601 == written)
    }

    /// A day is all instants whose local date it is: from its own first instant to the next one's, also where the clock is changed at midnight.
    @Test(arguments: [
        "Africa/Cairo", "America/Havana", "America/Asuncion", "Asia/Beirut", "Atlantic/Azores", "Australia/Lord_Howe",
        "Europe/Berlin", "UTC",
    ]) func aDayBeginsAtItsMidnight(_ name: String) throws {
        let zone = try ZoneDatabase().zone(name)
        func midnight(_ day: Int64) -> Instant { zone.instant(of: LocalTime(wallSeconds: day * 86_400)) }
        for day in Int64(19_723)..<21_184 {  // 2024 to 2027
            let (begin, end) = (midnight(day), midnight(day + 1))
            var at = begin
            while at < end {
                #expect(Int64(zone.local(at: at).date.epochDay) == day, "\(name) \(at.iso8601)")
                at = at.adding(seconds: 1800)
            }
            #expect(Int64(zone.local(at: begin.adding(microseconds: -1)).date.epochDay) == day - 1, "\(name) \(day)")
        }
    }

    @Test(arguments: [
        Int64.min, -62_135_596_800_000_001, -62_135_596_800_000_000, -1, 0, 253_402_300_799_999_999,
        253_402_300_800_000_000, .max,
    ]) func eachHasATextThatIsReadAsTheSame(_ microseconds: Int64) {
        let all = [
            Instant(microseconds: microseconds), Instant(seconds: microseconds),
            Instant(seconds: microseconds / 1_000_000),
            Instant.earliest.adding(microseconds: microseconds), Instant.latest.adding(seconds: microseconds),
            Instant(timestamp: Double(microseconds)) ?? .earliest,
            Instant(timestamp: Double(microseconds) / 1e6) ?? .earliest,
        ]
        for instant in all { #expect(Instant(iso8601: instant.iso8601) == instant, "\(instant.iso8601)") }
        let isOfTheCalendar = (-62_135_596_800_000_000...253_402_300_799_999_999).contains(microseconds)
        #expect((Instant(exactMicroseconds: microseconds) != nil) == isOfTheCalendar)
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity, 1e300, -1e300, 253_402_300_800, -62_135_596_801, 9.3e18])
    func aTimestampBeyondTheCalendarIsNone(_ seconds: Double) { #expect(Instant(timestamp: seconds) == nil) }

    @Test func aTimestampOfTheCalendarIsOne() {
        #expect(Instant(timestamp: 253_402_300_799)?.iso8601 == "9999-12-31T23:59:59Z")
        #expect(Instant(timestamp: -62_135_596_800)?.iso8601 == "0001-01-01T00:00:00Z")
        #expect(Instant(timestamp: 1.5) == Instant(microseconds: 1_500_000))
    }
}

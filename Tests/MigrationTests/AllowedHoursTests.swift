import Migration
import Schedules
import Testing

@Suite("Allowed hours") struct AllowedHoursTests {
    private let berlin: Zone
    init() throws { berlin = try ZoneDatabase().zone("Europe/Berlin") }

    private func instant(_ text: String) throws -> Instant { try #require(Instant(iso8601: text)) }

    @Test func workingHoursFollowTheWallClock() throws {
        let hours = AllowedHours(zone: berlin, days: Set(1...5), from: 9 * 60, until: 16 * 60)
        #expect(hours.text == "Mon, Tue, Wed, Thu, Fri 09:00–16:00 Europe/Berlin")
        // Friday, Saturday and Monday in winter; the same wall-clock time in summer is an hour earlier in UTC.
        let table: [(String, Bool, String?)] = [
            ("2026-11-20T07:59:59Z", false, "2026-11-20T08:00:00Z"), ("2026-11-20T08:00:00Z", true, nil),
            ("2026-11-20T14:59:59Z", true, nil), ("2026-11-20T15:00:00Z", false, "2026-11-23T08:00:00Z"),
            ("2026-11-21T10:00:00Z", false, "2026-11-23T08:00:00Z"), ("2026-07-06T07:00:00Z", true, nil),
            ("2026-07-06T06:59:00Z", false, "2026-07-06T07:00:00Z"),
        ]
        for (text, allowed, opens) in table {
            let moment = try instant(text)
            #expect(hours.contains(moment) == allowed, "\(text)")
            if !allowed { #expect(hours.opening(after: moment)?.iso8601 == opens, "\(text)") }
        }
    }

    @Test func aNightBelongsToTheDayItBeganOn() throws {
        // Fridays from 22:00 until 04:00 on Saturday.
        let hours = AllowedHours(zone: .utc, days: [5], from: 22 * 60, until: 4 * 60)
        let table = [
            ("2026-11-20T21:59:00Z", false), ("2026-11-20T22:00:00Z", true), ("2026-11-21T03:59:00Z", true),
            ("2026-11-21T04:00:00Z", false), ("2026-11-20T03:00:00Z", false), ("2026-11-21T23:00:00Z", false),
        ]
        for (text, allowed) in table { #expect(hours.contains(try instant(text)) == allowed, "\(text)") }
        #expect(hours.opening(after: try instant("2026-11-21T05:00:00Z"))?.iso8601 == "2026-11-27T22:00:00Z")
    }

    @Test func wholeDaysAndNoDays() throws {
        let always = AllowedHours(zone: berlin)
        #expect(
            always.contains(try instant("2026-11-20T23:00:00Z")) && always.text == "every day 00:00–24:00 Europe/Berlin"
        )
        #expect(AllowedHours(zone: .utc, days: []).opening(after: at(12)) == nil)
    }

    @Test func theirOpeningIsAlwaysAllowed() throws {
        // 02:30 does not exist on 29 March 2026 in Berlin; the hours then begin when the clock has been put forward.
        let hours = AllowedHours(zone: berlin, from: 2 * 60 + 30, until: 5 * 60)
        let opens = try #require(hours.opening(after: try instant("2026-03-28T12:00:00Z")))
        #expect(hours.contains(opens))
    }
}

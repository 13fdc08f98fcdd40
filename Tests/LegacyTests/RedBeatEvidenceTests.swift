import Foundation
import Legacy
import LosslessJSON
import Migration
import Redis
import Schedules
import TestSupport
import Testing

@Suite("RedBeat: zones and what is not there, on a real Redis", .timeLimit(.minutes(2))) struct RedBeatEvidenceTests {
    private let zones = ZoneDatabase()

    private func put(
        _ server: RedisServer,
        _ name: String,
        zone: String,
        day: Int,
        runs: Int?,
        prefix: String = "redbeat:",
        isStatic: Bool = false
    ) throws {
        let count = runs.map { #", "total_run_count": \#($0)"# } ?? ""
        let schedule = #"{"__type__": "crontab", "minute": "0", "hour": "9"}"#
        try server.cli(
            "HSET",
            "\(prefix)\(name)",
            "definition",
            #"{"name": "\#(name)", "task": "t", "schedule": \#(schedule)}"#,
            "meta",
            #"{"last_run_at": {"__type__": "datetime", "year": 2026, "month": 11, "day": \#(day), "hour": 9, "timezone": "\#(zone)"}\#(count)}"#
        )
        try server.cli("ZADD", "\(prefix):schedule", "1", "\(prefix)\(name)")
        if isStatic { try server.cli("SADD", "\(prefix):statics", name) }
    }

    private func read(_ server: RedisServer, timezone: String? = nil, prefix: String = "redbeat:", url: String? = nil)
        async throws -> SourceReading
    {
        try await RedBeatSource(
            name: "s",
            url: RedisURL(url ?? server.url),
            prefix: prefix,
            timezone: timezone
        ).read(zones: zones)
    }

    private func contradicted(_ reading: SourceReading) -> [String] {
        reading.entries.filter { $0.notes.contains { $0.code == .zoneContradicted } }.map(\.id.name)
    }

    @Test func theZoneOfTheStaticsIsTaken() async throws {
        try await withRedis { server in
            try put(server, "report", zone: "Asia/Kolkata", day: 1, runs: nil, isStatic: true)
            let reading = try await read(server)
            #expect(reading.entries.map(\.timezone) == ["Asia/Kolkata"])
            #expect(!reading.summary.notes.contains { $0.code == .zoneUnknown })
        }
    }

    @Test func whatOnlyTheApplicationWroteIsTakenAndSaid() async throws {
        try await withRedis { server in
            try put(server, "made", zone: "Asia/Kolkata", day: 1, runs: nil)
            let reading = try await read(server)
            #expect(reading.entries.map(\.timezone) == ["Asia/Kolkata"])
            #expect(reading.summary.notes.contains { $0.code == .zoneUnknown && $0.detail.contains("Asia/Kolkata") })
        }
    }

    @Test func contradictionsStopThePlanOfTheEntriesConcerned() async throws {
        try await withRedis { server in
            try put(server, "a", zone: "Europe/Berlin", day: 3, runs: 4)
            try put(server, "b", zone: "Asia/Kolkata", day: 5, runs: 4)
            try put(server, "c", zone: "Europe/Berlin", day: 7, runs: 4)
            // Nothing decides: all of them. What was seen where is said.
            let open = try await read(server)
            #expect(contradicted(open) == ["a", "b", "c"])
            #expect(open.summary.notes.contains { $0.detail.contains("Berlin") && $0.detail.contains("redbeat:b") })
            // The configuration decides: the one that disagrees with it.
            #expect(contradicted(try await read(server, timezone: "Europe/Berlin")) == ["b"])
            // Where all runs in one zone lie before all in the other, the application's zone was changed.
            try put(server, "b", zone: "Asia/Kolkata", day: 1, runs: 4)
            let changed = try await read(server, timezone: "Europe/Berlin")
            #expect(contradicted(changed) == [])
            #expect(changed.entries.first { $0.id.name == "b" }?.notes.contains { $0.code == .zoneDisagrees } == true)
            // Names of the same clock are no contradiction.
            try put(server, "b", zone: "Europe/Busingen", day: 5, runs: 4)
            try put(server, "a", zone: "Europe/Zurich", day: 5, runs: 4)
            #expect(contradicted(try await read(server, timezone: "Europe/Zurich")).contains("b") == false)
        }
    }

    private func incomplete(_ reading: SourceReading) -> String {
        reading.summary.notes.filter { $0.code == .incompleteReading }.map(\.detail).joined(separator: "\n")
    }

    @Test func nothingFoundSaysWhatIsThereInstead() async throws {
        try await withRedis { server in
            #expect(incomplete(try await read(server)).contains("no key at all"))
            try put(server, "a", zone: "UTC", day: 3, runs: 4, prefix: "acme:")
            let other = incomplete(try await read(server))
            #expect(
                other.contains("“redbeat::schedule”") && other.contains("“acme:” in database 0 (1 entries)"),
                "\(other)"
            )
            let elsewhere = server.url.replacing("/0", with: "/3")
            let wrong = incomplete(try await read(server, prefix: "acme:", url: elsewhere))
            #expect(wrong.contains("“acme:” in database 0 (1 entries)") && wrong.contains("0 has 2"), "\(wrong)")
            #expect(incomplete(try await read(server, prefix: "acme:")) == "")
        }
    }

    @Test func aBrokerWithoutRedBeatIsNamed() async throws {
        try await withRedis { server in
            try server.cli("SADD", "_kombu.binding.celery", "celery\u{6}\u{16}\u{6}\u{16}celery")
            let found = incomplete(try await read(server))
            #expect(found.contains("beat here is not RedBeat's") && found.contains("bindings of celery"), "\(found)")
        }
    }

    @Test func aRightThatIsMissingIsNoEmptyReading() async throws {
        try await withRedis { server in
            try put(server, "a", zone: "UTC", day: 3, runs: 4)
            try put(server, "secret", zone: "UTC", day: 3, runs: 4)
            try server.cli("ACL", "SETUSER", "half", "on", "nopass", "+@all", "~redbeat::*", "~redbeat:a")
            let url = server.url.replacing("redis://", with: "redis://half:x@")
            let reading = try await read(server, url: url)
            #expect(reading.entries.map(\.id.name) == ["a"])
            #expect(reading.unread.map(\.reason) == ["no-right"])
            #expect(incomplete(reading).contains("NOPERM"))
            try server.cli("ACL", "SETUSER", "blind", "on", "nopass", "+@all", "-scan", "~*")
            await #expect(throws: RedisError.self) {
                try await read(server, url: server.url.replacing("redis://", with: "redis://blind:x@"))
            }
        }
    }
}

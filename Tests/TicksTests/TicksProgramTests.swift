import Foundation
import LosslessJSON
import TestSupport
import Testing

/// `bailey ticks` as it is used.
@Suite("bailey ticks") struct TicksProgramTests {
    private func ticks(_ words: String...) throws -> Ended {
        try Running([baileyProgram, "ticks"] + words).ended()
    }

    /// Whoever waits for an answer before the next question must get it; a bad line does not end the stream.
    @Test func eachLineIsAnsweredBeforeTheNextIsRead() async throws {
        try await withFolder { folder in
            let pipe = folder.appendingPathComponent("questions")
            #expect(mkfifo(pipe.path, 0o600) == 0)
            // For reading too, so that opening it waits for nobody.
            let questions = try FileHandle(forUpdating: pipe)
            let running = try Running([baileyProgram, "ticks", "--stdin", "--json"], input: pipe)
            var expected = ""
            for (question, answer) in [
                (
                    #"{"tz":"UTC","schedule":{"__type__":"crontab"},"from":0,"count":2}"#,
                    #"{"ticks":[60,120],"end":null}"#
                ),
                ("not json", #"{"error":{"code":"bad-request","message":"the line is not JSON: "#),
                ("\u{FF}", #"{"error":{"code":"bad-request""#),
                (
                    #"{"tz":"Mars/Olympus","schedule":{"__type__":"crontab"},"from":0,"count":1}"#,
                    #"{"error":{"code":"unknown-zone""#
                ),
                (
                    // dateutil refuses it; a search for its first tick would go on until the year 9999.
                    #"{"tz":"UTC","schedule":{"__type__":"rrule","freq":5,"interval":90,"byminute":[32],"dtstart":0},"from":0,"count":1}"#,
                    #"{"error":{"code":"never-fires""#
                ),
                (
                    #"{"tz":"UTC","schedule":{"__type__":"rrule","freq":6,"bysetpos":2,"dtstart":0},"from":0,"count":1}"#,
                    #"{"ticks":[],"end":"exhausted"}"#
                ),
                (
                    #"{"tz":"UTC","schedule":{"__type__":"rrule","freq":0,"interval":9000000000000000000,"dtstart":0},"from":9,"count":1}"#,
                    #"{"ticks":[],"end":"exhausted"}"#
                ),
                (
                    #"{"tz":"UTC","schedule":{"__type__":"rrule","freq":3,"dtstart":1e16},"from":9,"count":1}"#,
                    #"{"error":{"code":"bad-rrule""#
                ),
                (
                    #"{"tz":"America/New_York","schedule":{"__type__":"crontab","minute":"0","hour":"9"},"from":1793451600,"count":1,"as":"run"}"#,
                    #"{"ticks":[1793544900],"end":null}"#
                ),
            ] {
                try questions.write(contentsOf: Data((question + "\n").utf8))
                let seen = expected
                try await waitUntil("an answer to \(question)") {
                    running.outputSoFar.count > seen.count && running.outputSoFar.hasSuffix("\n")
                }
                #expect(running.outputSoFar.dropFirst(seen.count).hasPrefix(answer), "\(question)")
                expected = running.outputSoFar
            }
            try questions.close()
            #expect(try await running.ended(within: 20).status == 0)
        }
    }

    @Test func memoryDoesNotGrowWithTheNumberOfTicks() throws {
        func kibibytes(count: Int) throws -> Int {
            let words = [
                baileyProgram, "ticks", "--json", "--crontab", "* * * * *", "--from", "0", "--count", "\(count)",
            ]
            let ended = try Running(["/usr/bin/time", "-f", "%M"] + words).ended()
            #expect(try JSON(parsing: ended.output)["ticks"]?.array?.count == count)
            return try #require(Int(ended.errors.split(separator: "\n").last ?? ""))
        }
        // As an array of instants alone they would take 3,200 KiB.
        #expect(try kibibytes(count: 400_000) - kibibytes(count: 10) < 3000)
    }

    @Test func schedulesInAllTheirForms() throws {
        for (words, expected) in [
            (["--crontab", "30 2 25-31 * sun", "--count", "1"], "2026-11-29 02:30:00 UTC  2026-11-29T02:30:00Z"),
            (["--interval", "90s", "--count", "1"], "2026-11-23 00:01:30 UTC  2026-11-23T00:01:30Z"),
            (["--rrule", #"{"freq":3,"dtstart":0}"#, "--count", "1"], "2026-11-24 00:00:00 UTC  2026-11-24T00:00:00Z"),
            (
                [
                    "--redbeat", #"{"__type__":"crontab","hour":3,"minute":0}"#, "--timezone", "Europe/Berlin",
                    "--count", "1",
                ],
                "2026-11-23 03:00:00 CET  2026-11-23T02:00:00Z"
            ),
            (
                ["--crontab", "0 9 * * *", "--until", "2026-11-25T09:00:00Z"],
                "2026-11-23 09:00:00 UTC  2026-11-23T09:00:00Z\n2026-11-24 09:00:00 UTC  2026-11-24T09:00:00Z"
            ),
        ] {
            let ended = try Running([baileyProgram, "ticks", "--from", "2026-11-23T00:00:00Z"] + words).ended()
            #expect(ended.status == 0, "\(ended.errors)")
            #expect(ended.output == expected + "\n")
        }
        #expect(try ticks("--crontab", "0 9 * * *", "--from", "0").output.split(separator: "\n").count == 10)
    }

    @Test(arguments: [
        (["--crontab", "0 0 * * *", "--timezone", "Mars/Olympus"], "there is no time zone “Mars/Olympus”"),
        (["--crontab", "0 0 * * *", "--from", "1969-12-31T23:59:59Z"], "the span begins at -1 s"),
        (["--crontab", "0 0 * * *", "--from", "2101-01-01T00:00:00Z"], "the span begins at 4133980800 s"),
        (
            ["--crontab", "0 0 * * *", "--from", "0", "--until", "2101-01-01T00:00:01Z"],
            "the span ends at 4133980801 s"
        ),
        (["--crontab", "0 0 30 2 *"], "no year has a day 30 in month 2"), (["--crontab", "0 0 * *"], "has 4 fields"),
        (["--interval", "0s"], "write a distance greater than zero"), (["--interval=-5s"], "write a distance"),
        (["--redbeat", #"{"__type__":"interval","every":0,"relative":false}"#], "must be greater than zero"),
        (["--rrule", #"{"freq":3,"dtstart":0,"byfortnight":1}"#], "a part “byfortnight”"),
        (["--redbeat", "{"], "is not JSON"),
        (["--crontab", "* * * * *", "--from", "tomorrow"], "--from is “tomorrow”"),
    ]) func refusals(words: [String], message: String) throws {
        let ended = try Running([baileyProgram, "ticks"] + words).ended()
        #expect(ended.status == 2)
        #expect(ended.errors.contains(message))
        #expect(ended.output.isEmpty)
    }

    @Test func againstAirflowsCron() throws {
        let daily = ["--crontab", "30 2 * * *", "--timezone", "Europe/Berlin", "--from", "2026-11-23T00:00:00Z"]
        let differs = try Running([baileyProgram, "ticks"] + daily + ["--against", "30 2 * * *", "--count", "1"])
            .ended()
        #expect(differs.status == 1)
        #expect(
            differs.output
                == "2027-10-31 02:30 Europe/Berlin: legacy at 00:30 UTC, the first 02:30; Airflow at 01:30 UTC, the second 02:30\n"
        )
        let equal = try ticks(
            "--crontab",
            "0 * * * mon",
            "--against",
            "0 0-11 * * 1",
            "--against",
            "0 12-23 * * 1",
            "--json"
        )
        #expect(equal.status == 0)
        #expect(try JSON(parsing: equal.output)["proof"]?.string == "calendar")
    }
}

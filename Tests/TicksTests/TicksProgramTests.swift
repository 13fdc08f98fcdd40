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
                    // Counted from 1970 on, a second each.
                    #"{"tz":"UTC","schedule":{"__type__":"rrule","freq":6,"dtstart":0,"count":1795392003},"from":1795392000,"count":5}"#,
                    #"{"ticks":[1795392001,1795392002],"end":"exhausted"}"#
                ),
                (
                    // 288 times on the first day of each month.
                    #"{"tz":"UTC","schedule":{"__type__":"rrule","freq":1,"bymonthday":[1],"byhour":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23],"byminute":[0,15,30,45],"bysecond":[0,20,40],"dtstart":0,"count":196706},"from":1795996799,"count":5}"#,
                    #"{"ticks":[1796083200,1796083220],"end":"exhausted"}"#
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

    /// Each bad line has its typed error, which says what and where, and the next line its ticks.
    @Test func theStreamGoesOnAfterEachBadLine() throws {
        func question(_ schedule: String, _ rest: String = #""from":0,"count":1"#, tz: String = "UTC") -> String {
            #"{"tz":"\#(tz)","schedule":\#(schedule),\#(rest)}"#
        }
        let crontab = #"{"__type__":"crontab"}"#
        let interval = #"{"__type__":"interval","relative":false,"every":"#
        let bad: [(line: String, code: String, says: String)] = [
            (question(crontab, tz: "Mars/Olympus"), "unknown-zone", "there is no time zone “Mars/Olympus”"),
            (question(crontab, tz: "zone.tab"), "unknown-zone", "there is no time zone “zone.tab”"),
            (question(crontab, tz: ""), "unknown-zone", "there is no time zone “”"),
            (question(crontab, #""from":-1,"count":1"#), "bad-span", "“from” is -1"),
            (question(crontab, #""from":-0.5,"count":1"#), "bad-span", "“from” is -0.5"),
            (question(crontab, #""from":4133980800,"count":1"#), "bad-span", "the span begins at 4133980800 s"),
            (question(crontab, #""from":1e300,"count":1"#), "bad-span", "“from” is 1e300"),
            (question(crontab, #""from":0,"until":4133980801"#), "bad-span", "“until” is 4133980801"),
            (question(crontab, #""from":100,"until":99"#), "bad-span", "it must end after it begins"),
            (question(crontab, #""from":0,"count":-1"#), "bad-request", "“count” is -1"),
            (question(crontab, #""from":0,"count":"5""#), "bad-request", "“count” is missing or no integer"),
            (question(crontab, #""from":"now","count":1"#), "bad-request", "“from” is \"now\""),
            (question(crontab, #""from":0,"count":1,"as":"written""#), "bad-request", "“as” is \"written\""),
            (
                question(#"{"__type__":"crontab","day_of_month":30,"month_of_year":"feb"}"#), "never-fires",
                "no year has a day 30 in month 2"
            ),
            (
                question(#"{"__type__":"crontab","day_of_month":[31],"month_of_year":"4,6,9,11"}"#), "never-fires",
                "no year has a day 31"
            ),
            (question(#"{"__type__":"crontab","minute":"61"}"#), "bad-crontab", "minute “61” has 61"),
            (question(#"{"__type__":"crontab","hour":24}"#), "bad-crontab", "hour holds 24"),
            (question(#"{"__type__":"crontab","minute":null}"#), "bad-crontab", "minute is null"),
            (question(#"{"__type__":"crontab","second":"1"}"#), "bad-crontab", "a field “second”"),
            (question(interval + "0}"), "bad-interval", "an interval of 0 seconds"),
            (question(interval + "-5.5}"), "bad-interval", "an interval of -5.5 seconds"),
            (question(interval + "1e-7}"), "bad-interval", "less than a microsecond"),
            (question(interval + "1e400}"), "bad-interval", "1e400 seconds"),
            (question(#"{"__type__":"interval","every":5}"#), "bad-interval", "no “relative”"),
            (
                question(#"{"__type__":"rrule","freq":3,"dtstart":0,"byfortnight":1}"#), "bad-rrule",
                "a part “byfortnight”"
            ),
            (question(#"{"__type__":"rrule","freq":7,"dtstart":0}"#), "bad-rrule", "“freq” is 7"),
            (question(#"{"__type__":"rrule","freq":3}"#), "bad-rrule", "no “dtstart”"),
            (question(#"{"__type__":"rrule","freq":3,"dtstart":0,"byhour":[24]}"#), "bad-rrule", "“byhour” is 24"),
            (question(#"{"__type__":"solar","event":"dusk"}"#), "unknown-schedule", "type is “solar”"),
            (question("[]"), "unknown-schedule", "not an array"),
            (#"{"tz":"UTC","from":0,"count":1}"#, "bad-request", "“schedule” is missing"),
            (#"{"schedule":\#(crontab),"from":0,"count":1}"#, "bad-request", "“tz” is missing"),
            ("30 2 * * *", "bad-request", "the line is not JSON"), ("", "bad-request", "the line is not JSON"),
            (#"{"tz":"UTC""#, "bad-request", "the line is not JSON"), ("7", "bad-request", "a question is an object"),
            (String(repeating: "[", count: 100_000), "bad-request", "the line is not JSON"),
        ]
        let good = question(#"{"__type__":"crontab","minute":"5"}"#)
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("bailey-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(bad.map { "\($0.line)\n\(good)\n" }.joined().utf8).write(to: file)
        let ended = try Running([baileyProgram, "ticks", "--stdin", "--json"], input: file).ended()
        #expect(ended.status == 0 && ended.errors.isEmpty, "\(ended.errors)")
        let answers = ended.output.split(separator: "\n").map(String.init)
        try #require(answers.count == bad.count * 2)
        for (index, line) in bad.enumerated() {
            let error = try JSON(parsing: answers[index * 2])["error"]
            #expect(error?["code"]?.string == line.code, "\(line.line.prefix(200)): \(answers[index * 2])")
            #expect(error?["message"]?.string?.contains(line.says) == true, "\(answers[index * 2])")
            #expect(answers[index * 2 + 1] == #"{"ticks":[300],"end":null}"#)
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

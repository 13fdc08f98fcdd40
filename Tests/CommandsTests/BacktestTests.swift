import Foundation
import LosslessJSON
import TestSupport
import Testing

/// `bailey ticks` of an entry and `bailey backtest`, on entries and recorded runs of a real Redis.
@Suite("Backtests", .timeLimit(.minutes(2))) struct BacktestTests {
    private static let nightly =
        #"{"__type__":"crontab","minute":"30","hour":"2","day_of_week":"*","day_of_month":"*","month_of_year":"*"}"#

    /// A workspace with the entries `a` (hourly) and `night` (02:30), imported in a zone.
    private func withEntries(
        timezone: String,
        _ prepare: (RedisServer) throws -> Void = { _ in },
        _ body: (Bailey) async throws -> Void
    ) async throws {
        try await withRedis { redis in
            try redis.addEntry("a", task: "a")
            try redis.addEntry("night", task: "night", schedule: BacktestTests.nightly)
            try prepare(redis)
            let bailey = Bailey(in: redis.folder, environment: ["REDIS_FOR_TEST": redis.url])
            try bailey.write(
                """
                version: 1
                sources:
                  s: {kind: redbeat, celery: {settings: {}}, url: "${REDIS_FOR_TEST}", timezone: \(timezone)}

                """,
                to: "bailey.yaml"
            )
            for name in ["a", "night"] {
                try bailey.write(
                    """
                    pipeline: \(name)
                    tasks:
                      t:
                        entry: s/\(name)
                        command: ["true"]

                    """,
                    to: "mappings/\(name).yaml"
                )
            }
            let imported = try await bailey.run("import")
            #expect(imported.status == 0, "\(imported.errors)")
            try await body(bailey)
        }
    }

    @Test func ticksOfAnEntry() async throws {
        try await withEntries(timezone: "Europe/Berlin") { bailey in
            let shown = try await bailey.run("ticks", "s/night", "--from", "2026-10-23T00:00:00Z", "--count", "3")
            #expect(
                shown.output == """
                    2026-10-23 02:30:00 CEST  2026-10-23T00:30:00Z
                    2026-10-24 02:30:00 CEST  2026-10-24T00:30:00Z
                    2026-10-25 02:30:00 CEST  2026-10-25T00:30:00Z

                    """
            )
            #expect(shown.errors == "at 02:30, Europe/Berlin\n1 run a day, 7 a week, 365.25 a year\n")
            let json = try await bailey.run(
                "ticks",
                "s/a",
                "--json",
                "--from",
                "2026-10-25T00:30:00Z",
                "--count",
                "2",
                "--as",
                "run"
            )
            // Beat looks again an hour late, less the five minutes that it peeks ahead.
            #expect(json.output == #"{"ticks":[1792896900,1792897200],"end":null}"# + "\n")
            let unknown = try await bailey.run("ticks", "s/nosuch")
            #expect(unknown.status == 2 && unknown.errors.contains("there is no entry “s/nosuch”"))
        }
    }

    @Test func whereNothingDiffersTheStatusIsZero() async throws {
        try await withEntries(timezone: "UTC") { bailey in
            let ended = try await bailey.run("backtest", "--days", "400", "--ahead", "400", "--json")
            #expect(ended.status == 0, "\(ended.errors)")
            let pipelines = try #require(try JSON(parsing: ended.output)["pipelines"]?.array)
            #expect(pipelines.compactMap { $0["id"]?.string } == ["a", "night"])
            for (pipeline, ticks) in zip(pipelines, [800 * 24, 800]) {
                for reading in ["intended", "run"] {
                    #expect(pipeline[reading]?["legacy_ticks"]?.int == ticks)
                    #expect(pipeline[reading]?["dag_ticks"]?.int == ticks)
                    #expect(pipeline[reading]?["differences"]?.array?.isEmpty == true)
                }
                #expect(pipeline["legacy"]?.isNull == true)
            }
            for (words, message) in [
                (["nosuch"], "there is no pipeline “nosuch”; known are a, night"),
                (["--days", "0", "--ahead", "0"], "--days and --ahead must give a span"),
            ] {
                let refused = try await bailey.start(["backtest"] + words).ended(within: 60)
                #expect(refused.status != 0 && refused.errors.contains(message), "\(refused.errors)")
            }
        }
    }

    /// In Berlin beat itself is late each autumn; what the DAG does is what the schedule means.
    @Test func whatBeatReallyDoesDiffersAtTheRepeatedHour() async throws {
        try await withEntries(timezone: "Europe/Berlin") { bailey in
            let json = try await bailey.run("backtest", "--days", "0", "--ahead", "366", "--json", "night")
            #expect(json.status == 1)
            let pipelines = try #require(try JSON(parsing: json.output)["pipelines"]?.array)
            #expect(pipelines.compactMap { $0["id"]?.string } == ["night"])
            #expect(pipelines.first?["intended"]?["differences"]?.array?.isEmpty == true)
            let differences = try #require(pipelines.first?["run"]?["differences"]?.array)
            #expect(!differences.isEmpty)
            let table = try await bailey.run("backtest", "--days", "0", "--ahead", "366", "night")
            #expect(table.status == 1)
            let reason = try #require(differences.first?["reason"]?.string)
            #expect(table.output.contains("night, as beat runs it: \(reason)\n"))
        }
    }

    @Test func legacysOwnDefectsAreTold() async throws {
        try await withEntries(
            timezone: "UTC",
            { redis in
                // No run for 05:00, two for 08:00, and that of 12:00 ended half an hour late.
                try redis.addResults(0..<5, task: "a")
                try redis.addResults(6..<12, task: "a")
                try redis.addResults(13..<20, task: "a")
                try redis.addResults(
                    [(number: 100, ended: "2026-01-01T08:00:03"), (number: 101, ended: "2026-01-01T12:30:01")],
                    task: "a"
                )
            },
            { bailey in
                let json = try await bailey.run("backtest", "--days", "3", "--ahead", "0", "--json", "a")
                // They are legacy's, not the DAG's.
                #expect(json.status == 0, "\(json.errors)")
                let legacy = try #require(try JSON(parsing: json.output)["pipelines"]?.array?.first?["legacy"])
                #expect(legacy["ticks"] == 20 && legacy["runs"] == 20)
                let defects = legacy["defects"]?.array ?? []
                #expect(
                    defects.map { [$0["kind"]?.string, $0["tick"]?.string] } == [
                        ["missed", "2026-01-01T05:00:00Z"], ["duplicate", "2026-01-01T08:00:00Z"],
                        ["late", "2026-01-01T12:00:00Z"],
                    ]
                )
                #expect(defects.map { $0["late_seconds"]?.double } == [nil, nil, 1800])
                let table = try await bailey.run("backtest", "--days", "3", "--ahead", "0", "a")
                for line in [
                    "a: legacy has no run for 2026-01-01T05:00:00Z\n", "a: 2 runs for 2026-01-01T08:00:00Z\n",
                    "a: the run for 2026-01-01T12:00:00Z ended 1800 s later than usual\n",
                ] {
                    #expect(table.output.contains(line), "\(table.output)")
                }
            }
        )
    }
}

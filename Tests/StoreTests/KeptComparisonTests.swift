import Foundation
import GRDB
import LosslessJSON
import Migration
import Schedules
import Store
import TestSupport
import Testing

@Suite("What the state keeps of comparisons") struct KeptComparisonTests {
    private let key = Outcome.Key(entry: EntryID(source: "s", name: "e"), tick: Instant(seconds: 60), job: "7")

    private func outcome(_ side: Outcome.Side, _ result: JSON?, arguments: JSON = .null, isolation: String? = nil)
        -> Outcome
    {
        var outcome = Outcome(key: key, side: side, run: "7", state: .success, arguments: arguments, result: result)
        (outcome.isolation, outcome.attempts) = (isolation, 1)
        return outcome
    }

    private func comparison(_ legacy: Outcome?, _ shadow: Outcome?, run: String = "7") -> Comparison {
        var key = key
        key.job = run
        return Comparison(key: key, pipeline: "p", legacy: legacy, shadow: shadow, verdict: .match)
    }

    @Test func itIsReadBackAsItWas() throws {
        let results: [JSON?] = [
            nil, .null, 1, .number(JSONNumber(1.0)), "\u{e9}", "e\u{301}", [1, 2], ["a": 1, "b": nil],
            ["b": nil, "a": 1],
            .object(JSONObject([("a", 1), ("a", 2)])), true, [], [:],
        ]
        for a in results {
            for b in results {
                var whole = comparison(
                    outcome(.legacy, a, arguments: a ?? .null),
                    outcome(.shadow, b, arguments: b ?? .null)
                )
                whole.shadow?.error = RunError(type: "E", message: "m", detail: "d", module: "x", arguments: [1])
                whole.legacy?.start = Instant(seconds: 61)
                whole.legacy?.end = Instant(seconds: 63)
                whole.reason = "because"
                whole.differences = [Difference(kind: .result, path: "$.a", legacy: a, shadow: b, text: "t")]
                whole.ignored = [IgnoredDifference(rule: "r", difference: whole.differences[0])]
                let kept = whole.kept.text()
                let back = try Comparison(json: JSON(parsing: kept))
                // By the bytes: texts that Unicode calls equivalent are equal otherwise.
                #expect(back.json.text().utf8.elementsEqual(whole.json.text().utf8), "\(kept)")
                #expect(try Comparison(json: whole.json).json == whole.json)
            }
        }
        for (legacy, shadow) in [(outcome(.legacy, 1), nil), (nil, outcome(.shadow, 1)), (nil, nil)] {
            let alone = comparison(legacy, shadow)
            #expect(try Comparison(json: JSON(parsing: alone.kept.text())).json == alone.json)
        }
        // An outcome that is called otherwise than its comparison says so itself.
        let other = comparison(outcome(.legacy, 1), outcome(.shadow, 2), run: "other")
        #expect(try Comparison(json: other.kept).json == other.json)
    }

    @Test func whatBothSidesHaveAlikeStandsThereOnce() {
        let large = JSON.string(String(repeating: "x", count: 10_000))
        #expect(comparison(outcome(.legacy, large), outcome(.shadow, large)).kept.text().utf8.count < 11_000)
        #expect(comparison(outcome(.legacy, large), outcome(.shadow, [large])).kept.text().utf8.count > 20_000)
    }

    @Test func sandboxesAndCallsAreCountedOverEverything() async throws {
        try await withFolder { folder in
            let store = try StateStore(path: folder.path + "/state.sqlite")
            let all = (0..<1200).map { number -> Comparison in
                var one = comparison(
                    outcome(.legacy, 1),
                    outcome(
                        .shadow,
                        1,
                        isolation: number < 300 ? nil : number < 900 ? "Landlock" : "way \(number % 5)"
                    ),
                    run: "\(number)"
                )
                one.uncomparedCalls = number % 100 == 0 ? 2 : 0
                return one
            }
            try store.save(all, at: Instant(seconds: 1), forms: ["p": "f"])
            let summary = try store.summary(pipeline: "p", form: "f")
            #expect(summary.isolations.map(\.words) == ["Landlock", "way 0", "way 1"])
            #expect(summary.isolations.map(\.runs) == [600, 60, 60])
            #expect(summary.isolationCount == 6 && summary.isolated == 900)
            #expect(summary.uncomparedCalls == 24 && summary.runsWithUncomparedCalls == 12)
            // Of what is all there is, the same figures.
            let counted = ComparisonSummary(all)
            #expect(counted.isolations == summary.isolations && counted.isolationCount == 6 && counted.isolated == 900)
            #expect(counted.uncomparedCalls == 24 && counted.runsWithUncomparedCalls == 12)
            // One that is compared again counts once.
            try store.save(
                [comparison(outcome(.legacy, 1), outcome(.shadow, 1), run: "900")],
                at: Instant(seconds: 2),
                forms: ["p": "f"]
            )
            #expect(try store.summary(pipeline: "p", form: "f").isolated == 899)
        }
    }

    /// What an earlier version kept is written out whole, and has no column for the sandbox.
    @Test func whatAnEarlierVersionKeptIsReadAndCounted() async throws {
        try await withFolder { folder in
            let path = folder.path + "/state.sqlite"
            let one = comparison(
                outcome(.legacy, .number(JSONNumber(.nan))),
                outcome(.shadow, 2, isolation: "bubblewrap")
            )
            try StateStore(path: path).save([one], at: Instant(seconds: 1), forms: ["p": "f"])
            try await DatabaseQueue(path: path).write { database in
                try database.execute(sql: "ALTER TABLE compared DROP COLUMN isolation")
                try database.execute(sql: "ALTER TABLE compared DROP COLUMN uncompared_calls")
                try database.execute(sql: "UPDATE compared SET document = ?", arguments: [one.json.text()])
                try database.execute(sql: "DELETE FROM grdb_migrations WHERE identifier LIKE '8 %'")
            }
            let store = try StateStore(path: path)
            #expect(try store.comparisons(pipeline: "p").map { $0.json.text() } == [one.json.text()])
            let summary = try store.summary(pipeline: "p", form: "f")
            #expect(summary.isolations == [ComparisonSummary.Isolation(words: "bubblewrap", runs: 1)])
            let history = try store.history(pipeline: "p", after: 0)
            #expect(history.map { $0.document.text() } == [one.json.text()])
        }
    }

    @Test func oneThatCannotBeReadAnyMoreHidesNoOther() async throws {
        try await withFolder { folder in
            let path = folder.path + "/state.sqlite"
            let store = try StateStore(path: path)
            var all = (1...3).map { comparison(outcome(.legacy, 1), outcome(.shadow, 2), run: "\($0)") }
            for index in all.indices {
                all[index].verdict = .mismatch
                all[index].differences = [Difference(kind: .result, legacy: 1, shadow: 2, text: "differs")]
            }
            try store.save(all, at: Instant(seconds: 1), forms: ["p": "f"])
            try await DatabaseQueue(path: path).write {
                try $0.execute(sql: "UPDATE compared SET document = '{half' WHERE run LIKE '%3%' OR run = '3'")
            }
            let summary = try store.summary(pipeline: "p", form: "f")
            #expect(summary.verdicts == [.mismatch: 3] && summary.causes.map(\.runs) == [3])
            let read = try store.comparisons(pipeline: "p")
            #expect(read.map(\.verdict) == [.mismatch, .mismatch, .broken])
            #expect(read.last?.reason?.contains("cannot be read any more") == true)
            #expect(try store.history(pipeline: "p", after: 0).last?.document == "{half")
        }
    }
}

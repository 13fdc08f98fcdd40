import Foundation
import GRDB
import LosslessJSON
import Migration
import Schedules
import Store
import TestSupport
import Testing

@Suite("What was seen, compared and lost, as figures") struct ObservationTests {
    private let entry = EntryID(source: "s", name: "e")

    private func at(_ seconds: Double) -> Instant {
        Instant(microseconds: 1_795_392_000_000_000 + Int64(seconds * 1e6))
    }

    private func comparison(_ run: Int, differs: Bool = false, rule: String? = nil) -> Comparison {
        let key = Outcome.Key(entry: entry, job: "\(run)")
        var legacy = Outcome(key: key, side: .legacy, run: "\(run)", state: .success, result: 1)
        legacy.measured = Double(run % 100)
        let shadow = Outcome(key: key, side: .shadow, run: "\(run)", state: .success, result: 1)
        let difference = Difference(kind: .result, path: "$.rows[\(run)].n", legacy: 1, shadow: 2, text: "n differs")
        var made = Comparison(
            key: key,
            pipeline: "p",
            legacy: legacy,
            shadow: shadow,
            verdict: differs ? .mismatch : .match,
            differences: differs ? [difference] : []
        )
        if let rule {
            made.ignored = [IgnoredDifference(rule: rule, difference: difference)]
            made.met = [rule]
        }
        return made
    }

    @Test func howLongRunsTookIsKnownOfThoseThatWereSeenToBeginAndAreOfATick() async throws {
        try await withFolder { folder in
            let store = try StateStore(path: folder.path + "/state.sqlite")
            #expect(try store.legacyDurations(entry).isEmpty)
            func run(_ name: String, _ start: Double?, _ end: Double, _ standing: ObservedRun.Standing) -> ObservedRun {
                ObservedRun(entry: entry, run: name, started: start.map(at), ended: at(end), standing: standing)
            }
            try store.note([
                run("a", 0, 5, .tick), run("b", 10, 17, .bySchedule), run("unseen", nil, 30, .tick),
                run("by hand", 40, 99, .notScheduled), run("unjudged", 100, 199, .open), run("odd", 210, 205, .tick),
            ])
            #expect(try store.legacyDurations(entry) == [7, 5])
            #expect(try store.legacyDurations(entry, limit: 1) == [7])
            // Its start was seen too late to be a start, and its worker's clock tells how long it took all the same.
            var late = ObservedRun(entry: entry, run: "late", ended: at(1000), standing: .tick)
            late.measured = 3.5
            try store.note([late])
            #expect(try store.legacyDurations(entry, limit: 1) == [3.5])
            #expect(try store.legacyDurations(EntryID(source: "s", name: "other")).isEmpty)
        }
    }

    @Test func figuresAreOverEverythingWhateverIsShown() async throws {
        try await withFolder { folder in
            let store = try StateStore(path: folder.path + "/state.sqlite")
            // 700 mismatches, and then 500 matches that would hide them.
            try store.save((0..<700).map { comparison($0, differs: true) }, at: at(0), forms: ["p": "new"])
            try store.save((700..<1200).map { comparison($0, rule: "clock") }, at: at(1), forms: ["p": "new"])
            let summary = try store.summary(pipeline: "p", form: "new", rules: [entry: ["clock", "typo"]])
            #expect(summary.verdict == .mismatch)
            #expect(summary.verdicts == [.mismatch: 700, .match: 500] && summary.compared == 1200)
            #expect(summary.ignored == 500 && summary.unmetRules == ["typo"])
            // One place, whatever the element; one cause with one example, and one that a rule hides.
            #expect(summary.causes.map(\.place) == ["$.rows[*].n", "$.rows[*].n"])
            #expect(summary.causes.map(\.runs) == [700, 500] && summary.causes.map(\.hidden) == [nil, "clock"])
            #expect(summary.causes[0].example?.key.job == "699" && summary.causes[0].difference?.legacy == 1)
            #expect(summary.legacy?.count == 1200)
            #expect(summary.legacy?.median == ComparisonSummary.Durations.Quantile(50, low: 47, high: 52))
            #expect(summary.legacy?.p95 == ComparisonSummary.Durations.Quantile(95, low: 93, high: 96))
            #expect(summary.legacy == ComparisonSummary.Durations((0..<1200).map { Double($0 % 100) }))
            #expect(try store.comparisons(pipeline: "p", form: "new").count == 500)
            // Another form of the mapping begins anew.
            let other = try store.summary(pipeline: "p", form: "other")
            #expect(other.compared == 0 && other.older == 1200 && other.verdict == .insufficient)
        }
    }

    @Test func causesThatCountAndThoseThatRulesHideAreCountedApart() async throws {
        try await withFolder { folder in
            let store = try StateStore(path: folder.path + "/state.sqlite")
            func difference(_ place: Int) -> Difference {
                Difference(kind: .result, path: "$.n\(place)", legacy: 1, shadow: 2, text: "n differs")
            }
            let saved = (0..<30).map { run in
                var made = comparison(run)
                made.verdict = .mismatch
                made.differences = [difference(run)]
                made.ignored = [IgnoredDifference(rule: "clock", difference: difference(100 + run % 3))]
                return made
            }
            try store.save(saved, at: at(0), forms: ["p": "new"])
            let summary = try store.summary(pipeline: "p", form: "new", causes: 20)
            #expect(summary.causeCount == 30 && summary.hiddenCauseCount == 3)
            // However many count, those that are hidden are told.
            #expect(summary.counting.count == 20 && summary.hidden.count == 3)
        }
    }

    @Test func whatNoTickMadeStandsApart() async throws {
        try await withFolder { folder in
            let store = try StateStore(path: folder.path + "/state.sqlite")
            try store.save((0..<6).map { comparison($0, differs: $0 > 0) }, at: at(0), forms: ["p": "f"])
            try store.note(
                (0..<6).map {
                    ObservedRun(
                        entry: entry,
                        run: "\($0)",
                        started: at(Double($0) * 7 + 0.01),
                        ended: at(Double($0) * 7 + 0.5)
                    )
                }
            )
            try store.note([ClockSighting(entry: entry, last: at(0), count: 4, seen: at(0.3))])
            let schedule = Schedule.interval(try Interval(seconds: 60))
            try store.settle(entry, schedule: schedule, zone: .utc)
            let summary = try store.summary(pipeline: "p", form: "f")
            #expect(summary.verdicts == [.match: 1])
            #expect(summary.notScheduled == 5 && summary.notScheduledDiffering == 5)
            let coverage = try store.coverage(
                entry,
                pipeline: "p",
                form: "f",
                schedule: schedule,
                zone: .utc,
                now: at(100)
            )
            #expect(coverage.fired == 1 && coverage.compared == 1 && coverage.notScheduled == 5)
            #expect(try store.comparisons(pipeline: "p", counting: true).count == 1)
        }
    }

    @Test func aRunThatEndedAgainIsComparedAnewAndCounted() async throws {
        try await withFolder { folder in
            let store = try StateStore(path: folder.path + "/state.sqlite")
            func ended(_ second: Double?, differs: Bool = false) -> Comparison {
                var made = comparison(0, differs: differs)
                made.legacy?.end = second.map(at)
                return made
            }
            func run(_ second: Double, _ stamp: Double?) -> ObservedRun {
                ObservedRun(entry: entry, run: "0", ended: at(second), stamp: stamp.map(at), standing: .job)
            }
            func isCompared(_ stamp: Double?) throws -> Bool {
                try store.isCompared(entry, run: "0", pipeline: "p", form: "f", stamp: stamp.map(at))
            }
            func counted() throws -> (verdicts: [Comparison.Verdict: Int], again: Int) {
                let coverage = try store.coverage(
                    entry,
                    pipeline: "p",
                    form: "f",
                    schedule: nil,
                    zone: .utc,
                    now: at(100)
                )
                return (try store.summary(pipeline: "p", form: "f").verdicts, coverage.again)
            }
            try store.note([run(1, 1)])
            try store.save([ended(1)], at: at(2), forms: ["p": "f"])
            #expect(try isCompared(1) && !isCompared(5) && isCompared(nil))
            // Given again by a gap that was filled: the same end.
            try store.note([run(1, 1), run(9, nil)])
            #expect(try counted() == ([.match: 1], 0))
            try store.note([run(5, 5), run(5, 5), run(1, 1)])
            try store.save([ended(5, differs: true)], at: at(6), forms: ["p": "f"])
            #expect(try isCompared(5) && counted() == ([.mismatch: 1], 1))
            // The body of the first took longer: it is history already.
            try store.save([ended(1)], at: at(7), forms: ["p": "f"])
            #expect(try counted() == ([.mismatch: 1], 1))
            // Compared anew by a person, it takes the place of the one before.
            try store.save([ended(5)], at: at(8), forms: ["p": "f"])
            #expect(try counted() == ([.match: 1], 1))
            // Where legacy says no end, the latest counts.
            try store.save([ended(nil, differs: true)], at: at(9), forms: ["p": "f"])
            #expect(try counted().verdicts == [.mismatch: 1])
        }
    }

    @Test func whatIsFiredIsSeenLostPendingOrUnseen() async throws {
        try await withFolder { folder in
            let store = try StateStore(path: folder.path + "/state.sqlite")
            try store.noteWatched(source: "s", until: at(0))
            let fires = (0..<100).map { Double($0) * 10 }
            try store.note(
                fires.enumerated().map { ClockSighting(entry: entry, last: at($1), count: $0 + 1, seen: at($1 + 0.2)) }
            )
            // Nobody watched from 300 to 400; two results were never seen while somebody did; the last may yet end.
            let seen = fires.filter { !(300...400).contains($0) && $0 != 50 && $0 != 60 && $0 != 990 }
            try store.note(
                seen.map { ObservedRun(entry: entry, run: "\($0)", started: at($0 + 0.01), ended: at($0 + 0.4)) }
            )
            try store.note(
                ObservationGap(source: "s", from: at(299), until: at(401), reason: "the connection was lost")
            )
            try store.noteWatched(source: "s", until: at(991))
            let schedule = Schedule.interval(try Interval(seconds: 10))
            try store.settle(entry, schedule: schedule, zone: .utc)
            let coverage = try store.coverage(
                entry,
                pipeline: "p",
                form: "f",
                schedule: schedule,
                zone: .utc,
                now: at(5000)
            )
            #expect(coverage.fired == 100 && coverage.seen == 86)
            #expect(coverage.lost == 11 && coverage.unseen == 2 && coverage.pending == 1)
            #expect(coverage.unpaired == 86 && coverage.missed == 0)
            #expect(coverage.gaps.map(\.reason) == ["the connection was lost"])
            // Judged again, nothing changes.
            try store.settle(entry, schedule: schedule, zone: .utc)
            #expect(
                try store.coverage(entry, pipeline: "p", form: "f", schedule: schedule, zone: .utc, now: at(5000))
                    == coverage
            )
        }
    }

    @Test func ticksThatLegacyMissedOrRanTwiceAreTold() async throws {
        try await withFolder { folder in
            let store = try StateStore(path: folder.path + "/state.sqlite")
            // Hourly: 0, 1, 1 again, not 2 and 3, 4.
            let fires = [0, 3600, 3700, 14_400].map(Double.init)
            try store.note(
                fires.enumerated().map { ClockSighting(entry: entry, last: at($1), count: $0 + 1, seen: at($1 + 0.2)) }
            )
            let schedule = Schedule.crontab(try Crontab(cronOrder: "0 * * * *"))
            try store.settle(entry, schedule: schedule, zone: .utc)
            let coverage = try store.coverage(
                entry,
                pipeline: "p",
                form: "f",
                schedule: schedule,
                zone: .utc,
                now: at(14_410)
            )
            #expect(coverage.fired == 4 && coverage.due == 5 && coverage.missed == 2 && coverage.doubled == 1)
        }
    }
}

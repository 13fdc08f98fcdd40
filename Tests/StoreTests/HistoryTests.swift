import Foundation
import GRDB
import LosslessJSON
import Migration
import Schedules
import Store
import TestSupport
import Testing

@Suite("History by the hour", .timeLimit(.minutes(2))) struct HistoryTests {
    private let entry = EntryID(source: "s", name: "e")
    private let start = Instant(seconds: 1_796_000_400)  // 2026-11-30T01:00:00Z

    private func at(_ seconds: Double) -> Instant { start.adding(microseconds: Int64(seconds * 1e6)) }

    private func run(_ number: Int, ended: Double, started: Instant? = nil) -> ObservedRun {
        ObservedRun(entry: entry, run: "r\(number)", started: started, ended: at(ended))
    }

    private func withStore(_ body: (StateStore) async throws -> Void) async throws {
        try await withFolder { folder in try await body(StateStore(path: folder.path + "/state.sqlite")) }
    }

    @Test func anHourChangesWhenAnyOfItsRecordsDoes() async throws {
        try await withStore { store in
            try store.note([run(1, ended: 0), run(2, ended: 3599.999999), run(3, ended: 3600)])
            let first = try store.hours(of: .legacy)
            #expect(first.map(\.begins) == [start, at(3600)])
            #expect(first.map(\.records) == [2, 1])
            #expect(try store.hours(of: .legacy) == first)
            // What was not known of a run is.
            try store.note([run(3, ended: 3600, started: at(3590))])
            let second = try store.hours(of: .legacy)
            #expect(second[0] == first[0])
            #expect(second[1].digest != first[1].digest)
            // It was compared: how it ended is known now.
            let key = Outcome.Key(entry: entry, job: "r1")
            let outcome = Outcome(key: key, side: .legacy, run: "r1", state: .failed)
            let comparison = Comparison(key: key, pipeline: "p", legacy: outcome, shadow: nil, verdict: .mismatch)
            try store.save([comparison], at: at(7200))
            #expect(try store.hours(of: .legacy)[0].digest != second[0].digest)
            let records = try store.history(.legacy, hour: start, offset: 0, limit: 10)
            guard case .legacy(let found, "s/e", let ended)? = records.first else {
                Issue.record("\(records)")
                return
            }
            #expect(found.run == "r1" && ended?.state == .failed)
            // Another comparison of it replaces the first, whose hour changes.
            let compared = try store.hours(of: .compared)
            try store.save([comparison], at: at(10_800))
            let again = try store.hours(of: .compared)
            #expect(again.map(\.begins) == [at(7200), at(10_800)])
            #expect(again[0].digest != compared[0].digest)
        }
    }

    @Test func anHoursRecordsComeInPagesEachOnce() async throws {
        try await withStore { store in
            try store.note((0..<25).map { run($0, ended: Double($0 % 5)) })
            var seen: [String] = []
            var offset = 0
            while true {
                let page = try store.history(.legacy, hour: start, offset: offset, limit: 10)
                for case .legacy(let run, _, _) in page { seen.append(run.run) }
                if page.count < 10 { break }
                offset += page.count
            }
            #expect(seen.count == 25 && Set(seen).count == 25)
        }
    }

    /// As texts, an instant with a fraction comes before the same without one.
    @Test func linesOfTheJournalLieInTheirHourToTheMicrosecond() async throws {
        try await withFolder { folder in
            let store = try StateStore(path: folder.path + "/state.sqlite")
            for seconds in [0.0, 0.5, 3599.999999, 3600, 3600.000001] {
                let journal = Journal(store: store, pipeline: "p", operation: "o", token: "t", by: "b") {
                    [at = at(seconds)] in at
                }
                try journal.write(.close, .after)
            }
            let hours = try store.hours(of: .journal)
            #expect(hours.map(\.begins) == [start, at(3600)])
            #expect(hours.map(\.records) == [3, 2])
            for hour in hours {
                let records = try store.history(.journal, hour: hour.begins, offset: 0, limit: 10)
                #expect(records.count == hour.records)
            }
            // One that nobody can read keeps none of the others from being read.
            try await DatabaseQueue(path: folder.path + "/state.sqlite").write { database in
                try database.execute(
                    sql: """
                        INSERT INTO journal (at, pipeline, operation, token, step, phase, "by", detail)
                        VALUES ('2026-11-30T01:30', 'p', 'o', 't', 'close', 'after', 'b', '{}')
                        """
                )
            }
            let records = try store.history(.journal, hour: start, offset: 0, limit: 10)
            #expect(records.count == 4)
            #expect(try store.hours(of: .journal)[0].records == 4)
            let unreadable = records.filter { if case .unreadable = $0 { true } else { false } }
            #expect(unreadable.count == 1)
        }
    }

    @Test func aStateHasANameOfItsOwn() async throws {
        try await withFolder { folder in
            let one = try StateStore(path: folder.path + "/one.sqlite").identity()
            #expect(one.count == 32)
            #expect(try StateStore(path: folder.path + "/one.sqlite").identity() == one)
            #expect(try StateStore(path: folder.path + "/two.sqlite").identity() != one)
        }
    }
}

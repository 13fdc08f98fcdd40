import Airflow
import Foundation
import LosslessJSON
import Migration
import Schedules
import Store

/// Makes the runs of a backfill and waits for them.
struct BackfillRuns {
    let backfilling: Backfilling
    let client: AirflowClient
    let journal: Journal
    private(set) var ticks: [BackfillTick]
    /// When it is waited no longer.
    let end: Instant
    private let began: Instant
    private var told = -1

    init(backfilling: Backfilling, client: AirflowClient, journal: Journal, ticks: [BackfillTick], end: Instant) {
        self.backfilling = backfilling
        self.client = client
        self.journal = journal
        self.ticks = ticks
        self.end = end
        began = backfilling.workspace.surroundings.now()
    }

    private var id: String { backfilling.id }
    private var open: [Int] { ticks.indices.filter { ticks[$0].runs && ticks[$0].ended == nil } }

    /// Stretches of new runs by Airflow's own backfill, where it has one and reckons the same ticks; the others one by one.
    mutating func make() async throws {
        if client.version.isThree {
            for stretch in BackfillReport.stretches(of: ticks, where: { $0.fate == .run }) {
                let wanted = ticks.filter { stretch.contains($0.tick) }.map(\.tick)
                let theirs = try await client.backfillTicks(id, from: stretch.lowerBound, to: stretch.upperBound)
                guard theirs == wanted else { continue }
                try await backfill(stretch)
            }
        }
        try await singly()
    }

    /// One of Airflow's backfills, to its end.
    private mutating func backfill(_ stretch: ClosedRange<Instant>) async throws {
        let number = try await client.backfill(
            id,
            from: stretch.lowerBound,
            to: stretch.upperBound,
            atOnce: backfilling.request.parallel
        )
        backfilling.workspace.tell(
            "Airflow's backfill \(number): \(stretch.lowerBound.iso8601) to \(stretch.upperBound.iso8601)"
        )
        let mine = Set(ticks.indices.filter { stretch.contains(ticks[$0].tick) })
        while true {
            try await look(mine)
            let isDone = mine.allSatisfy { !ticks[$0].runs || ticks[$0].ended != nil }
            if isDone { return }
            if try await client.isComplete(backfill: number) {
                // What became of its last runs.
                try await look(mine)
                for index in mine where ticks[index].runs && ticks[index].ended == nil && ticks[index].run == nil {
                    ticks[index].ended = "not-made"
                }
                if mine.allSatisfy({ !ticks[$0].runs || ticks[$0].ended != nil }) { return }
            }
            guard try await pause() else { return }
        }
    }

    /// So many runs at once, each begun when another has ended.
    private mutating func singly() async throws {
        var waiting = ticks.indices.filter { ticks[$0].runs && ticks[$0].ended == nil && !isBegun($0) }[...]
        var begun = Set(open).subtracting(waiting)
        while !waiting.isEmpty || !begun.isEmpty {
            while begun.count < backfilling.request.parallel, let index = waiting.popFirst() {
                try await begin(index)
                begun.insert(index)
            }
            guard try await pause() else { return }
            try await look(begun)
            begun = begun.filter { ticks[$0].ended == nil }
        }
    }

    /// Whether Airflow's own backfill has made its run.
    private func isBegun(_ index: Int) -> Bool { ticks[index].fate == .run && ticks[index].run != nil }

    private mutating func begin(_ index: Int) async throws {
        switch ticks[index].fate {
        case .again(let run): try await client.clear(id, run)
        case .run: try await make(index, note: nil)
        case .replace(let run):
            let detail: JSON = ["delete": .string(run), "tick": .string(ticks[index].tick.iso8601)]
            try await journal.step(.backfill, detail, outcome: { (_: Void) in ["deleted": .string(run)] }) {
                try await client.delete(id, run: run)
            }
            ticks[index].run = nil
            let note = "bailey backfill deleted the run \(run) of this tick, which a person had started."
            try await make(index, note: note)
        case .claimed, .refused: break
        }
    }

    private mutating func make(_ index: Int, note: String?) async throws {
        let tick = ticks[index].tick
        do {
            let run = try await client.trigger(
                id,
                run: "bailey-backfill__\(tick.iso8601)",
                tick: tick,
                configuration: ["bailey_backfill": true],
                note: note
            )
            ticks[index].run = run.id
        } catch let error as AirflowError where error.code == .conflict {
            // The scheduler, or somebody else, has made a run for it: it is theirs.
            ticks[index].ended = "taken"
        }
    }

    /// Looks what became of the runs of some ticks.
    private mutating func look(_ some: Set<Int>) async throws {
        let wanted = some.filter { ticks[$0].runs && ticks[$0].ended == nil }
        guard let first = wanted.map({ ticks[$0].tick }).min() else { return }
        let runs = Dictionary(
            try await client.runs(id, from: first).compactMap { run in run.logicalDate.map { ($0, run) } },
            uniquingKeysWith: { first, _ in first }
        )
        for index in wanted {
            guard let run = runs[ticks[index].tick] else { continue }
            ticks[index].run = run.id
            guard run.isOver else { continue }
            let answer = try await client.value(id, run.id, .returned(by: "gate"))
            // A trial that was cleared keeps its answer until its gate is asked again.
            if case .again = ticks[index].fate, answer?["mode"]?.string != "live", run.state == .success,
                !(try await hasAsked(run.id))
            {
                continue
            }
            let mode = answer?["mode"]?.string
            ticks[index].ended =
                mode == "live" || run.state == .failed
                ? run.state?.rawValue ?? "unknown" : answer?["how"]?.string ?? mode ?? "unanswered"
        }
    }

    /// Whether the gate of a run has been asked since this began.
    private func hasAsked(_ run: String) async throws -> Bool {
        try await client.taskInstances(id, run).contains { $0.task == "gate" && ($0.start ?? .earliest) >= began }
    }

    /// Waits a moment, and tells how far it is. False when the time is over.
    private mutating func pause() async throws -> Bool {
        let all = ticks.filter(\.runs).count
        let ended = all - open.count
        let surroundings = backfilling.workspace.surroundings
        let now = surroundings.now()
        if ended != told {
            told = ended
            let spent = now.seconds(since: began)
            let left = ended > 0 ? spent / Double(ended) * Double(all - ended) : nil
            let eta = left.map { ", done at about \(now.adding(seconds: Int64($0)).iso8601)" } ?? ""
            backfilling.workspace.tell("\(ended) of \(all) ticks have run\(ended < all ? eta : "")")
        }
        guard now < end else {
            backfilling.workspace.tell("the time is over; what Airflow has begun goes on")
            return false
        }
        try await surroundings.sleep(min(2, max(0.2, end.seconds(since: now))))
        return true
    }
}

import Cutover
import Foundation
import Legacy
import LosslessJSON
import Migration
import Postgres
import Store
import TestSupport
import Testing

@testable import Settings

/// What every bridge promises, whatever moves over it.
@Suite("Every bridge", .timeLimit(.minutes(5))) struct BridgePromisesTests {
    typealias Kind = BridgeBench.Kind

    @Test(arguments: Kind.allCases) func whatIsMovedIsAirflowsAndWhatIsGivenBackIsAsItWas(_ kind: Kind) async throws {
        try await BridgeBench.with(kind) { bench in
            let before = try bench.contents()
            #expect(try await bench.cutOver().outcome == "done")
            let standing = try await bench.standing()
            #expect(standing.state == .airflow && !standing.isLegacys && !standing.isHealable)
            #expect(try await bench.taken().members.sorted() == bench.crossing().members.sorted())
            #expect(try await bench.bridge.taken().keys.sorted() == [BridgeBench.pipeline])
            #expect(try bench.contents() != before)
            #expect(try await bench.rollBack().outcome == "done")
            #expect(try await bench.standing().isLegacys)
            try expectGivenBack(bench, before)
        }
    }

    /// Legacy has again what it had; of RedBeat's clock only the definition is the same, for its last run is Airflow's start.
    private func expectGivenBack(_ bench: BridgeBench, _ before: String) throws {
        func settled(_ text: String) -> String {
            bench.kind == .redbeat ? text.split(separator: "\n").filter { !$0.contains("last_run_at") }.joined() : text
        }
        #expect(try settled(bench.contents()) == settled(before))
    }

    @Test(arguments: Kind.allCases) func aPreviewChangesNothing(_ kind: Kind) async throws {
        try await BridgeBench.with(kind) { bench in
            let before = try bench.everything()
            let preview = try await bench.crossing().preview(CutoverRequest())
            #expect(preview.report.holds && !preview.report.isBegun, "\(preview.report)")
            #expect(try bench.everything() == before)
            #expect(try await bench.cutOver().outcome == "done")
            let moved = try bench.everything()
            #expect(try await bench.crossing().preview(CutoverRequest()).report.isBegun)
            let report = try await bench.taken().preview(RollbackRequest())
            #expect(report.isBegun && report.outcome == nil)
            #expect(try bench.everything() == moved)
        }
    }

    @Test(arguments: Kind.allCases) func askedTwiceItIsDoneOnce(_ kind: Kind) async throws {
        try await BridgeBench.with(kind) { bench in
            #expect(try await bench.cutOver().outcome == "done")
            let fence = try await bench.standing().fence
            let again = try await bench.cutOver()
            #expect(["already", "done"].contains(again.outcome ?? ""))
            #expect(try await bench.standing().fence == fence)
            #expect(try await bench.rollBack().outcome == "done")
            let given = try bench.contents()
            if let crossing = try await bench.bridge.taken(by: BridgeBench.pipeline) {
                _ = try await crossing.rollBack(RollbackRequest(), crossing.blankReport)
            }
            #expect(try bench.contents() == given)
        }
    }

    @Test(arguments: Kind.allCases) func whatRefusesChangesNothing(_ kind: Kind) async throws {
        try await BridgeBench.with(kind) { bench in
            try bench.spoil()
            let before = try bench.contents()
            let preview = try await bench.crossing().preview(CutoverRequest()).report
            #expect(!preview.holds && preview.firstRefusal?.advice.isEmpty == false, "\(preview)")
            let report = try await bench.cutOver()
            #expect(report.outcome == "refused" && report.refusal?.found.isEmpty == false, "\(report)")
            #expect(try bench.contents() == before)
            if try await bench.bridge.taken(by: BridgeBench.pipeline) != nil {
                #expect(try await bench.standing().isLegacys)
            }
        }
    }

    /// The journal refuses one line after the other: the cutover breaks off before each step and after it.
    @Test(arguments: Kind.allCases) func brokenOffAtAnyStepItIsCompletedByTheNextCommand(_ kind: Kind) async throws {
        try await BridgeBench.with(kind) { bench in
            let before = try bench.contents()
            var broken = 0
            for lines in 0..<40 {
                try bench.journalTakes(lines)
                var isWhole = true
                do { isWhole = try await bench.cutOver().outcome == "done" } catch { isWhole = false }
                try bench.journalTakes(nil)
                if !isWhole { broken += 1 }
                switch lines % 3 {
                case 0:
                    #expect(
                        ["done", "completed", "already"].contains(try await bench.cutOver().outcome ?? ""),
                        "\(lines)"
                    )
                    #expect(try await bench.standing().state == .airflow, "\(lines)")
                case 1:
                    // Whoever looks after it completes it, or legacy has it.
                    var after = try await bench.standing()
                    for _ in 0..<100 where after.isHealable {
                        _ = try await bench.crossing().heal(after)
                        after = try await bench.standing()
                    }
                    #expect(after.state == .airflow || after.isLegacys, "\(lines): \(after)")
                default: break
                }
                if let crossing = try await bench.bridge.taken(by: BridgeBench.pipeline) {
                    _ = try await crossing.rollBack(RollbackRequest(), crossing.blankReport)
                }
                #expect(try await bench.standing().isLegacys, "\(lines)")
                try expectGivenBack(bench, before)
                if isWhole { break }
            }
            #expect(broken > 2, "nothing was broken off")
        }
    }

    @Test(arguments: Kind.allCases) func brokenOffAtAnyStepARollbackIsCompletedToo(_ kind: Kind) async throws {
        try await BridgeBench.with(kind) { bench in
            let before = try bench.contents()
            var broken = 0
            for lines in 0..<20 {
                #expect(["done", "completed", "already"].contains(try await bench.cutOver().outcome ?? ""))
                try bench.journalTakes(lines)
                var isWhole = true
                do { isWhole = try await bench.rollBack().outcome == "done" } catch { isWhole = false }
                try bench.journalTakes(nil)
                if isWhole { break }
                broken += 1
                if let crossing = try await bench.bridge.taken(by: BridgeBench.pipeline) {
                    _ = try await crossing.rollBack(RollbackRequest(), crossing.blankReport)
                }
                #expect(try await bench.standing().isLegacys, "\(lines)")
                try expectGivenBack(bench, before)
            }
            #expect(broken > 0, "nothing was broken off")
        }
    }

    @Test(arguments: Kind.allCases) func aRollbackNeedsNothingThatBaileyKeeps(_ kind: Kind) async throws {
        try await BridgeBench.with(kind) { bench in
            let before = try bench.contents()
            #expect(try await bench.cutOver().outcome == "done")
            #expect(try await bench.withoutState().rollBack().outcome == "done")
            try expectGivenBack(bench, before)
        }
    }

    @Test(arguments: Kind.allCases) func whatSomebodyHasMovedMeanwhileIsLeftAlone(_ kind: Kind) async throws {
        try await BridgeBench.with(kind) { bench in
            #expect(try await bench.cutOver().outcome == "done")
            var request = RollbackRequest()
            request.fence = "another"
            #expect(try await bench.rollBack(request).outcome == "nothing")
            #expect(try await bench.standing().state == .airflow)
            request.fence = try await bench.standing().fence
            #expect(try await bench.rollBack(request).outcome == "done")
        }
    }

    /// Of Django's rows nothing of Bailey's is left, and they stay as they are: disabled.
    @Test func whatIsRetiredLeavesTheDatabaseAsTheApplicationKnowsIt() async throws {
        try await BridgeBench.with(.djangoBeat) { bench in
            #expect(try await bench.cutOver().outcome == "done")
            let moved = try bench.contents()
            let crossing = try await bench.taken()
            let around = try BridgeBench.around(bench.folder)
            let archive = try await around.session(BridgeBench.pipeline, "retire").run { journal in
                try await crossing.retiring(journal) { work in
                    guard case .ticks(let operation) = work else { throw BenchError("these are ticks") }
                    let look = try await operation.look()
                    #expect(look.disorder.isEmpty && look.entries.map(\.key).sorted() == ["a", "b"])
                    #expect(look.inCode == .known([]))
                    try await operation.mark(true)
                    let archive = try await operation.archive()
                    try await operation.finish()
                    return archive
                }
            }
            let kept = archive?["switch"]?["entries"]?.array?.compactMap { $0["kept"]?["name"]?.string }
            #expect(kept?.sorted() == ["a", "b"])
            #expect(try bench.contents() == moved)
            #expect(try !bench.everything().contains("bailey"))
            #expect(try await bench.bridge.taken().isEmpty)
        }
    }

    /// Whether a rollback was forgotten is not known without the journal: that is said, and is not “none”.
    @Test func aJournalThatCannotBeReadIsNotOneWithoutARollback() async throws {
        try await BridgeBench.with(.djangoBeat) { bench in
            #expect(try await bench.cutOver().outcome == "done")
            #expect(try await bench.standing().troubles.isEmpty)
            try bench.journalIsThere(false)
            #expect(try await bench.standing().troubles.map(\.event) == ["journal"])
            await #expect(throws: StoreError.self) {
                try await bench.bridge.lost(of: BridgeBench.pipeline, nil, nil, taken: nil)
            }
            try bench.journalIsThere(true)
            #expect(try await bench.standing().troubles.isEmpty)
        }
    }

    /// What could not be looked at is not nothing.
    @Test func aQueueThatCannotBeAskedIsNotOneThatHoldsNothing() async throws {
        try await withFolder { folder in
            var settings = SourceSettings(name: "s", kind: "queue", url: "postgresql://u@127.0.0.1:1/d")
            settings.profile = "background_jobs"
            let system = QueueSystem(settings, profiles: QueueProfiles(folder: folder.path, shown: "profiles"))
            let around = try BridgeBench.around(folder)
            let bridge = QueueBridge(source: "s", table: { try system.source() }, surroundings: around)
            await #expect(throws: PostgresError.self) { try await bridge.stranded(guesses: true) }
            await #expect(throws: PostgresError.self) { try await bridge.taken(by: "p") }
            await #expect(throws: PostgresError.self) { try await bridge.tend() }
        }
    }
}

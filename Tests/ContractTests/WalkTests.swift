import ArgumentParser
import Cutover
import Foundation
import Legacy
import LosslessJSON
import Migration
import Schedules
import Settings
import Store
import TestSupport
import Testing

@testable import Commands
@testable import Operations
@testable import ThirdSystem

/// A system that `Sources` has no line about goes from import to status through the very same commands.
@Suite("A legacy system of one's own", .timeLimit(.minutes(3))) struct WalkTests {
    /// Runs a command in this process, with the almanac among the systems; its exit status.
    private func bailey(_ words: [String], _ folder: URL, kind: SystemKind = .almanac) async throws -> Int32 {
        await SystemKind.$added.withValue([kind]) {
            do {
                var command = try Commands.Bailey.parseAsRoot(words + ["--config", folder.path + "/bailey.yaml"])
                if var command = command as? any AsyncParsableCommand {
                    try await command.run()
                } else {
                    try command.run()
                }
                return 0
            } catch let code as ExitCode {
                return code.rawValue
            } catch {
                let (status, lines) = ExitStatus.of(error)
                Issue.record("\(words): \(lines.joined(separator: "; "))")
                return status.rawValue
            }
        }
    }

    private func status(_ folder: URL) async throws -> PipelineStatus {
        try await SystemKind.$added.withValue([.almanac]) {
            let workspace = try Workspace(
                config: folder.path + "/bailey.yaml",
                surroundings: .machine(tell: { _ in })
            )
            let survey = await Survey(workspace)
            #expect(survey.unknowns.isEmpty, "\(survey.unknowns)")
            let statuses = await survey.statuses(["nightly"], deployments: [:])
            return try #require(statuses.first)
        }
    }

    private func settle(_ folder: URL) throws -> Almanac {
        let almanac = try Almanac(in: folder, entries: ["report", "other"])
        let workspace = TestSupport.Bailey(in: folder)
        try workspace.write(
            """
            version: 1
            sources:
              almanac: {kind: almanac, url: \(almanac.path), secret: hidden-word}
            """,
            to: "bailey.yaml"
        )
        try workspace.write(
            "pipeline: nightly\ntasks: {report: {entry: almanac/report, command: [\"true\"]}}\n",
            to: "mappings/nightly.yaml"
        )
        return almanac
    }

    @Test func goesFromImportToStatus() async throws {
        try await withFolder { folder in
            let almanac = try settle(folder)
            let hour: Int64 = 3600
            let now = Int64(Date().timeIntervalSince1970)
            let full = Instant(seconds: now - now % hour)
            for past in 1...6 { try almanac.tick(full.adding(seconds: -Int64(past) * hour)) }

            #expect(try await bailey(["import"], folder) == 0)
            #expect(try await bailey(["plan"], folder) <= 1)
            #expect(try await bailey(["generate", "nightly"], folder) == 0)
            let file = try String(contentsOfFile: folder.path + "/dags/nightly.py", encoding: .utf8)
            #expect(file.contains("AlmanacGate") && file.contains("almanac.airflow"))
            _ = try await bailey(["shadow", "--from-history", "nightly"], folder)
            let store = try StateStore(path: folder.path + "/.bailey/state.sqlite")
            #expect(try store.comparisons(pipeline: "nightly").isEmpty == false)
            #expect(try await bailey(["doctor"], folder) == 0)
            let rights = try SystemKind.$added.withValue([.almanac]) {
                try RightsReport(
                    Workspace(config: folder.path + "/bailey.yaml", surroundings: .machine(tell: { _ in }))
                )
            }
            #expect(rights.needs.map(\.commands) == ["import, shadow", "cutover, rollback"])
            let status = try await status(folder)
            #expect(status.stage == .shadowing, "\(status)")
        }
    }

    @Test func goesOnToAirflowAndBack() async throws {
        try await withFolder { folder in
            let almanac = try settle(folder)
            #expect(try await bailey(["import"], folder) == 0)
            // Without --execute nothing is changed, and the policy refuses: nothing was ever compared.
            let before = try almanac.read()
            #expect(try await bailey(["cutover", "nightly"], folder) == 1)
            #expect(try await bailey(["cutover", "nightly", "--execute"], folder) == 1)
            #expect(try almanac.read() == before)

            let override = ["--override", "a test", "--reason", "it walks"]
            #expect(try await bailey(["cutover", "nightly", "--execute"] + override, folder) == 0)
            #expect(try almanac.read()["entries"]?["report"]?["enabled"] == false)
            #expect(try almanac.read()["entries"]?["other"]?["enabled"] == true)
            let moved = try await status(folder)
            #expect(moved.stage == .airflow && moved.owner == .airflow, "\(moved)")

            // The gate of a run asks, and has the tick.
            let next = Instant(seconds: Int64(Date().timeIntervalSince1970) + 3600)
            #expect(try almanac.claims("nightly", next, run: "nightly/1"))
            // Its owner enables the entry behind our back; whoever watches mends it.
            try almanac.set("report", "enabled", true)
            #expect(try await status(folder).waitsFor.contains("healing"))
            #expect(try await bailey(["watch", "--once"], folder) == 0)
            #expect(try almanac.read()["entries"]?["report"]?["enabled"] == false)

            #expect(try await bailey(["rollback", "nightly"], folder) == 0)
            #expect(try await status(folder).stage == .airflow)
            #expect(try await bailey(["rollback", "nightly", "--execute"], folder) == 0)
            #expect(try almanac.read()["entries"] == before["entries"])
            #expect(try await status(folder).stage == .rolledBack)
            #expect(try !almanac.claims("nightly", next.adding(seconds: 3600), run: "nightly/2"))
        }
    }

    @Test func itsSettingsAreItsOwn() async throws {
        try await withFolder { folder in
            _ = try settle(folder)
            try SystemKind.$added.withValue([.almanac]) {
                let config = folder.path + "/bailey.yaml"
                let workspace = try Workspace(config: config, surroundings: .machine(tell: { _ in }))
                #expect(workspace.secrets.contains("hidden-word"))
            }
        }
    }

    /// A store that loses its last second while a rollback restores another switch says again of what was given back that it is Airflow's.
    @Test func whatTheStoreForgetsWhileALostSwitchIsRestoredIsGivenBackAgain() async throws {
        try await withFolder { folder in
            let almanac = try settle(folder)
            #expect(try await bailey(["import"], folder) == 0)
            let before = try almanac.read()
            let override = ["--override", "a test", "--reason", "it walks"]
            #expect(try await bailey(["cutover", "nightly", "--execute"] + override, folder) == 0)
            let moved = try almanac.read()
            #expect(moved["entries"] != before["entries"])

            let forgetful = SystemKind(
                SourceKind(name: "almanac", keys: ["secret"]),
                bridge: { source, _, around in
                    ForgetfulBridge(
                        known: AlmanacBridge(
                            source: source.name,
                            almanac: Almanac(path: source.url),
                            surroundings: around
                        ),
                        older: moved
                    )
                },
                make: { source, _ in AlmanacSystem(source) }
            )
            #expect(try await bailey(["rollback", "nightly", "--execute"], folder, kind: forgetful) == 0)
            #expect(try almanac.read()["entries"] == before["entries"])
            #expect(try almanac.read()["switches"]?["nightly"]?["state"] == "legacy")
        }
    }
}

/// An almanac that has lost the switch of something else, and that comes back older while this is restored.
private struct ForgetfulBridge: Bridge {
    let known: AlmanacBridge
    let older: JSON

    var source: String { known.source }
    var cargo: Cargo { known.cargo }

    func rights() -> [NeededRights] { known.rights() }
    func crossing(of dag: DAGDefinition, in inventory: Inventory) throws -> (any Crossing)? {
        try known.crossing(of: dag, in: inventory)
    }
    func taken(by pipeline: String) async throws -> (any Crossing)? { try await known.taken(by: pipeline) }
    func taken() async throws -> [String: any Crossing] { try await known.taken() }
    func standings(of looks: [Look]) async throws -> [Result<CrossingStanding, any Error>] {
        try await known.standings(of: looks)
    }
    func lost(of pipeline: String, _ dag: DAGDefinition?, _ inventory: Inventory?, taken: (any Crossing)?) async throws
        -> (any LostCrossing)?
    { Lost(source: source, almanac: known.almanac, older: older) }

    private struct Lost: LostCrossing {
        let source: String
        let almanac: Almanac
        let older: JSON

        var members: [String] { ["lost"] }
        var notes: [String] { ["lost: its switch is gone"] }

        func restore(_ report: CrossingReport) async throws -> CrossingReport {
            try almanac.change { $0 = older }
            guard case .ticks(var report) = report else { return report }
            report.outcome = "done"
            return .ticks(report)
        }
    }
}

import Airflow
package import Cutover
import Legacy
package import LosslessJSON
import Migration
import Processes
import Schedules
import Settings
import Store

/// What `doctor` finds out: whether each system can be reached and read, and what to mend.
package struct Checkup: Sendable {
    /// Everything that was looked at, in order.
    package private(set) var checks: [Check] = []

    /// Looks at everything; what cannot be asked is a check that fails.
    ///
    /// - Parameter describe: an error in one line, as the command line says it.
    package init(_ workspace: Workspace, describe: (any Error) -> String) async throws {
        let zones = workspace.zones
        add(
            "zone files",
            zones.version != nil,
            zones.version.map { "edition \($0) in \(zones.directory)" }
                ?? "none in \(zones.directory): install tzdata"
        )
        do {
            _ = try workspace.store().latestInventory()
            add("state", true, workspace.settings.state)
        } catch {
            add("state", false, "\(error)")
        }
        do {
            let choice = try await workspace.sandboxes.choice()
            add("sandbox", true, "bodies with “shadow: sandbox” run in \(choice)")
        } catch {
            add("sandbox", true, "none, so that bodies with “shadow: sandbox” are not run: \(error)")
        }
        for system in workspace.systems {
            do {
                let summary = try await system.probe(zones: zones)
                add(system.name, true, "\(summary.system) at \(summary.address): \(summary.found) found")
            } catch {
                add(system.name, false, describe(error))
            }
        }
        // Of a source that cannot be read the lines above tell.
        let survey = await Survey(workspace)
        for bridge in survey.bridges {
            do {
                if let refusal = try await bridge.stranded(guesses: false) { add(bridge.source, false, "\(refusal)") }
            } catch {
                let isTold = checks.contains { $0.name == bridge.source && !$0.holds }
                if !isTold {
                    add(bridge.source, false, "whether jobs are held for nobody is not known: \(describe(error))")
                }
            }
        }
        for work in survey.lost { add("\(work.source) clocks", false, work.text) }
        for (source, durability) in survey.durabilities.sorted(by: { $0.key < $1.key }) {
            switch durability {
            case .enough(let what): add("\(source) durability", true, what)
            case .missing(let what), .unknown(let what): add("\(source) durability", false, what)
            }
        }
        do {
            if try workspace.airflowAccess() != nil {
                let target = workspace.settings.airflow.version
                checks += try await workspace.withAirflow("doctor") {
                    try await AirflowChecks(client: $0, target: target).all()
                }
            }
        } catch let error as AirflowError {
            add("airflow", false, error.description)
        }
    }

    private mutating func add(_ name: String, _ holds: Bool, _ detail: String) {
        checks.append(Check(name, holds: holds, detail))
    }

    /// Whether nothing has to be mended.
    package var holds: Bool { checks.allSatisfy(\.holds) }

    /// The document; see docs/json.md.
    package var json: JSON {
        [
            "bailey": "doctor", "version": 1,
            "checks": .array(
                checks.map { ["name": .string($0.name), "ok": .bool($0.holds), "detail": .string($0.evidence)] }
            ),
        ]
    }
}

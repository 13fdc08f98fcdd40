import Airflow
import ArgumentParser
import Legacy
import LosslessJSON
import Migration
import Reports
import Schedules
import Settings
import Store

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check every system: reachable, readable, and what to mend."
    )

    @OptionGroup var common: CommonOptions

    func run() async throws {
        let desk = try Desk(common)
        var checks: [(name: String, ok: Bool, detail: String)] = [
            (
                "zone files", desk.zones.version != nil,
                desk.zones.version.map { "edition \($0) in \(desk.zones.directory)" }
                    ?? "none in \(desk.zones.directory): install tzdata"
            )
        ]
        do {
            _ = try desk.store().latestInventory()
            checks.append(("state", true, desk.workspace.state))
        } catch {
            checks.append(("state", false, "\(error)"))
        }
        for source in try desk.sources() {
            do {
                let reading = try await source.read(zones: desk.zones)
                checks.append(
                    (
                        source.name, true,
                        "\(reading.summary.system) at \(reading.summary.address): \(reading.summary.found) found"
                    )
                )
            } catch {
                checks.append((source.name, false, ExitStatus.of(error).message))
            }
        }
        for source in desk.workspace.sources {
            if let error = await desk.stranded(source) { checks.append((source.name, false, "\(error)")) }
        }
        do {
            if try desk.airflowAccess() != nil {
                let target = desk.workspace.airflow.version
                checks += try await desk.withAirflow("doctor") {
                    try await AirflowChecks(client: $0, target: target).all()
                }
            }
        } catch let error as AirflowError {
            checks.append(("airflow", false, error.description))
        }
        if common.json {
            Console.print([
                "bailey": "doctor", "version": 1,
                "checks": .array(
                    checks.map { ["name": .string($0.name), "ok": .bool($0.ok), "detail": .string($0.detail)] }
                ),
            ])
        } else {
            var table = TextTable(["CHECK", "", "DETAIL"])
            for check in checks { table.add([check.name, check.ok ? "ok" : "FAILS", check.detail]) }
            Console.print(table.lines(width: 400))
        }
        if checks.contains(where: { !$0.ok }) { throw ExitCode(ExitStatus.unreachable.rawValue) }
    }
}

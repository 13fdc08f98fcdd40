import Legacy
import Postgres

/// Installing the switch on a queue, and taking it away.
extension QueueSwitch {
    /// The whole installation as SQL for the database's administrator.
    ///
    /// - Parameter roles: the users that Bailey and Airflow connect as.
    public func script(roles: [String]) -> String { "BEGIN;\n" + sql.install(roles: roles) + "COMMIT;\n" }

    /// The removal as SQL for the database's administrator.
    public var removal: String { "BEGIN;\n" + sql.uninstall + "COMMIT;\n" }

    /// The database user that Bailey connects as.
    ///
    /// - Throws: `PostgresError`.
    public func user() async throws -> String {
        try await connection.query("SELECT current_user AS who").first?.text("who") ?? ""
    }

    /// Installs the switch, or brings it up to date; nothing happens if it is there. Tries first, in a transaction that is rolled back,
    /// whether a row can be held.
    ///
    /// - Throws: `Refusal`, then nothing was changed; or `PostgresError`.
    public func install(roles: [String] = []) async throws {
        let readiness = try await readiness()
        if let refusal = readiness.refusals.first { throw refusal }
        if readiness.installation == .present { return }
        guard readiness.missingRights.isEmpty else {
            throw Refusal(
                .noRights,
                queue: queue,
                operation: "installing the switch",
                found: "\(readiness.user) lacks \(readiness.missingRights.joined(separator: ", "))",
                advice:
                    "Give the output of bailey cutover PIPELINE --sql to the database's administrator, then run the command again"
            )
        }
        try await tryHolding()
        try await run(sql.install(roles: roles), "installing the switch")
    }

    /// Removes the switch.
    ///
    /// - Throws: `Refusal` with the code `still-held` while jobs are held or claimed, then nothing was changed; or `PostgresError`.
    public func uninstall() async throws {
        let readiness = try await readiness()
        if readiness.installation == .absent {
            if let stranded = try await strandedError("uninstalling the switch") { throw stranded }
            if let foreign = readiness.refusals.first(where: { $0.reason == .foreignSchema || $0.reason == .readOnly })
            {
                throw foreign
            }
            return
        }
        try await run(sql.uninstall, "uninstalling the switch")
    }

    private func run(_ script: String, _ operation: String) async throws {
        do {
            try await connection.execute(script: script)
        } catch {
            switch error.state {
            case "55P03": throw busy(operation)
            case "55006":
                throw Refusal(
                    .stillHeld,
                    queue: queue,
                    operation: operation,
                    found: "jobs are held or claimed still",
                    advice:
                        "Roll back the pipelines of this queue first, and let their DAG runs finish what they have taken"
                )
            default: throw error
            }
        }
    }

    /// Lets one row go each way that a job may go, in transactions that are rolled back: what no catalogue tells, such as an application's own
    /// trigger.
    private func tryHolding() async throws {
        struct RolledBack: Error {}
        for way in sql.trials {
            do {
                try await connection.transaction { connection in
                    _ = try await connection.query("SET LOCAL lock_timeout = '2s'")
                    _ = try await connection.query(sql.setPath)
                    guard let id = try await connection.query(sql.pick).first?["id"] else { throw RolledBack() }
                    for statement in way { _ = try await connection.query(statement, [.text(id)]) }
                    throw RolledBack()
                }
            } catch is RolledBack {
            } catch let error as PostgresError {
                // Class 22: a value that the type does not take; 23: a constraint; 42: what a trigger names is not found; P0: an exception of
                // somebody's own.
                guard let state = error.state, ["22", "23", "42", "P0"].contains(state.prefix(2)), error.code != .rights
                else { throw error }
                throw cannotHold("a row cannot be held: \(error.found)")
            }
        }
    }

    private func busy(_ operation: String) -> Refusal {
        Refusal(
            .busy,
            queue: queue,
            operation: operation,
            found: "another transaction has held \(sql.table) for more than two seconds",
            advice: "See pg_stat_activity for it, then run the command again; nothing was changed"
        )
    }
}

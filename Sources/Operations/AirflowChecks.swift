import Airflow
import Cutover

/// What `doctor` finds out about an Airflow.
struct AirflowChecks {
    /// The largest difference of the clocks that does no harm, in seconds; the API tells the time to the second.
    static let tolerableSkew = 2.0

    let client: AirflowClient
    /// The Airflow that files are written for: `3` or `2.11`.
    let target: String

    /// Asks for everything; what cannot be asked is a failed check.
    ///
    /// - Throws: `AirflowError` if nobody can log in.
    func all() async throws -> [Check] {
        var checks = [version, clock]
        checks.append(
            try await check("airflow health") {
                let health = try await client.health()
                let bad = health.filter { $0.value != "healthy" }.keys.sorted()
                let good = health.filter { $0.value == "healthy" }.keys.sorted().joined(separator: ", ")
                guard bad.isEmpty else { return (false, "not healthy: \(bad.joined(separator: ", ")); start them") }
                guard health["scheduler"] != nil else { return (false, "no scheduler has ever run") }
                return (true, "healthy: \(good)")
            }
        )
        checks.append(
            try await check("airflow rights") {
                // The first needs a login, the others a right each that deploy and shadow use.
                let count = try await client.dags(tag: "bailey").count
                _ = try await client.importErrors()
                _ = try await client.connections()
                _ = try await client.pools()
                return (true, "may read DAGs (\(count) of Bailey's), import errors, connections and pools")
            }
        )
        checks.append(
            try await check("airflow runtime") {
                let providers = try await client.providers()
                let plugins = try await client.plugins()
                let names = ["redis", "postgres", "standard"].map { name in
                    let found = providers["apache-airflow-providers-" + name]
                    return found.map { "\(name) \($0)" } ?? "no \(name)"
                }
                let plugin = plugins.contains("bailey") ? "Bailey's plugin is there" : "no plugin of Bailey's"
                return (true, "providers: \(names.joined(separator: ", ")); \(plugin)")
            }
        )
        return checks
    }

    private var version: Check {
        let found = client.version
        let wanted = target == "2.11" ? "2.11." : "3."
        guard found.description.hasPrefix(wanted) else {
            return Check(
                "airflow",
                holds: false,
                "\(client.address) is Airflow \(found), but target.airflow.version is \(target)"
            )
        }
        let known = found.standing == .tested ? "" : ", which Bailey's tests do not run"
        return Check("airflow", holds: true, "Airflow \(found)\(known) at \(client.address)")
    }

    private var clock: Check {
        guard let ahead = client.clockAhead else {
            return Check("airflow clock", holds: false, "it gives no date; compare by hand")
        }
        // The header is cut to the second, so that an equal clock seems up to a second behind.
        let skew = max(0, abs(ahead + 0.5) - 0.5)
        let text = ahead >= 0 ? "ahead" : "behind"
        guard skew <= AirflowChecks.tolerableSkew else {
            return Check(
                "airflow clock",
                holds: false,
                "\(Int(abs(ahead).rounded())) s \(text) of this machine; set both by NTP"
            )
        }
        return Check("airflow clock", holds: true, "agrees to about a second")
    }

    private func check(_ name: String, _ body: () async throws -> (Bool, String)) async throws -> Check {
        do {
            let (ok, detail) = try await body()
            return Check(name, holds: ok, detail)
        } catch let error as AirflowError where error.code != .authentication {
            return Check(name, holds: false, error.description)
        }
    }
}

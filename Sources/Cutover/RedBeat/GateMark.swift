import LosslessJSON
public import Schedules

/// What a gate leaves beside the switch when it asks: that this very place was asked, by which run of which Airflow, and when.
public struct GateMark: Sendable, Hashable {
    /// The name of the installation of Airflow; empty if it gave none.
    public var installation: String
    /// The newest tick that it asked for.
    public var tick: Instant
    /// The run that did: `<dag_id>/<run_id>`.
    public var run: String
    /// When it asked, by Redis's clock.
    public var at: Instant

    /// The DAG.
    public var dag: String { String(run.prefix { $0 != "/" }) }

    /// How it is called in sentences.
    public var name: String {
        installation.isEmpty ? "an installation without a name" : "the installation “\(installation)”"
    }

    /// The marks of a status, newest tick first; what cannot be read is none.
    static func list(_ stored: [UInt8]) -> [GateMark] {
        let found = ((try? JSON(parsing: stored))?.array ?? []).compactMap { json -> GateMark? in
            guard let tick = json["tick"]?.string.flatMap({ Int64($0) }), let run = json["run"]?.string,
                let at = json["at"]?.string.flatMap({ Int64($0) }), let by = json["by"]?.string
            else { return nil }
            return GateMark(
                installation: by,
                tick: Instant(microseconds: tick),
                run: run,
                at: Instant(microseconds: at)
            )
        }
        return found.sorted { ($0.tick, $0.installation) > ($1.tick, $1.installation) }
    }
}

extension SwitchStatus {
    /// Seconds for which a mark says that an installation asks here.
    public static let markLasts: Int64 = 86_400

    /// The marks of a DAG's gate of the last day, newest tick first.
    public func marks(of dag: String) -> [GateMark] {
        let since = now.adding(seconds: -SwitchStatus.markLasts)
        return (entries.first?.marks ?? []).filter { $0.dag == dag && $0.at > since }
    }

    /// That at most one installation of Airflow asks for these ticks, or one of them was named.
    func installationCheck(_ pipeline: String, named: String?) -> Check {
        let name = "one Airflow asks"
        let found = marks(of: pipeline)
        if let named {
            guard found.contains(where: { $0.installation == named }) else {
                let others = found.map { $0.name }.joined(separator: " and ")
                return Check(
                    name,
                    "“\(named)” has not asked",
                    refusal: Refusal(
                        .installations,
                        "the installation “\(named)” has not asked for a tick of \(pipeline) here within a day\(found.isEmpty ? "" : "; \(others) did")",
                        "See what its gates log as their installation, and which Redis its connection names"
                    )
                )
            }
            return Check(name, "the installation “\(named)” was named")
        }
        guard found.count > 1 else {
            return Check(
                name,
                found.first.map { "\($0.name), last for the tick \($0.tick.iso8601)" } ?? "none has asked here yet"
            )
        }
        let who = found.map { "\($0.name) (last for the tick \($0.tick.iso8601))" }.joined(separator: " and ")
        return Check(
            name,
            "\(found.count) ask",
            refusal: Refusal(
                .installations,
                "\(who) ask for the ticks of \(pipeline): each would be told that they are its own",
                "Pause the DAG in the others, or say which is to run it: --installation NAME"
            )
        )
    }
}

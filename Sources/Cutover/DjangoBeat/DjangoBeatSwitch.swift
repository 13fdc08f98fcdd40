import CTexts
import LosslessJSON
import Migration
import Postgres
import Schedules

/// The switch of a source's entries of `django_celery_beat`: calls the functions of schema `bailey_beat`, which make every decision.
struct DjangoBeatSwitch: Sendable {
    /// The source's name.
    let source: String
    let connection: PostgresConnection
    let sleep: @Sendable (Double) async throws -> Void

    /// The package's own table, as its models name it.
    static let table = "django_celery_beat_periodictask"

    /// Connects, to write.
    ///
    /// - Throws: `PostgresError`.
    init(source: String, url: PostgresURL, sleep: @escaping @Sendable (Double) async throws -> Void)
        async throws(PostgresError)
    {
        self.source = source
        self.sleep = sleep
        connection = try await PostgresConnection(to: url, readOnly: false)
    }

    // MARK: Installing

    /// What is run to install it, before `bailey_beat.install`.
    static let script = [
        carried_beat_tables_sql(), carried_beat_helpers_sql(), carried_beat_moving_sql(),
        carried_beat_running_sql(), carried_beat_copying_sql(), carried_beat_retiring_sql(),
    ].map { String(cString: $0) }.joined(separator: "\n")

    /// Tells what is installed from what another Bailey installs.
    static var digest: String { StableDigest(script).description }

    /// Whether the switch is there, for this source and as this Bailey installs it.
    enum Installation: Sendable, Hashable { case absent, present, outdated }

    /// Whether it is there.
    ///
    /// - Throws: `PostgresError`, or `Refusal` where another source has it.
    func installation() async throws -> Installation {
        let there = try await connection.query(
            "SELECT to_regclass('bailey_beat.place') IS NOT NULL AS place, to_regnamespace('bailey_beat') IS NOT NULL AS schema"
        )
        guard try there.first?.bool("place") == true else {
            if try there.first?.bool("schema") == true {
                throw Refusal(
                    .foreignSchema,
                    "the schema bailey_beat of \(source) holds no switch of Bailey's",
                    "See what it is; rename it, then run the command again"
                )
            }
            return .absent
        }
        let rows = try await connection.query(
            """
            SELECT p.source, p.digest, p.tasks = to_regclass($2)::oid AS same,
                EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = p.tasks AND g.tgname = 'bailey_beat_guard' AND g.tgenabled IN ('O', 'A')) AS guarded
            FROM bailey_beat.place p WHERE p.source = $1 OR p.tasks = to_regclass($2)::oid
            """,
            [.text(source), .text(DjangoBeatSwitch.table)]
        )
        guard let row = rows.first else { return .absent }
        guard rows.count == 1, try row.text("source") == source, try row.bool("same") else {
            throw Refusal(
                .foreignSchema,
                "the switch in this database is that of the source \(try row.text("source")), or of another table",
                "Give the source the name that it had when its entries were moved"
            )
        }
        return try row.text("digest") == DjangoBeatSwitch.digest && row.bool("guarded") ? .present : .outdated
    }

    /// Installs it, or brings it up to date, in one transaction.
    ///
    /// - Throws: `Refusal`, then nothing was changed; or `PostgresError`.
    func install() async throws {
        let literal = PostgresConnection.literal
        let script =
            DjangoBeatSwitch.script
                + """

                SELECT bailey_beat.install(\(literal(source)), to_regclass(\(literal(DjangoBeatSwitch.table))), \(literal(DjangoBeatSwitch.digest)));
                REVOKE ALL ON ALL FUNCTIONS IN SCHEMA bailey_beat FROM PUBLIC;
                """
        do { try await connection.execute(script: script) } catch {
            switch error.state {
            case "55P03":
                throw Refusal(
                    .busy,
                    "another transaction has held \(DjangoBeatSwitch.table) for more than two seconds",
                    "See pg_stat_activity for it, then run the command again; nothing was changed"
                )
            case "42501":
                throw Refusal(
                    .noRights,
                    "the switch cannot be installed: \(error.found)",
                    "bailey doctor --rights prints what is needed; nothing was changed"
                )
            default: throw error
            }
        }
    }

    // MARK: Calling

    /// A function's answer. A row that somebody has locked is asked for again, for ten seconds.
    ///
    /// - Throws: `PostgresError`.
    func call(_ function: String, _ values: [PostgresValue]) async throws -> JSON {
        let marks = values.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
        let sql = "SELECT bailey_beat.\(function)(\(marks))::text AS answer"
        for attempt in 1... {
            do {
                let rows = try await connection.query(sql, values)
                return try JSON(parsing: try rows.first?.text("answer") ?? "null")
            } catch let error as PostgresError where error.state == "55P03" && attempt < 100 {
                try await sleep(0.1)
            }
        }
        return .null
    }

    func close(_ pipeline: String, _ order: JSON) async throws -> JSON {
        try await call("close", [.text(source), .text(pipeline), .text(order.text())])
    }

    func settle(_ pipeline: String) async throws -> JSON {
        try await call("settle", [.text(source), .text(pipeline)])
    }

    /// Makes a copy of a row that beat fires once.
    func copy(of row: JSON, name: String, options: JSON, longest: Double) async throws {
        let micros = Int64(longest * 1_000_000)
        _ = try await call(
            "copy",
            [.text(source), .text(row.text()), .text(name), .text(options.text()), .integer(micros)]
        )
    }

    /// Whether beat has written that it fired a copy: `fired`, `waiting` or `gone`.
    func fired(_ copy: String) async throws -> String {
        try await call("fired", [.text(source), .text(copy)])["answer"]?.string ?? "gone"
    }

    /// Takes copies away whose names begin so; how many rows went.
    func removeCopies(_ beginning: String) async throws -> Int {
        try await call("uncopy", [.text(source), .text(beginning)])["count"]?.int ?? 0
    }

    func repark(_ pipeline: String) async throws -> JSON {
        try await call("repark", [.text(source), .text(pipeline)])
    }

    /// Tells beat what it is owed: `told`, `owing` or `nothing`.
    ///
    /// - Throws: `PostgresError`.
    func tell() async throws -> String { try await call("tell", [.text(source)])["answer"]?.string ?? "nothing" }

    func giveBack(_ pipeline: String, fence: Int64? = nil, recreates: Bool = false, onlyClosing: Bool = false)
        async throws -> JSON
    {
        try await call(
            "give_back",
            [
                .text(source), .text(pipeline), fence.map { .integer($0) } ?? .null, .bool(recreates),
                .bool(onlyClosing),
            ]
        )
    }

    /// What is known of pipelines; of all that have a switch if none is named.
    ///
    /// - Throws: `PostgresError`, or `Refusal`.
    func status(_ pipelines: [String]?, claims: Int = 20) async throws -> DjangoBeatStatus {
        guard try await installation() != .absent else {
            let now = try await connection.query(
                "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us"
            )
            return DjangoBeatStatus(now: Instant(microseconds: Int64(try now.first?.int("us") ?? 0)))
        }
        let answer = try await call(
            "status",
            [.text(source), pipelines.map { .texts($0) } ?? .null, .integer(Int64(claims))]
        )
        return DjangoBeatStatus(answer)
    }
}

import LosslessJSON
import Migration
import Postgres
import Schedules
import Store

/// Takes the bridge away from entries that Airflow owns: keeps their rows, marks the switch, forgets it. The rows stay, disabled.
struct DjangoBeatRetiring: RetiringTicks {
    let engine: DjangoBeatEngine
    let crossing: DjangoBeatCrossing

    private var pipeline: String { crossing.pipeline }

    func look() async throws -> RetirementLook {
        let status = try await engine.connection.status([pipeline], claims: 1000)
        let found = status.pipelines[pipeline]
        let entries = found?.entries ?? []
        return RetirementLook(
            standing: crossing.bridge.standing(pipeline, status, timetable: nil, isGuarded: true),
            entries: crossing.members.map { ($0, found?.state ?? .legacy) },
            disorder: entries.compactMap { entry in
                if found?.state != .airflow { return "\(entry.name) is \(found?.state.rawValue ?? "legacy's")" }
                return found?.isStarted == true ? "something has enabled an entry of \(pipeline)" : nil
            },
            // A beat whose code has a row that is there leaves it disabled.
            inCode: .known([])
        )
    }

    func underWay() -> String? { nil }

    func inCode() -> [String] { [] }

    /// The rows as they were closed, and the switch with its claims.
    ///
    /// - Throws: `PostgresError`.
    func archive() async throws -> JSON {
        let answer = try await engine.connection.call(
            "status",
            [.text(crossing.source), .texts([pipeline]), .integer(1000)]
        )
        let now = answer["now"].instant?.iso8601
        return [
            "read_at": now.map { .string($0) } ?? .null, "pipeline": .string(pipeline),
            "switch": answer["pipelines"]?[pipeline] ?? .null,
        ]
    }

    func mark(_ marks: Bool) async throws { try await change(marks ? .mark : .unmark, marks ? "mark" : "unmark") }

    func lastClaim() async throws -> Instant? {
        let record = try await engine.found().found?.record
        return [record?.lastClaim, record?.windows.last?.from].compactMap { $0 }.max()
    }

    func claim(_ runs: [(tick: Instant, run: String)]) async throws {
        let named = try await engine.found().found?.record?.installation ?? ""
        for (tick, run) in runs {
            let detail: JSON = ["tick": .string(tick.iso8601), "run": .string(run)]
            _ = try await engine.journal.step(.claim, detail, outcome: { (answer: JSON) in answer }) {
                try await engine.connection.claim(pipeline, tick: tick, run: run, installation: named)
            }
        }
    }

    func finish() async throws {
        try await change(.finish, "finish")
        try await engine.connection.removeIfUnused()
    }

    /// Calls until nothing comes between the look and the call.
    private func change(_ step: JournalStep, _ deed: String) async throws {
        for _ in 0..<100 {
            guard let record = try await engine.found().found?.record else {
                throw refusal("there is no switch of \(pipeline)", "See bailey status")
            }
            let seen: JSON = ["state": .string(record.state.rawValue), "fence": .number(JSONNumber(Int(record.fence)))]
            let detail: JSON = ["entries": .array(crossing.members.map { _ in seen })]
            let answer = try await engine.journal.step(step, detail, outcome: { (answer: JSON) in answer }) {
                try await engine.connection.call(
                    "retire",
                    [.text(crossing.source), .text(pipeline), .integer(record.fence), .text(deed)]
                )
            }
            switch answer["answer"]?.string {
            case "done": return
            case "changed": try await engine.sleep(0.01)
            case "bounded":
                let end = answer["until"].instant?.iso8601 ?? "with its last tick"
                throw refusal("Airflow’s window of \(pipeline) ends \(end)", "Cut it over without a bound first")
            case "started":
                throw refusal(
                    "something has enabled an entry of \(pipeline)",
                    "Run bailey watch --once, which closes it again, then run the command again"
                )
            case "unmarked": throw refusal("\(pipeline) lost its mark meanwhile", "Run the command again")
            default:
                throw refusal("\(pipeline) is \(answer["state"]?.string ?? "legacy")", "See bailey status")
            }
        }
        throw refusal(
            "the switch of \(pipeline) changes again and again",
            "See what moves it, then run the command again"
        )
    }

    private func refusal(_ found: String, _ advice: String) -> Refusal { Refusal(.retiring, found, advice) }
}

extension DjangoBeatCrossing {
    func retiring<Value>(_ journal: Journal?, _ body: (RetiringWork) async throws -> Value) async throws -> Value? {
        let engine = try await engine(try journal ?? surroundings.previewJournal(pipeline))
        return try await body(.ticks(DjangoBeatRetiring(engine: engine, crossing: self)))
    }
}

extension DjangoBeatSwitch {
    /// Records that a run has run a tick without asking.
    fileprivate func claim(_ pipeline: String, tick: Instant, run: String, installation: String) async throws -> JSON {
        try JSON(
            parsing: try await connection.query(
                """
                SELECT bailey_beat.claim($1, $2, bailey_beat.at($3), $4, 'every', NULL, clock_timestamp(), $5)::text AS answer
                """,
                [.text(source), .text(pipeline), .integer(tick.microseconds), .text(run), .text(installation)]
            ).first?.text("answer") ?? "null"
        )
    }

    /// Takes the switch itself away where nothing was moved any more and no gate has asked: nothing of Bailey's is left in the database then.
    ///
    /// - Throws: `PostgresError`.
    fileprivate func removeIfUnused() async throws {
        try await connection.execute(
            script: """
                SET lock_timeout = '2s';
                DO $bailey$ BEGIN
                    LOCK TABLE bailey_beat.switch, bailey_beat.asked IN ACCESS EXCLUSIVE MODE;
                    IF NOT EXISTS (SELECT FROM bailey_beat.switch) AND NOT EXISTS (SELECT FROM bailey_beat.asked) THEN
                        DELETE FROM django_celery_beat_intervalschedule i USING bailey_beat.beat b WHERE i.id = b.made_interval
                            AND NOT EXISTS (SELECT FROM \(DjangoBeatSwitch.table) t WHERE t.interval_id = i.id);
                        DROP TRIGGER IF EXISTS bailey_beat_guard ON \(DjangoBeatSwitch.table);
                        DROP SCHEMA bailey_beat CASCADE;
                    END IF;
                END $bailey$;
                """
        )
    }
}

public import Migration
import Postgres

/// What schedules or queues work in PostgreSQL and no source reads: it is found and named, so that nobody takes it for nothing.
public struct OtherSystem: Sendable {
    let what: String
    let signature: PostgresCatalogue.Signature
    let unit: String
    let advice: String
    /// Whether a source reads it beside something else.
    let isRead: Bool

    init(_ what: String, _ columns: String, unit: String = "schedules", isRead: Bool = false, _ advice: String) {
        self.what = what
        self.isRead = isRead
        signature = PostgresCatalogue.Signature(what, columns.split(separator: " ").map(String.init))
        self.unit = unit
        self.advice = advice
    }

    private static let rows =
        "Each row has its cron: write those that are to move as schedules of mappings, and take the rows away by hand"

    static let all = [
        OtherSystem(
            "procrastinate's periodic tasks",
            "task_name defer_timestamp job_id periodic_id",
            isRead: true,
            "The profile procrastinate reads them beside its jobs; when they are due stands in code: write the schedules into mappings"
        ),
        OtherSystem(
            "PgQueuer's schedules",
            "expression entrypoint heartbeat next_run last_run status",
            isRead: true,
            "The profile pgqueuer reads them beside its jobs"
        ),
        OtherSystem(
            "pg-boss's schedules",
            "name cron timezone data options created_on",
            isRead: true,
            "The profile pg_boss reads them beside its jobs"
        ),
        OtherSystem(
            "Graphile Worker's crontab",
            "identifier known_since last_execution",
            isRead: true,
            "The profile graphile_worker reads them beside its jobs; when they are due stands in code: write the schedules into mappings"
        ),
        OtherSystem(
            "Solid Queue's recurring tasks",
            "key schedule class_name arguments queue_name static",
            isRead: true,
            "The profile solid_queue reads them beside its jobs"
        ),
        OtherSystem(
            "APScheduler 4's schedules",
            "id task_id trigger args kwargs paused coalesce next_fire_time acquired_by",
            "What they run is pickled, and Bailey opens no pickles: write them into mappings"
        ),
        OtherSystem(
            "Django Q2's schedules",
            "func hook args kwargs schedule_type repeats next_run cron",
            isRead: true,
            "The profile django_q2 reads them beside its jobs"
        ),
        OtherSystem(
            "Django Q2's waiting tasks",
            "key payload lock !name !status",
            unit: "rows",
            "They are signed pickles, and stay closed; the tasks that ended are read by the profile django_q2"
        ),
        OtherSystem(
            "a Celery broker in SQL",
            "visible timestamp payload version queue_id",
            unit: "messages",
            "Its schedule stands in the application's code: read it with import --from-app MODULE:APP"
        ),
        OtherSystem("pgAgent's jobs", "jobid jobjclid jobname jobenabled jobnextrun joblastrun", rows),
        OtherSystem(
            "pg-boss 9's jobs",
            "name data state retrylimit retrycount startafter singletonkey keepuntil",
            unit: "rows",
            "The profile pg_boss is of versions 10 to 12: copy it and write this version's columns"
        ),
        OtherSystem(
            "Graphile Worker's jobs before 0.14",
            "queue_name task_identifier payload run_at attempts max_attempts last_error",
            unit: "rows",
            "The profile graphile_worker is of 0.17: copy it and write this version's columns"
        ),
        OtherSystem(
            "Que's jobs before 1.0",
            "priority run_at job_id job_class args error_count last_error queue",
            unit: "rows",
            "The profile que is of 2: copy it and write this version's columns"
        ),
    ]

    /// Tables that look like queues and belong to a system that is known by another: its past attempts, its results.
    private static let parts: Set<String> = [
        "good_job_executions", "bam", "django_celery_results_taskresult", "celery_taskmeta", "pgqueuer_log",
    ]

    /// Airflow's own, where its tables are.
    private static let airflow: Set<String> = [
        "dag_run", "task_instance", "task_instance_history", "job", "trigger", "callback_request", "deadline",
        "backfill", "import_error", "connection_test_request",
    ]

    /// Those of a database, and tables that look like a job queue and that no profile knows.
    public static func discover(at server: ServerLook) -> [DiscoveredSystem] {
        guard case .postgres(let look) = server else { return [] }
        let known = Dictionary(all.map { ($0.what, $0) }, uniquingKeysWith: { $1 })
        return look.tables.compactMap { table in
            guard let mark = table.marks.first else { return guess(table, look) }
            guard let system = known[mark] else { return nil }
            var found = DiscoveredSystem(
                what: system.what,
                kind: nil,
                address: look.url.address,
                place: table.full,
                certainty: .likely,
                evidence: ["\(table.full) has the columns \(system.signature.required.joined(separator: ", "))"]
                    + look.counted(table),
                amount: table.rows,
                unit: system.unit,
                outlook: system.isRead ? .readOnly : .notRead,
                advice: system.advice
            )
            found.writers = look.writers(of: table)
            return found
        }
    }

    private static func guess(_ table: PostgresCatalogue.Table, _ look: PostgresLook) -> DiscoveredSystem? {
        let isAirflow =
            airflow.contains(table.name)
            && look.tables.contains { $0.schema == table.schema && $0.name == "task_instance" }
        guard !parts.contains(table.name), !isAirflow else { return nil }
        var found = DiscoveredSystem(
            what: "a table that looks like a job queue",
            kind: nil,
            address: look.url.address,
            place: table.full,
            certainty: table.score >= PostgresCatalogue.likely ? .likely : .possible,
            evidence: ["its columns say \(table.clues.joined(separator: ", ")) (\(table.score) of 17 points)"]
                + look.counted(table),
            amount: table.rows,
            unit: "rows",
            outlook: .notRead,
            advice: table.canBeNamed
                ? "bailey profile init \(table.full) proposes a profile, with which it is read"
                : "Its name holds a dot or a character that “table” cannot name"
        )
        found.writers = look.writers(of: table)
        return found
    }
}

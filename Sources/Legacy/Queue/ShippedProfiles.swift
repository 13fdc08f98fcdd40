import CTexts

extension QueueProfile {
    /// The texts of the profiles that come with Bailey, by name; they are part of the program, which so needs no files beside it.
    public static var shipped: [String: String] {
        [
            "background_jobs": carried_background_jobs_yaml(),
            "delayed_job": carried_delayed_job_yaml(),
            "django_q2": carried_django_q2_yaml(),
            "django_tasks_db": carried_django_tasks_db_yaml(),
            "good_job": carried_good_job_yaml(),
            "graphile_worker": carried_graphile_worker_yaml(),
            "oban": carried_oban_yaml(),
            "pg_boss": carried_pg_boss_yaml(),
            "pgmq": carried_pgmq_yaml(),
            "pgqueuer": carried_pgqueuer_yaml(),
            "procrastinate": carried_procrastinate_yaml(),
            "que": carried_que_yaml(),
            "river": carried_river_yaml(),
            "solid_queue": carried_solid_queue_yaml(),
        ].mapValues { String(cString: $0) }
    }
}

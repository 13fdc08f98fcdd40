extension QueueProfile {
    /// The texts of the profiles that come with Bailey, by name; they are part of the program, which so needs no files beside it.
    public static var shipped: [String: String] {
        [
            "background_jobs": PackageResources.background_jobs_yaml,
            "delayed_job": PackageResources.delayed_job_yaml,
            "django_q2": PackageResources.django_q2_yaml,
            "django_tasks_db": PackageResources.django_tasks_db_yaml,
            "good_job": PackageResources.good_job_yaml,
            "graphile_worker": PackageResources.graphile_worker_yaml,
            "oban": PackageResources.oban_yaml,
            "pg_boss": PackageResources.pg_boss_yaml,
            "pgmq": PackageResources.pgmq_yaml,
            "pgqueuer": PackageResources.pgqueuer_yaml,
            "procrastinate": PackageResources.procrastinate_yaml,
            "que": PackageResources.que_yaml,
            "river": PackageResources.river_yaml,
            "solid_queue": PackageResources.solid_queue_yaml,
        ].mapValues { String(decoding: $0, as: UTF8.self) }
    }
}

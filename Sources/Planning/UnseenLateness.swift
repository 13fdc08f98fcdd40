import Migration

/// Times that Airflow 2.11 would not look at: its SLAs are of tasks, and of runs that it has made itself by a schedule with ticks.
enum UnseenLateness {
    static func findings(of pipelines: [PlannedPipeline]) -> [Finding] {
        pipelines.compactMap { pipeline -> Finding? in
            let dag = pipeline.dag
            let tasks = dag.tasks.filter { $0.sla != nil }.map { "“\($0.id)”" }
            guard dag.own == nil, dag.sla != nil || !tasks.isEmpty else { return nil }
            if dag.clock.timetable == nil {
                let whose = (dag.sla == nil ? [] : ["of the pipeline"]) + tasks.map { "of \($0)" }
                return Finding(
                    .latenessUnseen,
                    pipeline: dag.id,
                    text:
                        "Airflow 2.11 looks at times of runs that a schedule with ticks has made, and this pipeline has none: it tells nobody when the sla \(whose.joined(separator: " and ")) has passed; bailey watch does. Airflow 3.1 and later look at every run."
                )
            }
            let mapped = dag.tasks.filter { $0.items != nil || isQueue($0.body) }.map { "“\($0.id)”" }
            guard dag.sla != nil, !mapped.isEmpty else { return nil }
            return Finding(
                .latenessUnseen,
                pipeline: dag.id,
                text:
                    "Airflow 2.11 looks at no time of a task that runs once for each item or job, so that the pipeline's sla does not count for \(mapped.joined(separator: ", ")), but for what lists them and for the other tasks."
            )
        }
    }

    private static func isQueue(_ body: TaskBody) -> Bool { if case .queue = body { true } else { false } }
}

import LosslessJSON
import Migration
import Planning
import Schedules
import Testing

/// Pipelines that due jobs start.
@Suite("Due jobs start a pipeline") struct JobsStartTests {
    private func plan(_ text: String, _ history: RunHistory? = nil) throws -> Plan {
        var export = Samples.jobType("export")
        export.history = history
        let entries = [
            try Samples.entry("daily", Samples.crontab("0 2 * * *")), export, Samples.jobType("mail"),
        ]
        return Planner(
            inventory: Samples.inventory(entries),
            zones: ZoneDatabase(),
            environments: ["company"],
            celery: Samples.celery,
            now: Samples.now
        ).plan(files: [("p.yaml", text)])
    }

    private static let body = "python: {callable: a:b, environment: company}"

    @Test func itSaysHowOftenTheTableIsLookedAt() throws {
        let plan = try plan(
            "pipeline: p\nschedule: {jobs: 5s}\ntasks:\n  a: {entry: jobs/export, \(JobsStartTests.body)}\n  b: {entry: jobs/mail, \(JobsStartTests.body), after: [a], trigger_rule: all_done}\n  c: {command: [x], after: [b]}\n"
        )
        #expect(plan.holds, "\(plan.findings)")
        let pipeline = try #require(plan.pipelines.first { $0.dag.id == "p" })
        #expect(pipeline.dag.clock.jobsEvery == 5 && pipeline.dag.clock.schedule == nil)
        #expect(pipeline.dag.clock.timetable == nil && pipeline.nextTicks.isEmpty)
        #expect(pipeline.scheduleWords == "when jobs are due, for which it looks every 5 s")
    }

    @Test(arguments: [

        ("schedule: {jobs: 0.5s}\ntasks: {a: {entry: jobs/export, command: [x]}}", "from 1s to 1h"),
        ("schedule: {jobs: 2h}\ntasks: {a: {entry: jobs/export, command: [x]}}", "from 1s to 1h"),
        (
            "schedule: {jobs: 5s, interval: 1m}\ntasks: {a: {entry: jobs/export, command: [x]}}",
            "schedule has “jobs”, or"
        ),
        ("schedule: {jobs: 5s}\nevery: 1m\ntasks: {a: {entry: jobs/export, command: [x]}}", "“every” is a schedule"),
        ("schedule: {assets: ['s3://a/b']}\nevery: 1m\ntasks: {a: {command: [x]}}", "“every” is a schedule"),
        ("schedule: {jobs: 5s}\nmanual: true\ntasks: {a: {entry: jobs/export, command: [x]}}", "leave out “schedule”"),
        (
            "schedule: {jobs: 5s}\nclock: scheduler/daily\ntasks: {a: {entry: jobs/export, command: [x]}}",
            "exclude each other"
        ),
        (
            "schedule: {jobs: 5s}\nmax_active_runs: 3\ntasks: {a: {entry: jobs/export, command: [x]}}",
            "one run at a time"
        ),
        ("schedule: {jobs: 5s}\ntasks: {a: {command: [x]}}", "none of its tasks stands for a job type"),
        (
            "schedule: {jobs: 5s}\ntasks: {a: {entry: jobs/export, command: [x]}, b: {entry: scheduler/daily}}",
            "nobody would run its ticks"
        ),
        ("schedule: {jobs: 5s}\nsla: 1h\ntasks: {a: {entry: jobs/export, command: [x]}}", "before there are any"),
        (
            "schedule: {jobs: 5s}\ntasks: {a: {entry: jobs/export, command: [x]}, b: {command: [x], sla: 1h}}",
            "before there are any"
        ),
        (
            "schedule: {jobs: 5s}\ntasks: {c: {command: [x]}, a: {entry: jobs/export, command: [x], after: [c]}}",
            "only if the tasks before it end well"
        ),
        (
            "schedule: {jobs: 5s}\ntasks: {a: {entry: jobs/export, command: [x], depends_on_past: true}}",
            "depends_on_past"
        ),
        (
            "schedule: {jobs: 5s}\ntasks: {c: {command: [x]}, a: {entry: jobs/export, command: [x], after: [c], trigger_rule: all_done, when: {task: c, path: $.x, equals: 1}}}",
            "under a condition"
        ),
        (
            "schedule: {jobs: 5s}\ntasks: {a: {entry: jobs/export, command: [x]}, b: {python: {callable: a:b, environment: company, args: [{tick: iso}]}, after: [a]}}",
            "due jobs start has none"
        ),
        (
            "schedule: {jobs: 5s}\nparams: {x: {type: string, required: true}}\ntasks: {a: {entry: jobs/export, command: [x]}}",
            "due by itself"
        ),
    ])
    func whatCannotBeSoIsAnError(text: String, word: String) throws {
        let plan = try plan("pipeline: p\n\(text)\n")
        #expect(
            plan.findings.contains { $0.severity == .error && $0.text.contains(word) && $0.location?.file == "p.yaml" },
            "\(plan.findings)"
        )
    }

    @Test func nothingCanWaitForATickOfIt() throws {
        let jobs = "pipeline: p\nschedule: {jobs: 5s}\ntasks: {a: {entry: jobs/export, command: [x]}}\n"
        let other = "pipeline: q\nschedule: {crontab: 0 2 * * *}\ntasks: {w: {wait_for: {pipeline: p, within: 1h}}}\n"
        let plan = Planner(
            inventory: Samples.inventory([Samples.jobType("export")]),
            zones: ZoneDatabase(),
            environments: [],
            now: Samples.now
        ).plan(files: [("p.yaml", jobs), ("q.yaml", other)])
        #expect(plan.findings.contains { $0.code == .impossibleWait && $0.text.contains("no schedule") })
    }

    /// Reckoned by hand: looks are 5 s apart at most, a run lasts as long as 95 of 100 jobs.
    @Test func whatAJobWaitsIsReckoned() throws {
        var history = RunHistory(runs: 4, succeeded: 4, failed: 0, p50: 20, p95: 60)
        // The second comes while the first waits to be seen, the third and the fourth while those run, the fifth long after.
        history.arrived = [0, 3, 10, 64, 1000].map { Samples.now.adding(microseconds: $0 * 1_000_000) }
        history.waitP50 = 2
        history.waitP95 = 4
        let plan = try plan(
            "pipeline: p\nschedule: {jobs: 5s}\ntasks: {a: {entry: jobs/export, command: [x]}}\n",
            history
        )
        let pipeline = try #require(plan.pipelines.first { $0.dag.id == "p" })
        let wait = try #require(pipeline.waits.first)
        // 0 and 3 are seen at 5; that run ends at 65, when 10 and 64 are taken; 1000 is seen at 1005.
        #expect(wait.arrivals == 5 && wait.most == 55 && wait.median == 5 && wait.look == 5)
        #expect(wait.todayMedian == 2 && wait.todayP95 == 4)
    }
}

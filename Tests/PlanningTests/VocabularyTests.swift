import LosslessJSON
import Migration
import Planning
import Schedules
import Testing

/// What a mapping can say beside entries and edges: defaults, merges, inputs, parameters.
@Suite("What mappings can say") struct VocabularyTests {
    private func plan(_ text: String) throws -> Plan {
        let entries = [
            try Samples.entry("daily", Samples.crontab("0 2 * * *"), timezone: "Europe/Berlin"),
            Samples.jobType("export"),
        ]
        return Planner(
            inventory: Samples.inventory(entries),
            zones: ZoneDatabase(),
            environments: ["company"],
            celery: Samples.celery,
            now: Samples.now
        ).plan(files: [("mappings/p.yaml", text)]) { mapping, path in
            mapping == "mappings/p.yaml" && path == "sql/load.sql" ? "DELETE FROM t WHERE day = :day; SELECT 1" : nil
        }
    }

    private func dag(_ text: String) throws -> DAGDefinition {
        let plan = try plan(text)
        let errors = plan.findings.filter { $0.severity == .error }
        #expect(errors.isEmpty, "\(errors)")
        return try #require(plan.pipelines.first { $0.dag.id == "p" }).dag
    }

    @Test func aTaskHasTheDefaultsThatItDoesNotOverride() throws {
        let dag = try dag(
            """
            pipeline: p
            clock: scheduler/daily
            defaults: {retries: 3, retry_delay: 5m, timeout: 2h, pool: data, pool_slots: 2, queue: q, depends_on_past: true}
            tasks:
              a: {entry: scheduler/daily}
              b: {command: [x], retries: 0, timeout: 30m, pool: ml, depends_on_past: false}
              c: {command: [x], pool: , queue: null}
            """
        )
        let (a, b, c) = (dag.tasks[0], dag.tasks[1], dag.tasks[2])
        #expect(a.retry == RetryPolicy(retries: 3, delay: 300) && a.timeout == 7200)
        #expect(a.pool == "data" && a.poolSlots == 2 && a.queue == "q" && a.dependsOnPast)
        #expect(b.retry.retries == 0 && b.timeout == 1800 && b.pool == "ml" && !b.dependsOnPast)
        #expect(c.pool == nil && c.queue == nil && c.timeout == 7200)
    }

    @Test func whatIsMergedIsOverriddenByWhatStandsThere() throws {
        let dag = try dag(
            """
            x-heavy: &heavy {pool: ml, retries: 2}
            x-slow: &slow {timeout: 1h, retries: 7}
            pipeline: p
            clock: scheduler/daily
            tasks:
              a: {<<: *heavy, entry: scheduler/daily}
              b:
                <<: [*heavy, *slow]
                pool: other
                command: [x]
            """
        )
        #expect(dag.tasks[0].pool == "ml" && dag.tasks[0].retry.retries == 2)
        #expect(dag.tasks[1].pool == "other" && dag.tasks[1].retry.retries == 2 && dag.tasks[1].timeout == 3600)
    }

    @Test func aPipelineThatOnlyPeopleStartHasNoSchedule() throws {
        let dag = try dag("pipeline: p\nmanual: true\ntasks:\n  a: {command: [x]}\n")
        #expect(dag.clock.schedule == nil && dag.clock.timetable == nil)
    }

    @Test func inputsAreReadWhereTheyStand() throws {
        let dag = try dag(
            """
            pipeline: p
            clock: scheduler/daily
            params: {models: {type: array, default: [a]}, deep: {type: boolean, default: false}}
            tasks:
              a: {entry: scheduler/daily}
              b: {command: [x], after: [a]}
              c:
                python:
                  callable: m:f
                  args: [{from: a, path: "$.rows[0].id"}, {deep: [1, {param: deep}]}, {literal: {from: a}}, {from: a, to: b}]
                  kwargs: {from: a, path: x, at: {tick: date}, before: {previous_tick: iso}}
                after: [b]
            """
        )
        let task = dag.tasks[2]
        #expect(task.body.input["args"] == [nil, ["deep": [1, nil]], ["from": "a"], ["from": "a", "to": "b"]])
        #expect(task.body.input["kwargs"] == ["from": "a", "path": "x", "at": nil, "before": nil])
        let (args, kwargs) = (TaskCondition.Step.key("args"), TaskCondition.Step.key("kwargs"))
        #expect(
            task.inputs == [
                TaskInput(
                    place: [args, .index(0)],
                    source: .result(task: "a", path: [.key("rows"), .index(0), .key("id")])
                ),
                TaskInput(place: [args, .index(1), .key("deep"), .index(1)], source: .parameter("deep")),
                TaskInput(place: [kwargs, .key("at")], source: .tick(.date)),
                TaskInput(place: [kwargs, .key("before")], source: .previousTick(.iso)),
            ]
        )
        #expect(dag.parameters.map(\.name) == ["models", "deep"])
    }

    @Test func bodiesThatMoveDataAreRead() throws {
        let dag = try dag(
            """
            pipeline: p
            schedule: {interval: 1h}
            tasks:
              a: {sql: {connection: dwh, file: sql/load.sql, params: {day: {tick: date}}}, shadow: pure}
              b:
                copy:
                  from: {connection: shop, text: "SELECT * FROM s WHERE at >= :since"}
                  to: {connection: dwh, table: mart.s, columns: [id, at]}
                  params: {since: {previous_tick: iso}}
                  window: {column: at, from: {previous_tick: iso}, until: {tick: iso}}
                after: [a]
              c: {http: {connection: agents, url: /x, json: {from: b}, expect: [200, 404]}, after: [b]}
              d: {copy: {from: {connection: shop, text: TABLE s}, to: {connection: dwh, table: s}, window: all}}
            """
        )
        guard case .sql(let sql) = dag.tasks[0].body, case .copy(let copy) = dag.tasks[1].body,
            case .http(let http) = dag.tasks[2].body, case .copy(let all) = dag.tasks[3].body
        else {
            Issue.record("\(dag.tasks.map(\.body))")
            return
        }
        #expect(sql.statements.map(\.parts) == [["DELETE FROM t WHERE day = ", "day", ""], ["SELECT 1"]])
        #expect(sql.parameters == ["day": nil] && dag.tasks[0].inputs[0].place == [.key("params"), .key("day")])
        #expect(copy.table == ["mart", "s"] && copy.columns == ["id", "at"] && copy.column == "at")
        #expect(copy.window == ["from": nil, "until": nil])
        #expect(dag.tasks[1].inputs.map(\.place).contains([.key("window"), .key("until")]))
        #expect(http.method == "POST" && http.expected == [200, 404] && http.repeated == [429, 502, 503, 504])
        #expect(dag.tasks[2].inputs.map(\.place) == [[.key("json")]])
        #expect(all.column == nil && all.window.isNull)
    }

    /// Mappings that are wrong, with the line, and a word of what is said.
    private static let wrong: [(String, Int, String)] = [
        ("defaults: {retires: 3}\ntasks: {a: {command: [x]}}\nmanual: true", 2, "retries"),
        ("defaults: {after: [a]}\ntasks: {a: {command: [x]}}\nmanual: true", 2, "after"),
        ("tasks:\n  a:\n    <<: 3\n    command: [x]\nmanual: true", 4, "merges"),
        ("tasks: {a: {command: [x], pool_slots: 0}}\nmanual: true", 2, "pool_slots"),
        ("tasks: {a: {command: [x]}}\nmanual: true\nschedule: {interval: 1h}", 1, "manual"),
        ("tasks:\n  a: {entry: scheduler/daily}\nmanual: true", 3, "nobody would run its ticks"),
        ("manual: true\ntasks:\n  a: {command: {arguments: [x], input: {from: b}}}", 4, "does not run before it"),
        ("manual: true\ntasks:\n  a: {python: {callable: 'm:f', args: [{from: b}]}}\n  b: {command: [x]}", 4, "“b”"),
        ("manual: true\ntasks:\n  a: {python: {callable: 'm:f', args: [{from: b, path: x}]}}", 4, "write $"),
        ("manual: true\ntasks:\n  a: {python: {callable: 'm:f', args: [{param: modls}]}}", 4, "modls"),
        ("manual: true\ntasks:\n  a: {python: {callable: 'm:f', args: [{tick: unix}]}}", 4, "iso, date"),
        ("manual: true\ntasks:\n  a: {python: {callable: 'm:f', args: [{previous_tick: iso}]}}", 4, "previous tick"),
        ("manual: true\nparams: {n: {type: integer, default: 1.5}}\ntasks: {a: {command: [x]}}", 3, "is a number"),
        ("manual: true\nparams: {n: {type: integer, default: x}}\ntasks: {a: {command: [x]}}", 3, "a text"),
        ("manual: true\nparams: {n: {type: int, default: 1}}\ntasks: {a: {command: [x]}}", 3, "integer"),
        ("manual: true\nparams: {n: {type: string}}\ntasks: {a: {command: [x]}}", 3, "required: true"),
        (
            "manual: true\nparams: {n: {type: string, default: c, choices: [a, b]}}\ntasks: {a: {command: [x]}}", 3,
            "none of"
        ),
        (
            "manual: true\nparams: {n: {type: string, choices: [1], required: true}}\ntasks: {a: {command: [x]}}", 3,
            "choice"
        ),
        ("manual: true\nparams: {bailey_mode: {type: string, default: a}}\ntasks: {a: {command: [x]}}", 3, "bailey"),
        (
            "schedule: {interval: 1h}\nparams: {n: {type: string, required: true}}\ntasks: {a: {command: [x]}}", 1,
            "nobody gives it"
        ),
        (
            "schedule: {interval: 1h}\ntasks:\n  a: {entry: jobs/export, command: {arguments: [x], input: {tick: iso}}}",
            4, "job"
        ),
    ]

    private static func sql(_ sql: String, _ rest: String = "") -> String {
        "tasks:\n  a: {sql: {\(sql)}\(rest)}\nmanual: true"
    }

    private static func copy(_ query: String, _ window: String, _ rest: String = "") -> String {
        "tasks:\n  a: {copy: {from: {connection: a, text: '\(query)'}, to: {connection: b, table: t}, window: \(window)}\(rest)}\nmanual: true"
    }

    private static func http(_ http: String) -> String { "tasks:\n  a: {http: {\(http)}}\nmanual: true" }

    @Test func whatIsWrongIsSaidWithItsLine() throws {
        for (text, line, word) in VocabularyTests.wrong {
            let found = try plan("pipeline: p\n" + text + "\n").findings.filter { $0.severity == .error }
            #expect(
                found.contains { $0.location?.line == line && $0.text.contains(word) },
                "\(text): \(found.map { "\($0.location?.line ?? 0): \($0.text)" })"
            )
        }
    }
}

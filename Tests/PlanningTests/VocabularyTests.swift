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
            mapping == "mappings/p.yaml" ? VocabularyTests.files[path] : nil
        }
    }

    private static let files = [
        "sql/load.sql": "SELECT * FROM t WHERE day = :day; SELECT 1",
        "shops.yaml": "- {name: eu, zone: Europe/Berlin, tables: [a, b]}\n- {name: us, zone: UTC, tables: []}\n",
        "shops.json": #"[{"name": "eu", "zone": "UTC", "tables": []}]"#, "none.yaml": "a: b\n",
    ]

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
                  kwargs: {from: a, path: x, at: {tick: date}, before: {previous_tick: iso}, within: {window: date}}
                after: [b]
            """
        )
        let task = dag.tasks[2]
        #expect(task.body.input["args"] == [nil, ["deep": [1, nil]], ["from": "a"], ["from": "a", "to": "b"]])
        #expect(task.body.input["kwargs"] == ["from": "a", "path": "x", "at": nil, "before": nil, "within": nil])
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
                TaskInput(place: [kwargs, .key("within")], source: .window(.date)),
            ]
        )
        #expect(dag.parameters.map(\.name) == ["models", "deep"])
    }

    @Test func aTaskOfEachItem() throws {
        func text(_ each: String, _ end: String = "{command: [x], after: [b]}") -> String {
            "pipeline: p\nclock: scheduler/daily\ntasks:\n  a: {entry: scheduler/daily}\n  b: \(each)\n  c: \(end)\n"
        }
        let call = "python: {callable: 'm:f', args: [{item: $.id}, {item: $}]}"
        let dag = try dag(text("{\(call), after: [a], for_each: {from: a, path: $.rows}}"))
        #expect(dag.tasks[1].items == TaskItems(task: "a", path: [.key("rows")]))
        #expect(dag.tasks[1].inputs.map(\.source) == [.item(path: [.key("id")]), .item(path: [])])
        let table = [
            (text("{\(call), after: [a]}"), "this one has none"),
            (text("{\(call), after: [a], for_each: {from: c}}"), "must stand under “after”"),
            (text("{\(call), after: [a], for_each: {path: $}}"), "“from” is missing"),
            (text("{\(call), after: [a], for_each: {from: a, path: rows}}"), "“path” is “rows”"),
            (text("{http: {url: 'http://x/'}, after: [a], for_each: {from: a}}"), "and no other body"),
            (text("{\(call), after: [a], for_each: {from: a}, entry: scheduler/daily}"), "stands for no entry"),
            (text("{\(call), after: [a], for_each: {from: a}, sla: 1h}"), "“sla” does not go"),
            (text("{\(call), after: [a], for_each: {from: a}, shadow: sandbox}"), "does not go with “for_each”"),
            (
                text(
                    "{\(call), after: [a], for_each: {from: a}}",
                    "{command: [x], after: [b], when: {task: b, exists: true}}"
                ),
                "“c” asks for the result of “b”"
            ),
            (
                text("{\(call), after: [a], for_each: {from: a}}", "{command: [x], after: [b], for_each: {from: b}}"),
                "“c” asks for the result of “b”"
            ),
        ]
        for (text, words) in table {
            let found = try plan(text).findings.filter { $0.severity == .error }.map(\.text)
            #expect(found.contains { $0.contains(words) }, "\(words): \(found)")
        }
    }

    @Test(arguments: [
        "[{name: eu, zone: Europe/Berlin, tables: [a, b]}, {name: us, zone: UTC, tables: []}]", "{file: shops.yaml}",
    ]) func eachItemOfAListIsAPipeline(_ list: String) throws {
        let plan = try plan(
            """
            for_each: \(list)
            pipeline: sync-${item.name}
            schedule: {crontab: 0 2 * * *, timezone: "${item.zone}"}
            tasks:
              load_${item.name}:
                command: {arguments: [load, "--shop=${item.name}"], input: {tables: "${item.tables}", all: "${item}"}}
              count: {sql: {connection: "${item.name}", text: "SELECT * FROM ${item.name}_rows"}}
            """
        )
        #expect(plan.holds, "\(plan.findings)")
        let dags = plan.pipelines.map(\.dag).filter { $0.id.hasPrefix("sync") }
        #expect(dags.map(\.id) == ["sync-eu", "sync-us"] && dags.map(\.clock.timezone) == ["Europe/Berlin", "UTC"])
        #expect(dags[0].tasks.map(\.id) == ["load_eu", "count"])
        guard case .command(let command) = dags[0].tasks[0].body, case .sql(let sql) = dags[1].tasks[1].body else {
            Issue.record("\(dags)")
            return
        }
        #expect(command.arguments == ["load", "--shop=eu"])
        #expect(command.input["tables"] == ["a", "b"] && command.input["all"]?["zone"] == "Europe/Berlin")
        #expect(sql.connection == "us" && sql.statements[0].parts == ["SELECT * FROM us_rows"])
    }

    @Test func whatIsWrongInAListOfItemsIsSaid() throws {
        let table = [
            (
                "for_each: {file: none.yaml}\npipeline: p-${item}\nmanual: true\ntasks: {a: {command: [x]}}",
                "none.yaml", "a list of items"
            ),
            (
                "for_each: {file: x.yaml}\npipeline: p-${item}\nmanual: true\ntasks: {a: {command: [x]}}", "p.yaml",
                "cannot be read"
            ),
            (
                "for_each: []\npipeline: p-${item}\nmanual: true\ntasks: {a: {command: [x]}}", "p.yaml",
                "a list of items"
            ),
            ("for_each: [a, b]\npipeline: p\nmanual: true\ntasks: {a: {command: [x]}}", "p.yaml", "an id of its own"),
            (
                "for_each: [a, a]\npipeline: p-${item}\nmanual: true\ntasks: {a: {command: [x]}}", "p.yaml",
                "ids are unique"
            ),
            (
                "for_each: [{name: a}]\npipeline: p-${item.nam}\nmanual: true\ntasks: {a: {command: [x]}}", "p.yaml",
                "“name”?"
            ),
            ("for_each: [a]\npipeline: p-${items}\nmanual: true\ntasks: {a: {command: [x]}}", "p.yaml", "is nothing"),
            (
                "for_each: [[a]]\npipeline: p-${item}\nmanual: true\ntasks: {a: {command: [x]}}", "p.yaml",
                "within a text"
            ),
            (
                "for_each: ['a; DROP']\npipeline: p\ndag_id: p-1${item}\nmanual: true\ntasks: {a: {sql: {connection: c, text: 'SELECT ${item}'}}}",
                "p.yaml", "plain names"
            ),
        ]
        for (text, file, word) in table {
            let found = try plan(text + "\n").findings.filter { $0.severity == .error }
            #expect(
                found.contains { $0.location?.file == "mappings/" + file && $0.text.contains(word) },
                "\(text): \(found.map { "\($0.location?.description ?? "-"): \($0.text)" })"
            )
        }
    }

    /// A pipeline that waits for another one, whose schedule and tasks are these.
    private func waiting(
        _ schedule: String,
        wait: String = "{pipeline: store, task: load, within: 1h}",
        more: String = ""
    )
        throws -> Plan
    {
        let store = "pipeline: store\n\(schedule)\ntasks:\n  load: {command: [x]}\n\(more)"
        let waits =
            "pipeline: p\nschedule: {crontab: 0 2 * * *, timezone: Europe/Berlin}\ntasks:\n  wait: {wait_for: \(wait)}\n  a: {command: [x], after: [wait]}\n"
        return Planner(
            inventory: Samples.inventory([]),
            zones: ZoneDatabase(),
            environments: [],
            now: Samples.now
        ).plan(files: [("store.yaml", store), ("p.yaml", waits)])
    }

    @Test func aWaitKnowsTheScheduleOfWhatItWaitsFor() throws {
        let plan = try waiting("schedule: {crontab: 0 * * * *, timezone: Asia/Tokyo}")
        #expect(plan.holds, "\(plan.findings)")
        let wait = try #require(plan.pipelines.first { $0.dag.id == "p" }?.dag.tasks[0].body.wait)
        #expect(wait.task == "load" && wait.within == 3600 && wait.every == 60 && wait.timezone == "Asia/Tokyo")
        #expect(wait.schedule["minute"] == "0")
    }

    @Test func aWaitThatCanNeverEndIsAnError() throws {
        let hourly = "schedule: {crontab: 0 * * * *}"
        let table: [(Plan, String)] = [
            (try waiting(hourly, wait: "{pipeline: stor, within: 1h}"), "“store”?"),
            (try waiting(hourly, wait: "{pipeline: store, task: lod, within: 1h}"), "“load”?"),
            (try waiting("manual: true"), "no schedule"),
            (try waiting("schedule: {assets: ['s3://a/b']}"), "no schedule"),
            (try waiting("schedule: {interval: 1h}"), "counts from when it began"),
            (try waiting("schedule: {crontab: 0 0 30 2 *}"), "not in the plan"),
            (try waiting(hourly, wait: "{pipeline: p, within: 1h}"), "its own pipeline"),
            (
                try waiting(
                    hourly,
                    wait: "{pipeline: store, task: each, within: 1h}",
                    more: "  each: {command: [x], after: [load], for_each: {from: load}}\n"
                ), "runs once for each item"
            ),
        ]
        for (plan, word) in table {
            let found = plan.findings.filter { $0.code == .impossibleWait }
            #expect(
                found.contains { $0.text.contains(word) && $0.location?.file == "p.yaml" },
                "\(word): \(plan.findings)"
            )
        }
    }

    @Test func assetsStartAPipelineAndAreRead() throws {
        let dag = try dag(
            "pipeline: p\nschedule: {assets: ['s3://a/b', 'x://c']}\ntasks:\n  a: {command: [x], inlets: ['s3://a/b'], sla: 30m}\n"
        )
        #expect(dag.clock.assets == ["s3://a/b", "x://c"] && dag.clock.schedule == nil)
        #expect(dag.tasks[0].inlets == ["s3://a/b"] && dag.tasks[0].sla == 1800)
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
        #expect(sql.statements.map(\.parts) == [["SELECT * FROM t WHERE day = ", "day", ""], ["SELECT 1"]])
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

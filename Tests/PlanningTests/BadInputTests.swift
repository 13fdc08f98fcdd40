import LosslessJSON
import Migration
import Planning
import Schedules
import Testing

/// What a mapping says that can never work, told at the first moment at which it can be known.
@Suite("Bad input of mappings") struct BadInputTests {
    private func plan(_ files: [String]) throws -> Plan {
        let entries = [try Samples.entry("daily", Samples.crontab("0 2 * * *")), Samples.jobType("export")]
        return Planner(
            inventory: Samples.inventory(entries),
            zones: ZoneDatabase(),
            environments: [],
            celery: Samples.celery,
            now: Samples.now
        ).plan(files: files.enumerated().map { ("\($0.offset).yaml", $0.element) })
    }

    /// Each text is refused with words of its own, and with no other error; one without words is not.
    private func check(_ table: [(text: String, words: String?)]) throws {
        for (text, words) in table {
            let found = try plan([text]).findings.filter { $0.severity == .error }
            if let words {
                #expect(
                    found.contains { $0.text.contains(words) && $0.location?.file == "0.yaml" },
                    "\(text): \(found)"
                )
            } else {
                #expect(found.isEmpty, "\(text): \(found)")
            }
        }
    }

    /// A pipeline of a first task and one after it.
    private func after(_ first: String, _ second: String) -> String {
        "pipeline: p\nmanual: true\nparams: {n: {type: integer, default: 1}}\ntasks:\n  a: {\(first)}\n  b: {\(second), after: [a]}\n"
    }

    private func one(_ task: String) -> String { after("command: [x]", task) }

    @Test func aPathIntoAResultWhoseFormIsKnownIsLookedAt() throws {
        let sql = "sql: {connection: c, text: 'DELETE FROM t; SELECT 1'}"
        let copy = "copy: {from: {connection: c, text: 'TABLE s'}, to: {connection: d, table: t}, window: all}"
        let http = "http: {url: 'http://x/y'}"
        func of(_ path: String) -> String { "command: {arguments: [x], input: {n: {from: a, path: '\(path)'}}}" }
        try check([
            (after(sql, of("$.rows")), nil), (after(sql, of("$.statements[1]")), nil), (after(sql, of("$")), nil),
            (after(sql, of("$.rows[0].id")), "never has anything at $.rows[0].id: at $.rows is a number"),
            (after(sql, of("$.row")), "at $ is an object with “rows”, “statements”"),
            (after(sql, of("$.statements[2]")), "at $.statements is a list of 2"),
            (after(copy, of("$.deleted")), nil), (after(copy, of("$.inserted")), "never has anything at $.inserted"),
            (after(http, of("$.json.any[3].thing")), nil), (after(http, of("$.body")), "“status”, “json”, “text”"),
            (after(http, of("$.status.code")), "at $.status is a number"),
            (after("command: [x]", of("$.whatever[2]")), nil),
            (after(sql, "command: [x], when: {task: a, path: $.count, above: 3}"), "“when” looks where nothing can be"),
            (after(sql, "command: [x], when: {any: [{task: a, path: $.rows, above: 3}]}"), nil),
            (after(sql, "command: [x], for_each: {from: a, path: $.rows}"), "has a number at $.rows"),
            (after(sql, "command: [x], for_each: {from: a}"), "has an object with"),
            (after(sql, "command: [x], for_each: {from: a, path: $.items}"), "never has anything at $.items"),
            (after(sql, "command: [x], for_each: {from: a, path: $.statements}"), nil),
        ])
    }

    @Test func aReferenceThatIsMisspeltIsNoValue() throws {
        func with(_ value: String) -> String { one("python: {callable: 'm:f', args: [\(value)]}") }
        try check([
            (with("{form: a, path: $.x}"), "did you mean {from: a, path: $.x}?"),
            (with("{from: a, pth: $.x}"), "did you mean {from: a, path: $.x}?"),
            (with("{From: a}"), "did you mean {from: a}?"), (with("{form: a}"), "did you mean {from: a}?"),
            (with("{prev_tick: iso}"), "did you mean {previous_tick: iso}?"),
            (with("{previous-tick: date}"), "did you mean {previous_tick: date}?"),
            (with("{ticks: iso}"), "did you mean {tick: iso}?"),
            (with("{windows: iso}"), "did you mean {window: iso}?"),
            (with("{params: n}"), "did you mean {param: n}?"), (with("{parameter: n}"), "did you mean {param: n}?"),
            (with("{deep: [{form: a}]}"), "did you mean {from: a}?"),
            // Values, or what says that it is one.
            (with("{format: iso}"), nil), (with("{type: date}"), nil), (with("{from: x, to: y}"), nil),
            (with("{form: other}"), nil), (with("{params: other}"), nil),
            (with("{literal: {form: a, path: $.x}}"), nil),
            (with("{form: a, path: plain}"), nil),
            (one("python: {callable: 'm:f', kwargs: {tick: iso}}"), "write {NAME: {tick: …}}"),
            (one("python: {callable: 'm:f', kwargs: {from: a, path: $.x}}"), "gives values names"),
            (one("python: {callable: 'm:f', kwargs: {at: {tick: iso}, tick: {literal: iso}}}"), nil),
        ])
    }

    @Test func airflowsTemplatesAreToldToStay() throws {
        let table: [(String, String?)] = [
            ("command: [x, '--day={{ ds }}']", "{tick: date}"),
            ("python: {callable: 'm:f', args: [[{deep: '{{ params.n }}'}]]}", "{param: NAME}"),
            ("sql: {connection: c, text: \"SELECT '{{ data_interval_start }}'\"}", "{previous_tick: iso}"),
            ("http: {url: 'http://x/', json: {a: \"{{ ti.xcom_pull('a') }}\"}}", "{from: TASK}"),
            ("command: [x, '{{ name }}', '{tick: date}', '{{']", nil), ("command: [x, 'ds']", nil),
        ]
        for (task, words) in table {
            let plan = try plan([one(task)])
            let found = plan.findings.filter { $0.code == .templateStays }
            #expect(plan.holds && found.count == (words == nil ? 0 : 1), "\(task): \(plan.findings)")
            if let words { #expect(found.first?.text.contains("Write \(words)") == true, "\(found)") }
        }
    }

    @Test func bodiesHaveTheFormThatTheyNeed() throws {
        try check([
            (one("python: {callable: 'm:f', args: {from: a}}"), "must be a list"),
            (one("python: {callable: 'm:f', args: 3}"), "must be a list"),
            (one("python: {callable: 'm:f', kwargs: [1]}"), "must be a mapping"),
            (one("celery: {source: scheduler, task: t, args: {a: 1}}"), "must be a list"),
            (one("python: {callable: 'm'}"), "write package.module:function"),
            (one("python: {callable: 'm-n:f g'}"), "write package.module:function"),
            (one("python: {callable: 'm:'}"), "write package.module:function"),
            (one("python: {callable: 'm..n:f'}"), "write package.module:function"),
            (one("python: {callable: 'pkg.größe:Class.method'}"), nil),
            (one("command: []"), "a list of program and arguments"),
            (one("command: ['']"), "a list of program and arguments"),
            (one("command: run it now"), "write [run, it, now]"),
            (one("command: {arguments: [x], environment: {'A=B': 1}}"), "the name of a variable"),
            (one("command: [x, \"a\\0b\"]"), "a character of the code 0"),
            (one("command: [x], limit: 5"), "it stands for no job type"),
            (one("command: [x], limit: 0"), "1 to 1000000"),
            (one("entry: jobs/export, command: [x], limit: 5"), nil),
            (one("command: [x], pool: ''"), "an empty text"), (one("command: [x], queue: ''"), "an empty text"),
            (one("command: [x], retry_delay: 5m, retry_max_delay: 1m"), "less than “retry_delay”"),
            (one("command: [x], timeout: 0x10"), "a length of time"),
            (one("command: [x], timeout: 1e2"), "a length of time"),
            (one("command: [x], timeout: +5m"), "a length of time"), (one("command: [x], timeout: 1.5h"), nil),
        ])
    }

    @Test func whatPostgreSQLWouldRefuseAlwaysIsRefusedAtOnce() throws {
        func sql(_ text: String, _ more: String = "", _ rest: String = "") -> String {
            after("command: [x]", "sql: {connection: c, text: \(JSON.string(text).text())\(more)}\(rest)")
        }
        let pure = ", shadow: pure"
        try check([
            (sql("SELECT 1; VACUUM t"), "Statement 2 of 2 is VACUUM"), (sql("VACUUM t", ", transaction: false"), nil),
            (sql("create index concurrently i on t (a)"), "CREATE INDEX CONCURRENTLY"),
            (sql("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", ", transaction: false"), nil),
            (sql("CREATE INDEX i ON t (a)"), nil), (sql("DROP DATABASE x"), "DROP DATABASE"),
            (sql("SELECT 1; SELECT 'it is"), "Statement 2 of 2 begins a text"),
            (sql("SELECT 1 /* never ends"), "begins a comment"), (sql("DO $x$ BEGIN END $$"), "begins a text by $x$"),
            (sql("SELECT \"a"), "begins a text"), (sql("SELECT $1, a$b, 'it''s', $$x$$ -- '"), nil),
            (sql("\\copy t FROM x"), "a command of psql"), (sql("COPY t FROM STDIN"), "use “copy” to move rows"),
            (sql("SELECT 1; COMMIT"), "Statement 2 of 2 is COMMIT"),
            (sql("SELECT 1; DELETE FROM t", "", pure), "Statement 2 of 2 is DELETE, which writes"),
            (sql("-- DELETE\nWITH x AS (SELECT 1) TABLE x", "", pure), nil), (sql("DELETE FROM t"), nil),
            (sql("SELECT :n", ", params: [1]"), "must be a mapping"),
            (
                one("copy: {from: {connection: a, text: 'DELETE FROM t'}, to: {connection: b, table: t}, window: all}"),
                "and not DELETE"
            ),
            (
                "pipeline: p\nschedule: {crontab: 0 2 * * *}\ntasks:\n  a: {copy: {from: {connection: a, text: TABLE t}, to: {connection: b, table: t}, window: {column: at, from: {tick: iso}, until: {previous_tick: iso}}}}\n",
                "holds nothing"
            ),
        ])
    }

    @Test func whatNoServerCouldBeAskedIsRefused() throws {
        func http(_ text: String) -> String { one("http: {\(text)}") }
        try check([
            (http("url: 'http://'"), "names no host"), (http("url: 'http:///x'"), "names no host"),
            (http("url: 'http://:80/x'"), "names no host"), (http("url: 'http://x:99999/'"), "“99999” is no port"),
            (http("url: 'http://[::1]:8080/x'"), nil), (http("url: 'http://x:80?y=1:2'"), nil),
            (http("url: 'http://x/', headers: {'A B': x}"), "the name of a header"),
            (http("url: 'http://x/', query: 'a=1'"), "must be a mapping"),
            (http("url: 'http://x/', expect: []"), "lists no status"),
            (http("url: 'http://x/', retry_on: [200]"), "200 is a success"),
            (http("url: 'http://x/', expect: [503]"), "503 is a success"),
        ])
    }

    @Test func aPipelineSaysWhatItMeans() throws {
        func top(_ text: String, _ tasks: String = "{a: {command: [x]}}") -> String { "\(text)\ntasks: \(tasks)\n" }
        try check([
            (
                top("pipeline: p\nschedule: {crontab: 0 2 * * *, timezone: Europe/Berln}"),
                "There is no time zone “Europe/Berln”"
            ),
            (top("pipeline: p\nschedule: {crontab: 0 2 * * *, timezone: '+02:00'}"), nil),
            (top("pipeline: p\nschedule: {crontab: 0 2 * * *, interval: 5m}"), "has both"),
            (top("pipeline: p\nschedule: {assets: ['s3://a/b']}\nevery: 5m"), "“every” is a schedule"),
            (top("pipeline: p\nmanual: true\nmissed_ticks: every"), "“missed_ticks” is of ticks"),
            (top("pipeline: p\nschedule: {assets: ['s3://a/b']}\nmissed_ticks: none"), "that assets start has none"),
            (top("pipeline: p\ndag_id: ''\nmanual: true"), "The pipeline's id “”"),
            (top("pipeline: ''\nmanual: true"), "The pipeline's id “”"),
            (top("pipeline: Nacht 🌙\nmanual: true"), "beside any other name write a “dag_id”"),
            (top("pipeline: Nacht 🌙\ndag_id: nacht\nmanual: true"), nil),
            (top("pipeline: p\nmanual: true", "{}"), "nothing would run"),
            (top("\u{feff}pipeline: p\nmanual: true"), nil),
            (top("pipeline: p\r\nmanual: true\r"), nil),
            (top("pipeline: p\nmanual: true\nparams: {n: {type: string, default: null}}"), "null is none"),
            (
                top("pipeline: p\nmanual: true\nparams: {n: {type: string, default: a, choices: []}}"),
                "an empty list of choices"
            ),
            (top("pipeline: p\nmanual: true\nparams: {n: {type: integer, default: 1e400}}"), "its type is integer"),
            (top("pipeline: p\nmanual: true\nparams: {n: {type: number, default: 1e400}}"), "its type is number"),
        ])
    }
}

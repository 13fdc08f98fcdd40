import Foundation
import LosslessJSON
import Migration
import NIOCore
import NIOEmbedded
import Schedules
import Synchronization
import Testing

@testable import Airflow
@testable import Cutover
@testable import Legacy
@testable import Postgres
@testable import Redis
@testable import Shadow

/// What servers answer, and what stands in their rows.
@Suite("No foreign value hurts a reader: servers", .timeLimit(.minutes(60))) struct ServerReadersTests {
    private func bytes(_ texts: [String]) -> [[UInt8]] { texts.map { Array($0.utf8) } }

    @Test func repliesOfRedis() throws {
        let replies = [
            "+OK\r\n", "-NOPERM no\r\n", ":9223372036854775807\r\n", "$5\r\nhello\r\n", "$-1\r\n", "*-1\r\n", "*0\r\n",
            "*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$4\r\nbody\r\n", "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n",
            "*2\r\n*2\r\n:1\r\n:2\r\n*1\r\n*1\r\n$-1\r\n", ">2\r\n+a\r\n+b\r\n", "%1\r\n+a\r\n:1\r\n", ",1.5\r\n",
            "#t\r\n", "_\r\n",
            "=7\r\ntxt:abc\r\n", "(3492890328409238509324850943850943825024385\r\n", "$9223372036854775807\r\n",
            "*9223372036854775807\r\n", "*2147483647\r\n", "*2\r\n*2147483647\r\n",
            "$-9223372036854775808\r\n",
            "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno\n", "\u{16}\u{3}\u{1}\u{2}\u{0}",
            ":+1\r\n:-0\r\n: 1\r\n",
        ]
        try Drive(name: "RESP", corpus: bytes(replies)).run { input in
            let pushed = Mutex<[RedisValue]>([])
            let answered = Mutex<[Result<[RedisValue], RedisError>]>([])
            let channel = EmbeddedChannel(
                handler: RESPCodec(address: "r:6379") { value in pushed.withLock { $0.append(value) } }
            )
            try channel.connect(to: try SocketAddress(unixDomainSocketPath: "/r")).wait()
            let request = RESPRequest(commands: [RedisCommand("GET", "a"), RedisCommand("GET", "b")]) { result in
                answered.withLock { $0.append(result) }
            }
            channel.writeAndFlush(request, promise: nil)
            _ = try? channel.writeInbound(ByteBuffer(bytes: input))
            _ = try? channel.finish(acceptAlreadyClosed: true)
            let got = answered.withLock { $0 }
            for value in pushed.withLock({ $0 }) + got.flatMap({ (try? $0.get()) ?? [] }) {
                _ = (value.text, value.int, value.array?.count, value.isNull)
                for script in SwitchScript.allCases { switchReplies(script, value) }
            }
            // Whatever came, the one who asked is answered, once.
            return got.count == 1
        }
    }

    private func switchReplies(_ script: SwitchScript, _ value: RedisValue) {
        guard let answer = try? SwitchAnswer(script, value) else { return }
        _ = try? CloseReply(answer)
        _ = try? SwitchStatus(answer, entries: 1)
    }

    @Test func answersOfTheSwitch() throws {
        let status: JSON = [
            "words": [
                "ok", "1795392000000000", "=lock", "=1795392000000000",
                "definition meta group windows state fence pipeline claims longest_tick last_claim ticks_left until closed_at",
                "={}", "={}",
                "=[\"redbeat:a\"]", "=[[\"1795392000000000\",\"1795392000000001\"],[\"1\",null]]", "=airflow", "=3",
                "=p", "=1", "=300000000",
                "=1795392000000000", "=3", "=1795392000000000", "=1795392000000000", "passed", "lock_gone",
                "1795392000000000", "={}", "={}",
                "=1.5", "=1795392000000000", "=", "[{\"tick\":\"1\",\"run\":\"d/r\",\"at\":\"2\",\"by\":\"\"}]", "1",
                "1",
                "1795392000000000", "{\"run\":\"d/r\",\"at\":1795392000000000,\"how\":\"gate\"}", "x", "y",
            ]
        ]
        let others: [JSON] = [
            ["words": ["ok", "1795392000000000", "3", "again"]],
            ["words": ["held", "1", "airflow", "p", "1795392000000000", "3", "me"]],
            ["words": ["due", "not_after", "1", "2"]],
            ["words": ["changed", "1", "meta"]], ["words": ["denied", "future", "1"]],
            ["words": ["live", "1", "2", "3", "4"]], ["words": ["skip", "1", "2", "3", "4"]],
        ]
        try Drive(name: "the switch", corpus: bytes(([status] + others).map { $0.text() })).run { input in
            // What is a list still, is given as what a script would have answered.
            guard let words = try? JSON(parsing: input)["words"]?.array else { return true }
            let value = RedisValue.array(
                words.map { word in
                    if let text = word.string { return .bulk(Array(text.utf8)) }
                    return word.int.map { .integer($0) } ?? .bulk(Array(word.text().utf8))
                }
            )
            for script in SwitchScript.allCases {
                let answer = try SwitchAnswer(script, value)
                _ = try? CloseReply(answer)
                _ = try? SettleReply(answer)
                _ = try? ClaimReply(answer, tick: .earliest)
                for count in 1...2 {
                    if let read = try? SwitchStatus(answer, entries: count) {
                        _ = read.marks(of: "d")
                        _ = read.entries.map { try? $0.opened() }
                    }
                }
            }
            return true
        }
    }

    @Test func objectsOfAirflow() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../AirflowTests/Recorded")
        var corpus: [[UInt8]] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where name.hasSuffix(".http") {
            let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
            let body = text.replacing("\r\n", with: "\n").split(separator: "\n\n", maxSplits: 1).last ?? ""
            corpus.append(Array(body.utf8))
        }
        corpus += bytes([
            #"{"dag_id":"d","next_dagrun_logical_date":"2026-11-25T22:00:00Z","max_active_runs":1.0,"tags":[{"name":"a"}],"start_date":"2026-01-01T00:00:00Z"}"#,
            #"{"task_id":"t","execution_timeout":{"days":0,"seconds":60,"microseconds":5},"retries":2.0,"retry_delay":{"days":0,"seconds":300}}"#,
            #"{"name":"pool","slots":128}"#,
        ])
        try Drive(name: "Airflow", corpus: corpus).run { input in
            guard let json = try? JSON(parsing: input) else { return true }
            var objects = [json]
            for key in ["dags", "dag_runs", "tasks", "task_instances", "xcom_entries", "import_errors", "pools"] {
                objects += json[key]?.array ?? []
            }
            for object in objects {
                _ = AirflowDAG(object)
                _ = AirflowDAGDetails(object)
                if let task = AirflowTask(object) { _ = "\(task)" }
                _ = AirflowImportError(object)
                if let run = AirflowRun(object) { _ = "\(run)" }
                _ = AirflowTaskInstance(object)
                _ = AirflowXCom(object)
                _ = AirflowPool(object)
                _ = object["version"]?.string.map { AirflowVersion($0) }
                _ = object["total_entries"]?.int
            }
            return true
        }
    }

    @Test func outcomesThatTasksRecorded() throws {
        let good = [
            #"{"v":1,"task":"t","mode":"shadow","job":"7","state":"success","arguments":{"args":[1],"kwargs":{}},"result":{"n":1.50},"error":null,"start":"2026-11-25T22:00:00Z","end":"2026-11-25T22:00:01.5Z","attempts":1}"#,
            #"{"v":1,"mode":"shadow","state":"failed","arguments":[1],"error":{"type":"E","message":"m","detail":"d","module":"x","arguments":["a"]},"start":"2026-11-25T22:00:00+00:00","end":null,"attempts":3}"#,
            #"{"bailey_body":1,"result":{"a":1}}"#,
            #"{"bailey_body":1,"error":{"type":"E","message":"m","detail":"d","module":"x","arguments":["a"]}}"#,
        ]
        let xcom: JSON = ["key": "bailey_outcome", "task_id": "t", "map_index": -1]
        let entry = try #require(AirflowXCom(xcom))
        let key = Outcome.Key(entry: EntryID(source: "s", name: "e"), tick: .earliest)
        var legacy = Outcome(key: key, side: .legacy, run: "r", state: .success, arguments: ["a": 1])
        legacy.result = ["n": 150]
        let rules = CompareRules()
        try Drive(name: "recorded outcomes", corpus: bytes(good)).run { input in
            let text = String(decoding: input, as: UTF8.self)
            _ = BodyReport(Substring(text))
            for value in [JSON.string(text), (try? JSON(parsing: input)) ?? .null] {
                guard let recorded = RecordedOutcome(entry, value) else { continue }
                var shadow = Outcome(key: key, side: .shadow, run: "s", state: recorded.state)
                shadow.arguments = recorded.arguments
                shadow.result = recorded.result
                shadow.error = recorded.error
                shadow.start = recorded.start
                shadow.end = recorded.end
                shadow.attempts = recorded.attempts
                let comparison = OutcomeComparison.compare(legacy, shadow, pipeline: "p", rules: rules)
                // It can be kept, and what is kept can be read.
                let kept = try Comparison(json: JSON(parsing: comparison.json.text()))
                guard kept.verdict == comparison.verdict, kept.shadow?.arguments.text() == shadow.arguments.text()
                else {
                    return false
                }
            }
            return true
        }
    }

    @Test func messagesAndConfigurationsOfCelery() throws {
        let event =
            #"{"uuid":"a","type":"task-sent","timestamp":1795392000.5,"parent_id":"b","root_id":"a","clock":4}"#
        let told: [JSON] = [
            [
                "timezone": "Europe/Berlin", "enable_utc": true, "beat_max_loop_interval": 300,
                "beat_schedule": [
                    "a": [
                        "task": "t", "schedule": "<crontab: 0 9 * * * (m/h/dM/MY/d)>", "args": [1],
                        "options": ["queue": "q", "expires": 60],
                    ],
                    "b": ["task": "t", "schedule": "<freq: 30.00 seconds>", "relative": true],
                    "c": ["task": "t", "schedule": 60],
                    "d": ["task": "t", "schedule": "<solar: sunset at latitude 1.0, longitude: 2.0>"],
                    "e": ["task": "t", "schedule": "1 day, 0:00:30.5"],
                ],
                "task_routes": ["app.*": ["queue": "a"]], "task_queues": [["name": "q", "exchange": ["name": "x"]]],
                "result_expires": 86400, "task_default_queue": "celery", "worker_prefetch_multiplier": 4,
            ]
        ]
        let meta =
            #"{"status":"SUCCESS","result":{"a":1.50},"traceback":null,"children":[],"date_done":"2026-11-25T22:00:00.123456+00:00","task_id":"i","name":"lab.add","args":[2,3],"kwargs":{},"worker":"w","retries":0,"queue":"celery"}"#
        let failed =
            #"{"status":"FAILURE","result":{"exc_type":"ValueError","exc_message":["no"],"exc_module":"builtins"},"traceback":"x","date_done":"2026-11-25T22:00:00","task_id":"i","name":"lab.add","args":[2,3],"kwargs":{},"retries":2}"#
        let zones = ZoneDatabase()
        let entry = LegacyEntry(id: EntryID(source: "s", name: "a"), kind: .redbeat, task: "lab.add", args: [2, 3])
        let results = CeleryResultRecord(entries: [entry], zones: zones)
        let events = CeleryEvents()
        try Drive(name: "Celery", corpus: bytes([event, meta, failed] + told.map { $0.text() })).run { input in
            let wrapped = JSON.object(["body": .string(String(decoding: input, as: UTF8.self))]).text()
            events.take(Array(wrapped.utf8), seen: Instant(seconds: 1_795_000_000))
            events.take(input, seen: Instant(seconds: 1_795_000_000))
            switch results.read(input, started: .latest) {
            case .outcome(let outcome):
                _ = outcome.duration
                guard (try? Outcome(json: JSON(parsing: outcome.json.text()))) != nil else { return false }
            case .unattributed(let why), .indistinct(let why): if why.isEmpty { return false }
            default: break
            }
            guard let json = try? JSON(parsing: input) else { return true }
            let answers = [
                CeleryWorkers.Answer(worker: "w", settings: json), CeleryWorkers.Answer(worker: "v", settings: json),
            ]
            let reading = StaticSchedule(source: "s", answers: answers).read()
            // Nothing of the schedule is lost.
            guard reading.found == reading.entries.count + reading.unread.count else { return false }
            for entry in reading.entries {
                _ = entry.schedule?.words(in: .utc)
                _ = entry.json.text()
            }
            let configuration = CeleryConfiguration(
                conf: answers,
                own: answers,
                queues: answers,
                tasks: answers,
                report: answers
            )
            _ = configuration?.unknownPart(task: "t", options: json)
            return true
        }
    }

    @Test func rowsOfAQueue() throws {
        let profile = try QueueProfile(yaml: #require(QueueProfile.shipped["background_jobs"]), file: "p.yaml")
        let url = try PostgresURL("postgresql://p@localhost/q")
        let source = QueueSource(name: "q", url: url, profile: profile, timezone: "UTC")
        let runs = QueueRuns(source: source, types: ["t"]) { .earliest }
        let names = [
            "id", "type", "payload", "payload_type", "status", "attempts", "error", "result", "queued", "started",
            "finished", "total",
            "rows", "p50", "p95", "retries", "first", "last",
        ]
        func row(_ values: [String: String?]) -> String {
            JSON.object(JSONObject(names.map { ($0, (values[$0] ?? nil).map { .string($0) } ?? .null) })).text()
        }
        let corpus = [
            row([
                "id": "7", "type": "t", "payload": #"{"a": 1.50}"#, "payload_type": "jsonb", "status": "completed",
                "attempts": "1",
                "queued": "1795392000.5", "started": "1795392001", "finished": "1795392002", "result": "{}",
                "total": "f", "rows": "3",
            ]),
            row([
                "id": "7", "type": "t", "payload": "\\x00ff", "payload_type": "bytea", "status": "failed",
                "error": "no", "total": "t",
                "p50": "1.5", "p95": "2", "retries": "0.5", "first": "1795392000", "last": "1795392009",
            ]),
            row([
                "id": "7", "type": "t", "payload": "<a/>", "payload_type": "xml", "status": nil, "total": "f",
                "rows": "1",
            ]),
        ]
        try Drive(name: "rows of a queue", corpus: bytes(corpus)).run { input in
            guard let object = try? JSON(parsing: input).object else { return true }
            let cells = names.map { name -> String? in
                guard let value = object[name], !value.isNull else { return nil }
                return value.string ?? value.text()
            }
            let row = PostgresRow(columns: names, cells: cells, address: "p")
            if let outcome = try? runs.outcome(row) {
                _ = outcome.duration
                let kept = try Outcome(json: JSON(parsing: outcome.json.text()))
                guard kept.argumentsKind == outcome.argumentsKind, kept.arguments == outcome.arguments else {
                    return false
                }
            }
            if let entry = try? source.entry("t", [row, row, row], zone: "UTC") { _ = entry.json.text() }
            return true
        }
    }

    @Test func payloads() throws {
        let texts = [
            #"{"function": "f", "n": 1.10}"#, "{'a': (1,), 'b': None}", "<order id=\"7\"><![CDATA[x]]></order>",
            "a:2:{i:0;i:1;i:1;s:1:\"x\";}",
            "\\xdeadbeef", "", " ", "null", "\"text\"", "--- !ruby/object:Job\nid: 1\n",
            String(repeating: "[", count: 600) + String(repeating: "]", count: 600),
            #"{"a": "\ud800"}"#, "gASVDAAAAAAAAACMBG5hbWWUjAFhlC4=", "1e400", "NaN",
        ]
        try Drive(name: "payloads", corpus: bytes(texts)).run { input in
            let text = String(decoding: input, as: UTF8.self)
            for type in ["jsonb", "text", "bytea", nil] as [String?] {
                let (value, kind) = QueueRuns.payload(text, type: type)
                switch kind {
                case .json: guard (try? JSON(parsing: text)) == value else { return false }
                case .bytes: guard type == "bytea", value == .string(text) else { return false }
                case .text, .deep: guard type != "bytea", value == .string(text) else { return false }
                case .missing: return false
                }
                // What a body gets is JSON, and says the same.
                guard (try? JSON(parsing: value.text())) == value else { return false }
            }
            return true
        }
    }
}

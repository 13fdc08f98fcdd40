import Foundation
import LosslessJSON
import Migration
import Schedules
import Testing

@testable import Airflow

@Suite("Airflow's answers") struct AirflowClientTests {
    private let token = answer(201, #"{"access_token":"t"}"#)

    private func three(_ names: String...) async throws -> (AirflowClient, Player) {
        let player = Player(
            [.success(try recorded("3.3.2-version")), .success(token)] + (try names.map { .success(try recorded($0)) })
        )
        return (try await player.client(), player)
    }

    private func two(_ names: String...) async throws -> (AirflowClient, Player) {
        let player = Player(
            try (["2.11.2-version-of-3", "2.11.2-version"] + names).map { .success(try recorded($0)) }
        )
        return (try await player.client(), player)
    }

    @Test func versions() async throws {
        let (client, _) = try await three()
        #expect(client.version.description == "3.3.2")
        #expect(client.version.standing == .tested)
        let (older, player) = try await two()
        #expect(older.version.numbers == [2, 11, 2])
        #expect(player.asked.map(\.request.path) == ["/api/v2/version", "/api/v1/version"])
    }

    @Test(arguments: [
        ("2.10.5", AirflowVersion.Standing.tooOld), ("1.10.15", .tooOld), ("2.11.0", .tested), ("3.0.6", .tested),
        ("3.3.2", .tested), ("3.4.0rc1", .untested), ("4.0.0", .untested), ("2.12.1", .untested),
    ]) func standings(text: String, standing: AirflowVersion.Standing) {
        #expect(AirflowVersion(text)?.standing == standing)
    }

    @Test func versionsThatAreNone() {
        for text in ["", "3", "x.y", ".1"] { #expect(AirflowVersion(text) == nil) }
        #expect([AirflowVersion("3.10.0"), AirflowVersion("3.9.1")].compactMap { $0 }.min()?.description == "3.9.1")
    }

    @Test func tooOld() async throws {
        let player = Player([.success(answer(404)), .success(answer(200, #"{"version":"2.10.5"}"#))])
        let error = await #expect(throws: AirflowError.self) { try await player.client() }
        #expect(error?.code == .version)
        #expect(error?.description.contains("it is Airflow 2.10.5. Bailey works with 2.11 and 3") == true)
    }

    @Test func aRunIsWaitedForAlthoughAirflowIsTooBusyToAnswer() async throws {
        let broken = Result<AirflowAnswer, AirflowSilence>.failure(AirflowSilence(kind: .broken, found: "reset"))
        let before: [Result<AirflowAnswer, AirflowSilence>] = [
            .success(try recorded("3.3.2-version")), .success(token),
        ]
        let over = Result<AirflowAnswer, AirflowSilence>.success(
            answer(200, #"{"dag_id":"probe","dag_run_id":"x","run_type":"manual","state":"success"}"#)
        )
        let patient = Player(before + Array(repeating: broken, count: 12) + [over])
        let found = try await patient.client().wait("probe", "x", seconds: 60)
        #expect(found?.id == "x" && found?.isOver == true)
        // What it was silent about in the end is said, and not that the run was not over.
        let silent = Player(before)
        let error = await #expect(throws: AirflowError.self) {
            try await silent.client().wait("probe", "x", seconds: 0)
        }
        #expect(error?.code == .unreachable)
    }

    @Test func clock() async throws {
        let date = try #require(try recorded("3.3.2-version").date.flatMap { Instant(httpDate: $0) })
        let player = try Player("3.3.2-version")
        let client = try await player.client(now: date.adding(seconds: -90))
        #expect(client.clockAhead == 90)
        #expect(Instant(httpDate: "Wed, 25 Nov 2026 21:47:25 GMT")?.iso8601 == "2026-11-25T21:47:25Z")
        #expect(Instant(httpDate: "Wednesday, 25-Nov-26 21:47:25 GMT") == nil)
    }

    @Test func dags() async throws {
        for (client, _) in [try await three("3.3.2-dags"), try await two("2.11.2-dags")] {
            let dags = try await client.dags()
            let dag = try #require(dags.first { $0.id == "probe" })
            #expect(dag.isPaused && !dag.isStale && !dag.hasImportErrors)
            #expect(dag.tags == ["bailey", "x"])
            #expect(dag.file.hasSuffix("probe.py"))
            #expect(dag.maxActiveRuns == 1)
            #expect(dag.nextTick != nil && dag.nextRunAfter == dag.nextTick)
            #expect(dag.lastParsed != nil && !dag.fileToken.isEmpty)
        }
    }

    @Test func details() async throws {
        for (client, version) in [(try await three("3.3.2-details").0, 1), (try await two("2.11.2-details").0, nil)] {
            let details = try #require(try await client.details("probe"))
            #expect(details.startDate?.iso8601 == "2024-01-01T00:00:00Z")
            #expect(!details.catchup)
            #expect(details.version == version)
        }
    }

    @Test func whatIsNotThere() async throws {
        #expect(try await three("3.3.2-missing").0.dag("nope") == nil)
        #expect(try await two("2.11.2-missing").0.dag("nope") == nil)
    }

    @Test func tasks() async throws {
        for client in [try await three("3.3.2-tasks").0, try await two("2.11.2-tasks").0] {
            let tasks = try await client.tasks("probe")
            #expect(tasks.map(\.id) == ["gate", "sum"])
            #expect(tasks[0].downstream == ["sum"])
            #expect(tasks.allSatisfy { $0.retries == 0 && $0.retryDelay == 300 && $0.pool == "default_pool" })
            #expect(tasks.allSatisfy { $0.triggerRule == "all_success" && !$0.isMapped && $0.timeout == nil })
        }
    }

    @Test func importErrors() async throws {
        for client in [try await three("3.3.2-importErrors").0, try await two("2.11.2-importErrors").0] {
            let errors = try await client.importErrors()
            #expect(errors.count == 1)
            #expect(errors[0].file.hasSuffix("broken.py"))
            #expect(errors[0].trace.contains("No module named 'redisx_missing'"))
            #expect(errors[0].at != nil)
        }
    }

    @Test func runs() async throws {
        let new = try #require(try await three("3.3.2-run").0.run("probe", "x"))
        #expect(new.state == .success && new.kind == "scheduled")
        #expect(new.logicalDate?.iso8601 == "2026-11-25T21:40:00Z")
        let old = try #require(try await two("2.11.2-run").0.run("probe", "x"))
        #expect(old.isOver && old.kind == "manual")
        #expect(old.configuration["bailey"]?["mode"] == "shadow")
        #expect(old.logicalDate?.iso8601 == "2026-11-25T20:00:00Z")
    }

    @Test func taskInstances() async throws {
        for client in [try await three("3.3.2-taskInstances").0, try await two("2.11.2-taskInstances").0] {
            let found = try await client.taskInstances("probe", "x")
            #expect(found.map(\.task).sorted() == ["gate", "sum"])
            #expect(found.allSatisfy { $0.state == "success" && $0.mapIndex == -1 && $0.attempt == 1 })
            #expect(found.allSatisfy { ($0.start ?? .latest) < ($0.end ?? .earliest) })
        }
    }

    @Test func numbersOfAnXComStayAsTheyWere() async throws {
        let entry = try #require(AirflowXCom(["key": "bailey_outcome", "task_id": "sum", "map_index": 3]))
        let (client, player) = try await three("3.3.2-xcom")
        let (older, _) = try await two("2.11.2-xcom")
        for client in [client, older] {
            let value = try #require(try await client.value("probe", "a+b:c/d", entry))
            #expect(value["result"]?["big"]?.text() == "12345678901234567890")
            #expect(value["arguments"]?["args"]?.text() == #"[1.5,"é"]"#)
        }
        let asked = try #require(player.asked.last?.request.target)
        #expect(
            asked == "/api/v2/dags/probe/dagRuns/a%2Bb%3Ac%2Fd/taskInstances/sum/xcomEntries/bailey_outcome"
                + "?stringify=false&map_index=3"
        )
    }

    // MARK: Pages

    /// A list of so many entries that is served as the API serves it.
    private func served(_ count: Int, cap: Int, total: Bool) -> (found: Int, questions: Int) {
        var pages = Paging(limit: 100)
        var found = 0
        var questions = 0
        while let offset = pages.next, questions < 100 {
            let page = max(0, min(count - offset, cap))
            found += page
            questions += 1
            pages.received(page, total: total ? count : nil)
        }
        return (found, questions)
    }

    @Test func everyEntryIsReadOnce() {
        for count in 0...350 {
            for total in [true, false] {
                let (found, questions) = served(count, cap: 100, total: total)
                #expect(found == count)
                #expect(questions <= count / 100 + 1)
            }
            // A list that comes whole, whatever the limit.
            #expect(served(count, cap: count, total: true) == (count, 1))
            // A server that gives fewer than asked for.
            #expect(served(count, cap: 30, total: true).found == count)
        }
    }

    @Test func pagesAreAskedForInTurn() async throws {
        func page(_ range: Range<Int>) -> Result<AirflowAnswer, AirflowSilence> {
            let pools = range.map { "{\"name\":\"p\($0)\",\"slots\":1}" }.joined(separator: ",")
            return .success(answer(200, "{\"pools\":[\(pools)],\"total_entries\":230}"))
        }
        let player = Player([
            .success(try recorded("3.3.2-version")), .success(token), page(0..<100), page(100..<200), page(200..<230),
        ])
        let pools = try await player.client().pools()
        #expect(pools.map(\.name) == (0..<230).map { "p\($0)" })
        #expect(
            player.asked.suffix(3).map(\.request.target).map { $0.split(separator: "?")[1] } == [
                "limit=100&offset=0", "limit=100&offset=100", "limit=100&offset=200",
            ]
        )
    }

    @Test func aListThatComesWhole() async throws {
        let (client, player) = try await two("2.11.2-providers")
        #expect(try await client.providers()["apache-airflow-providers-postgres"] == "7.1.1")
        #expect(player.asked.count == 3)
    }

    // MARK: Making things

    @Test func aTriggerSaysItsTickOrNone() async throws {
        let tick = try #require(Instant(iso8601: "2026-11-25T20:00:00Z"))
        let run = try recorded("3.3.2-run")
        for (names, tick, body) in [
            (["3.3.2-version"], tick, #"{"dag_run_id":"r","conf":{},"logical_date":"2026-11-25T20:00:00Z"}"#),
            (["3.3.2-version"], nil, #"{"dag_run_id":"r","conf":{},"logical_date":null}"#),
            (["2.11.2-version-of-3", "2.11.2-version"], nil, #"{"dag_run_id":"r","conf":{}}"#),
        ] as [([String], Instant?, String)] {
            let first = try names.map { Result<AirflowAnswer, AirflowSilence>.success(try recorded($0)) }
            let player = Player(first + (names.count == 1 ? [.success(token)] : []) + [.success(run)])
            _ = try await player.client().trigger("probe", run: "r", tick: tick, configuration: [:])
            #expect(player.asked.last?.request.body?.text() == body)
        }
    }

    @Test func whatExistsIsLeftAlone() async throws {
        let (client, player) = try await three("3.3.2-conflict")
        let connection = AirflowConnection(
            id: "bailey_x",
            type: "redis",
            host: "h",
            port: 6379,
            login: nil,
            schema: nil,
            extra: ["db": 3],
            note: nil
        )
        #expect(try await client.create(connection, password: "hush") == false)
        let body = player.asked.last?.request.body
        #expect(body?["password"] == "hush")
        #expect(body?["extra"] == #"{"db":3}"#)
    }

    @Test func aWaitHasALimit() async throws {
        let (client, player) = try await three()
        let found: Int? = try await client.poll(seconds: 0) { nil }
        #expect(found == nil)
        #expect(player.waits.isEmpty)
    }
}

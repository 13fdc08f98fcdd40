import Foundation
import LosslessJSON
import Migration
import Schedules
import Shadow
import Synchronization
import TestSupport
import Testing

@Suite("The embedded engine, with real processes", .timeLimit(.minutes(2))) struct EngineTests {
    /// Keeps what was asked of the clock and the waits.
    private final class Waits: Sendable {
        let all = Mutex<[Double]>([])
    }

    private func engine(parallelism: Int = 4, pools: [String: Int] = [:], waits: Waits = Waits()) -> EmbeddedEngine {
        let runner = BodyRunner(
            environments: [:],
            directory: FileManager.default.temporaryDirectory.path,
            inherited: ["PATH": "/usr/bin:/bin", "SECRET_URL": "redis://:hidden@legacy"],
            guardProgram: baileyProgram
        )
        return EmbeddedEngine(
            runner: runner,
            parallelism: parallelism,
            pools: pools,
            now: { Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }
        ) { seconds in
            waits.all.withLock { $0.append(seconds) }
        }
    }

    private func shell(_ id: String, _ script: String, after: [String] = []) -> TaskDefinition {
        TaskDefinition(
            id: id,
            body: .command(CommandLine(arguments: ["sh", "-c", script])),
            after: after,
            shadow: .pure
        )
    }

    private func folder() throws -> String {
        let path = FileManager.default.temporaryDirectory.path + "/bailey-engine-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    @Test func resultsAreTheLastLineAndDependenciesAreKept() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let tasks = [
            shell(
                "last",
                "cat \(folder)/a \(folder)/b > /dev/null && echo noise && echo '{\"n\": 1.50}'",
                after: ["a", "b"]
            ),
            shell("a", "touch \(folder)/a"), shell("b", "touch \(folder)/b"),
        ]
        let run = try await engine().run(tasks, payload: nil)
        #expect(run.succeeded)
        #expect(run.tasks[0].result == (try JSON(parsing: "{\"n\": 1.50}")))
        #expect(run.tasks.map(\.state) == [.success, .success, .success])
    }

    @Test func oneBranchRunsAndTheOtherIsSkipped() async throws {
        var many = shell("many", "echo 1", after: ["count"])
        many.conditions = [TaskChoice(TaskCondition(task: "count", path: [.key("n")], test: .above(1)))]
        var few = shell("few", "echo 2", after: ["count"])
        few.conditions = [TaskChoice(TaskCondition(task: "count", path: [.key("n")], test: .below(1.5)))]
        var joined = shell("joined", "echo 3", after: ["many", "few"])
        joined.triggerRule = .noneFailedMinOneSuccess
        let after = shell("after", "echo 4", after: ["few"])
        let (above, below) = (many.conditions[0].any[0], few.conditions[0].any[0])
        var one = shell("one", "echo 5", after: ["count"])
        one.conditions = [TaskChoice(any: [below, above])]
        var none = shell("none", "echo 6", after: ["count"])
        none.conditions = [TaskChoice(any: [above, below]), TaskChoice(any: [below, below])]
        let tasks = [shell("count", "echo '{\"n\": 1.50}'"), many, few, joined, after, one, none]
        let run = try await engine().run(tasks, payload: nil)
        #expect(run.tasks.map(\.state) == [.success, .success, .skipped, .success, .skipped, .success, .skipped])

        // What was only observed gave no result, and decides nothing.
        var unseen = tasks
        unseen[0].shadow = .observe
        let observed = try await engine().run(unseen, payload: nil)
        #expect(observed.tasks.map(\.observedOnly) == [true, true, true, false, false, true, true])
        #expect(observed.tasks.map(\.state) == Array(repeating: .success, count: 7))
    }

    @Test func aTaskRunsOnceForEachItem() async throws {
        func each(_ path: [TaskCondition.Step], _ item: [TaskCondition.Step]) -> TaskDefinition {
            let cat = CommandLine(
                arguments: ["/bin/sh", "-c", "read line; case $line in *bad*) exit 3;; esac; echo \"$line\""],
                input: ["x": nil]
            )
            var task = TaskDefinition(id: "each", body: .command(cat), after: ["list"], shadow: .pure)
            task.items = TaskItems(task: "list", path: path)
            task.inputs = [TaskInput(place: [.key("input"), .key("x")], source: .item(path: item))]
            return task
        }
        func run(_ printed: String, _ each: TaskDefinition, observed: Bool = false) async throws -> [EmbeddedEngine
            .TaskRun]
        {
            var list = shell("list", "echo '\(printed)'")
            if observed { list.shadow = .observe }
            return try await engine().run([list, each, shell("end", "echo 1", after: ["each"])], payload: nil).tasks
        }
        let rows = try await run(#"{"rows": [{"id": 2.50}, {"id": "{{ ds }}"}]}"#, each([.key("rows")], [.key("id")]))
        #expect(rows.map(\.state) == [.success, .success, .success])
        #expect(rows[1].result?.text() == #"[{"x":2.50},{"x":"{{ ds }}"}]"# && rows[1].attempts == 1)
        let none = try await run(#"{"rows": []}"#, each([.key("rows")], []))
        #expect(none.map(\.state) == [.success, .skipped, .skipped])
        let bad = try await run(#"["good", "bad", "good"]"#, each([], []))
        #expect(bad.map(\.state) == [.success, .failed, .upstreamFailed] && bad[1].error?.type == "exit")
        let table: [(String, TaskDefinition, String)] = [
            (
                #"{"rows": {"a": 1}}"#, each([.key("rows")], []),
                "has an object with “a” at $.rows, and a list is wanted"
            ),
            ("{}", each([.key("rows")], []), "has nothing at $.rows"),
            ("[1]", each([], [.key("id")]), "the item has nothing at $.id: at $ is a number"),
            ("[\(Array(repeating: "1", count: 1025).joined(separator: ","))]", each([], []), "for at most 1024 items"),
        ]
        for (printed, task, words) in table {
            let found = try await run(printed, task)[1]
            #expect(found.state == .failed && found.error?.type == "input", "\(words)")
            #expect(found.error?.message.contains(words) == true, "\(found.error?.message ?? "")")
        }
        let observed = try await run("[1]", each([], []), observed: true)
        #expect(observed.map(\.observedOnly) == [true, true, false] && observed[1].state == .success)
    }

    @Test func resultsOfTasksAreTheInputOfLaterOnes() async throws {
        func takes(_ id: String, _ path: [TaskCondition.Step], after: [String] = ["first"]) -> TaskDefinition {
            var task = TaskDefinition(
                id: id,
                body: .command(CommandLine(arguments: ["cat"], input: ["x": nil, "day": nil, "p": nil])),
                after: after,
                retry: RetryPolicy(retries: 3),
                shadow: .pure
            )
            task.inputs = [
                TaskInput(place: [.key("input"), .key("x")], source: .result(task: "first", path: path)),
                TaskInput(place: [.key("input"), .key("day")], source: .tick(.date)),
                TaskInput(place: [.key("input"), .key("p")], source: .parameter("p")),
            ]
            return task
        }
        let tick = try #require(Instant(iso8601: "2026-11-29T23:30:00Z"))
        let facts = RunFacts(
            tick: tick,
            zone: try ZoneDatabase().zone("Europe/Berlin"),
            parameters: ["p": "it's {{ ds }} $HOME"]
        )
        let tasks = [
            shell("first", "echo '{\"rows\": [2.50]}'"), takes("good", [.key("rows"), .index(0)]),
            takes("wrong", [.key("row")]), takes("later", [], after: ["good"]),
        ]
        let run = try await engine().run(tasks, payload: nil, facts: facts)
        #expect(run.tasks.map(\.state) == [.success, .success, .failed, .success])
        #expect(
            run.tasks[1].result?.text() == #"{"x":2.50,"day":"2026-11-30","p":"it's {{ ds }} $HOME"}"#
        )
        #expect(run.tasks[1].input == run.tasks[1].result.map { ["input": $0] })
        #expect(run.tasks[2].error?.type == "input" && run.tasks[2].attempts == 1)
        #expect(run.tasks[2].error?.message.contains("at $ is an object with “rows”") == true)
        #expect(run.tasks[3].result?["x"] == (try JSON(parsing: #"{"rows":[2.50]}"#)))

        // What was only observed gave no result: nobody knows what the later ones would get.
        var unseen = tasks
        unseen[0].shadow = .observe
        let observed = try await engine().run(unseen, payload: nil, facts: facts)
        #expect(observed.tasks.allSatisfy { $0.observedOnly && $0.state == .success && $0.input == nil })

        // A run without a tick cannot say it.
        let byHand = try await engine().run(tasks, payload: nil, facts: RunFacts(parameters: ["p": 1]))
        #expect(byHand.tasks[1].error?.message.contains("logical date") == true)
    }

    @Test func aTaskTakesAsManySlotsOfItsPoolAsItSays() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let script = "touch \(folder)/$$; sleep 0.2; ls \(folder) | wc -l; rm \(folder)/$$"
        var tasks = (0..<5).map { shell("t\($0)", script) }
        for index in tasks.indices { (tasks[index].pool, tasks[index].poolSlots) = ("ml", 2) }
        let run = try await engine(parallelism: 5, pools: ["ml": 5]).run(tasks, payload: nil)
        #expect(run.tasks.compactMap { $0.result?.int }.max() == 2)
        // One that wants more than the pool has gets it alone.
        for index in tasks.indices { tasks[index].poolSlots = 9 }
        let alone = try await engine(parallelism: 5, pools: ["ml": 3]).run(tasks, payload: nil)
        #expect(alone.tasks.compactMap { $0.result?.int }.max() == 1)
    }

    @Test func theLegacySecretsAreNotHandedOn() async throws {
        let run = try await engine().run(
            [shell("a", "echo \"\\\"${SECRET_URL:-none} $BAILEY_SHADOW\\\"\"")],
            payload: nil
        )
        #expect(run.tasks[0].result == "none 1")
    }

    @Test func aJobsPayloadReachesTheProgramUnchanged() async throws {
        let payload: JSON = ["text": "Ошибка {{ ds }} \"'\\ \n 🐈", "n": 1]
        let run = try await engine().run([shell("a", "cat")], payload: payload)
        #expect(run.tasks[0].result == payload)
    }

    @Test func aBodyNeedNotReadItsInput() async throws {
        let payload = JSON.string(String(repeating: "x", count: 1_000_000))
        let run = try await engine().run([shell("a", "exec <&-; echo 1")], payload: payload)
        #expect(run.tasks[0].result == 1)
    }

    @Test func atMostSoManyRunAtOnce() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        // Each body notes how many are alive while it is.
        let script = "touch \(folder)/$$; sleep 0.2; ls \(folder) | wc -l; rm \(folder)/$$"
        var tasks = (0..<6).map { shell("t\($0)", script) }
        let free = try await engine(parallelism: 2).run(tasks, payload: nil)
        #expect(free.tasks.compactMap { $0.result?.int }.max() == 2)
        for index in tasks.indices { tasks[index].pool = "narrow" }
        let narrow = try await engine(parallelism: 4, pools: ["narrow": 1]).run(tasks, payload: nil)
        #expect(narrow.tasks.compactMap { $0.result?.int }.max() == 1)
    }

    @Test func ofThoseThatWaitTheHighestPriorityRunsFirst() async throws {
        var tasks = (0..<6).map { shell("t\($0)", "sleep 0.05; date +%s%N") }
        for index in tasks.indices {
            tasks[index].priority = [3, 9, 1, 7, 5, 2][index]
            tasks[index].pool = "narrow"
        }
        let run = try await engine(parallelism: 4, pools: ["narrow": 1]).run(tasks, payload: nil)
        let order = zip(tasks, run.tasks).sorted { ($0.1.result?.int ?? 0) < ($1.1.result?.int ?? 0) }.map(\.0.priority)
        // Who comes first finds the place free; the others wait.
        #expect(Array(order.dropFirst()) == order.dropFirst().sorted(by: >), "\(order)")
    }

    @Test func failedAttemptsAreRepeatedWithGrowingWaits() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let waits = Waits()
        var task = shell("a", "echo x >> \(folder)/n; test $(wc -l < \(folder)/n) -ge 4 && echo 7")
        task.retry = RetryPolicy(retries: 5, delay: 10, backoff: 3, maximumDelay: 50)
        let run = try await engine(waits: waits).run([task], payload: nil)
        #expect(run.tasks[0].attempts == 4)
        #expect(run.tasks[0].result == 7)
        #expect(waits.all.withLock { $0 } == [10, 30, 50])
        task = shell("a", "echo 'ValueError: no such row' >&2; exit 3")
        task.retry = RetryPolicy(retries: 1, delay: 1)
        let failed = try await engine().run([task], payload: nil)
        #expect(failed.tasks[0].state == .failed)
        #expect(failed.tasks[0].attempts == 2)
        #expect(failed.tasks[0].error?.type == "ValueError")
        #expect(failed.tasks[0].error?.message == "no such row")
    }

    /// Whether a process is alive; one that has ended and was not collected yet is not.
    private func isAlive(_ pid: Int32) -> Bool {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
        return !text.contains(") Z ")
    }

    private func pids(_ file: String) throws -> [Int32] {
        try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").compactMap { Int32($0) }
    }

    private func waitUntil(_ what: String, _ condition: () throws -> Bool) async throws {
        for _ in 0..<500 {
            if try condition() { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record("waited in vain until \(what)")
    }

    @Test func aTimeoutEndsTheWholeProcessGroup() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        // The grandchild does not heed the polite signal.
        var task = shell(
            "a",
            "sh -c 'trap \"\" TERM; echo $$ >> \(folder)/pids; while :; do sleep 1; done' & echo $$ >> \(folder)/pids; wait"
        )
        task.timeout = 1
        let run = try await engine().run([task], payload: nil)
        #expect(run.tasks[0].error?.type == "timeout")
        let all = try pids(folder + "/pids")
        #expect(all.count == 2)
        try await waitUntil("no process is left") { !all.contains(where: isAlive) }
    }

    @Test func whatLeavesItsSessionAndItsEnvironmentEndsWithItsBody() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let away = "sh -c 'trap \"\" TERM HUP; echo $$ >> \(folder)/pids; while :; do sleep 1; done'"
        var task = shell(
            "a",
            "setsid \(away) & (env -i PATH=$PATH setsid \(away) &); echo $$ >> \(folder)/pids; wait; sleep 300"
        )
        task.timeout = 2
        let run = try await engine().run([task], payload: nil)
        #expect(run.tasks[0].error?.type == "timeout")
        let all = try pids(folder + "/pids")
        #expect(all.count == 3)
        try await waitUntil("no process is left") { !all.contains(where: isAlive) }
    }

    @Test func linesEndAsOtherSystemsEndThem() async throws {
        let tasks = [
            shell("windows", #"printf 'noise\r\n{"n": 1}\r\n'"#), shell("bar", #"printf '10 %%\r90 %%\r{"n": 2}'"#),
            shell("error", #"printf 'noise\r\nmyapp.Error2: no\r\n  \r\n' >&2; exit 1"#),
            shell("place", "echo http://x >&2; exit 1"), shell("nan", "echo '[NaN]'"),
        ]
        let run = try await engine().run(tasks, payload: nil)
        #expect(run.tasks[0].result == ["n": 1] && run.tasks[1].result == ["n": 2], "\(run.tasks)")
        #expect(run.tasks[2].error?.type == "Error2" && run.tasks[2].error?.message == "no")
        #expect(run.tasks[3].error?.type == "exit" && run.tasks[4].result?.text() == "[NaN]")
    }

    @Test func theGuardChangesNothingOfHowABodyEnds() async throws {
        let tasks = [
            shell("status", "exit 7"), shell("signal", "kill -9 $$"), shell("term", "kill -15 $$"),
            shell("reads", "cat > /dev/null; echo 1"), shell("deaf", "exec <&-; echo 2"),
            shell("closes", "exec >&-; sleep 0.3; exit 0"),
            TaskDefinition(
                id: "none",
                body: .command(CommandLine(arguments: ["no-such-program", "x"])),
                shadow: .pure
            ),
            TaskDefinition(id: "folder", body: .command(CommandLine(arguments: ["/tmp"])), shadow: .pure),
        ]
        let run = try await engine().run(tasks, payload: nil)
        func error(_ at: Int) -> String { run.tasks[at].error?.message ?? "none" }
        #expect(error(0).contains("exited(7)"), "\(error(0))")
        #expect(error(1).contains("9") && error(2).contains("15"), "\(error(1)) \(error(2))")
        #expect(run.tasks[3].result == 1 && run.tasks[4].result == 2 && run.tasks[5].state == .success)
        #expect(error(6) == "no-such-program could not be run: No such file or directory")
        #expect(error(7) == "/tmp could not be run: Permission denied")
    }

    @Test func cancellingLeavesNoProcess() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let tasks = (0..<3).map {
            shell("t\($0)", "echo $$ >> \(folder)/pids; sleep 300 & echo $! >> \(folder)/pids; wait")
        }
        let engine = engine()
        let work = Task { try await engine.run(tasks, payload: nil) }
        try await waitUntil("all bodies run") { ((try? pids(folder + "/pids")) ?? []).count == 6 }
        work.cancel()
        await #expect(throws: CancellationError.self) { _ = try await work.value }
        let all = try pids(folder + "/pids")
        try await waitUntil("no process is left") { !all.contains(where: isAlive) }
    }

    @Test func whatNobodyClassifiedIsNeverRun() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var task = shell("a", "touch \(folder)/ran")
        task.shadow = .observe
        let run = try await engine().run([task], payload: nil)
        #expect(run.tasks[0].observedOnly)
        #expect(!FileManager.default.fileExists(atPath: folder + "/ran"))
    }

    @Test func aCeleryBodyIsNeverSentInShadow() async throws {
        let body = TaskBody.celery(CeleryCall(source: "s", task: "t", args: [], kwargs: [:], options: [:]))
        let run = try await engine().run([TaskDefinition(id: "a", body: body, shadow: .pure)], payload: nil)
        #expect(run.tasks[0].error?.type == "not-run")
    }
}

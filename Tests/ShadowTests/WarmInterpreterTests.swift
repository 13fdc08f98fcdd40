import Foundation
import LosslessJSON
import Migration
import Schedules
import Synchronization
import TestSupport
import Testing

@testable import Shadow

@Suite("Bodies that are forked of a warm interpreter, beside those that start their own", .timeLimit(.minutes(3)))
struct WarmInterpreterTests {
    private let folder: String
    private let told = Told()

    private final class Told: Sendable { let lines = Mutex<[String]>([]) }

    init() throws {
        folder = FileManager.default.temporaryDirectory.path + "/bailey-warm-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let bodies = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Fixtures/planted_bodies.py"
        try FileManager.default.copyItem(atPath: bodies, toPath: folder + "/planted_bodies.py")
    }

    private func engine(_ isWarm: Bool, python: String = "python3", preload: [String] = []) -> EmbeddedEngine {
        let environment = BodyRunner.Environment(
            python: python,
            path: [folder],
            variables: ["COLOUR": "blue"],
            preload: preload
        )
        let runner = BodyRunner(
            environments: ["app": environment],
            directory: folder,
            inherited: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin", "LANG": "C.UTF-8"],
            guardProgram: baileyProgram,
            isWarm: isWarm,
            tell: { [told] line in told.lines.withLock { $0.append(line) } }
        )
        return EmbeddedEngine(
            runner: runner,
            parallelism: 6,
            now: { Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) },
            sleep: { _ in }
        )
    }

    private func body(_ id: String, _ function: String, _ args: JSON = [], kwargs: JSON = [:], timeout: Double = 60)
        -> TaskDefinition
    {
        let call = PythonCall(callable: "planted_bodies:\(function)", environment: "app", args: args, kwargs: kwargs)
        var task = TaskDefinition(id: id, body: .python(call), shadow: .pure)
        task.timeout = timeout
        return task
    }

    private func isAlive(_ pid: Int32) -> Bool {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
        return !text.contains(") Z ")
    }

    private func pids(_ file: String) throws -> [Int32] {
        try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").compactMap { Int32($0) }
    }

    private func planted() -> [TaskDefinition] {
        let plain = [
            "nothing", "not_a_number", "unwritable", "half_a_surrogate", "large", "raises", "raises_own", "raises_odd",
            "raises_group", "raises_from", "interrupts", "generator_exit", "aborts", "recursion", "depth", "prints",
            "reads", "closes", "thread_left", "daemon_left", "thread_raises", "at_exit_raises", "at_exit_leaves",
            "at_exit_dies", "child_raises", "runs_programs", "pool", "asynchronous", "too_much", "surroundings",
            "no_such_function",
        ]
        var tasks = plain.map { body($0, $0) }
        tasks.append(body("value", "value", [1, .number(JSONNumber(2.5)), "ключ"], kwargs: ["a": ["b": nil]]))
        tasks.append(body("wrong-call", "nothing", [1]))
        for status in [JSON.null, 0, 3, "words"] { tasks.append(body("leaves-\(status.text())", "leaves", [status])) }
        tasks.append(body("exits", "exits", [7]))
        tasks.append(body("exits-127", "exits", [127]))
        for number in [SIGSEGV, SIGKILL, SIGTERM, SIGINT] {
            tasks.append(body("dies-\(number)", "dies", [JSON.number(JSONNumber(Int(number)))]))
            tasks.append(body("group-dies-\(number)", "group_dies", [JSON.number(JSONNumber(Int(number)))]))
        }
        for number in [SIGKILL, SIGTERM] {
            tasks.append(body("parent-dies-\(number)", "parent_dies", [JSON.number(JSONNumber(Int(number)))]))
        }
        tasks.append(body("too_long", "too_long", timeout: 3))
        let missing = PythonCall(callable: "no_such_module:f", environment: "app")
        tasks.append(TaskDefinition(id: "no-module", body: .python(missing), shadow: .pure))
        return tasks
    }

    /// Whether results are equal; the order of an object's keys is that of the variables, which is random.
    private func alike(_ a: JSON?, _ b: JSON?) -> Bool {
        guard let a, let b else { return a == b }
        return a.isSame(as: b)
    }

    /// An error without the places in the programs that call the function, which are two.
    private func shown(_ error: RunError?) -> RunError? {
        let detail = error?.detail?.replacing(/File "<string>", line [0-9]+/, with: "")
        var error = error
        error?.detail = detail
        return error
    }

    @Test func everyPlantedBodyEndsAlikeBothWays() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let tasks = planted()
        async let forked = engine(true).run(tasks, payload: nil)
        async let started = engine(false).run(tasks, payload: nil)
        for (a, b) in zip(try await forked.tasks, try await started.tasks) {
            #expect(a.state == b.state, "\(a.task): \(String(describing: a.error)) \(String(describing: b.error))")
            #expect(alike(a.result, b.result), "\(a.task)")
            // Whoever kills its group kills what forked it as well, and what is told is how that ended.
            if a.task == "group-dies-\(SIGSEGV)" {
                #expect(a.error?.message.hasPrefix("python3 ended with signaled") == true)
            } else if a.task.hasPrefix("group-dies") {
                // How much it writes before its keeper ends it is chance.
                #expect(a.error?.message == b.error?.message, "\(a.task)")
            } else {
                #expect(shown(a.error) == shown(b.error), "\(a.task)")
            }
        }
        #expect(told.lines.withLock { $0 } == [])
    }

    /// A fork ends in fewer steps than an interpreter, and writes no less.
    @Test func whatABodyLeavesOpenIsWrittenBothWays() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var found: [[String: String]] = []
        for (name, isWarm, preload) in [("a", true, []), ("b", false, []), ("c", true, ["planted_bodies"])] {
            let place = "\(folder)/\(name)"
            try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
            let task = body("a", "leaves_open", [.string(place)])
            let run = try await engine(isWarm, preload: preload).run([task], payload: nil)
            #expect(run.tasks[0].state == .success, "\(String(describing: run.tasks[0].error))")
            let names = try FileManager.default.contentsOfDirectory(atPath: place)
            let texts = try names.map { ($0, try String(contentsOfFile: "\(place)/\($0)", encoding: .utf8)) }
            found.append(Dictionary(uniqueKeysWithValues: texts))
        }
        #expect(
            found[1] == [
                "global.txt": "kept in a global and written to at the end", "log.txt": "logged\n",
                "words.txt": "global\n",
                "ring.txt": "ring\n", "raw.bin": "kept by a module of Python's own",
            ]
        )
        #expect(found[0] == found[1])
        // Of what is imported once for all, files are written to their end; who has the last word Python does not promise.
        #expect(found[2]["global.txt"] == found[1]["global.txt"] && found[2]["raw.bin"] == found[1]["raw.bin"])
        #expect(told.lines.withLock { $0 } == [])
    }

    @Test func whatABodyLeavesBehindEndsWithItsTime() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for isWarm in [true, false] {
            let file = folder + "/pids-\(isWarm)"
            let task = body("a", "too_long_and_deaf", [.string(file)], timeout: 4)
            let run = try await engine(isWarm).run([task, body("b", "value", [1])], payload: nil)
            #expect(run.tasks[0].error?.type == "timeout")
            #expect(run.tasks[1].result?["args"] == [1])
            let all = try pids(file)
            #expect(all.count >= 3)
            #expect(!all.contains(where: isAlive), "warm: \(isWarm)")
        }
    }

    @Test func cancellingEndsEveryBody() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = folder + "/pids"
        let engine = engine(true)
        let work = Task { try await engine.run([body("a", "too_long_and_deaf", [.string(file)])], payload: nil) }
        for _ in 0..<1500 where ((try? pids(file)) ?? []).count < 3 { try await Task.sleep(for: .milliseconds(20)) }
        work.cancel()
        await #expect(throws: CancellationError.self) { _ = try await work.value }
        #expect(!(try pids(file)).contains(where: isAlive))
    }

    @Test func aBodyFindsNothingOfTheOneBefore() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let engine = engine(true)
        for _ in 0..<2 {
            #expect(try await engine.run([body("a", "counted")], payload: nil).tasks[0].result == 1)
            let found = try await engine.run([body("a", "found")], payload: nil).tasks[0].result
            #expect(found == [0, nil, false, false, false])
        }
        let chances = try await engine.run((0..<4).map { body("t\($0)", "chances") }, payload: nil).tasks
        let all = chances.flatMap { $0.result?.array ?? [] }
        #expect(all.count == 12 && Set(all).count == 12)
        // Code that was edited since counts at once.
        let module = folder + "/planted_bodies.py"
        try String(contentsOfFile: module, encoding: .utf8).replacing("calls = 0", with: "calls = 1000").write(
            toFile: module,
            atomically: true,
            encoding: .utf8
        )
        try "def new():\n    return 'new'\n".write(toFile: folder + "/later.py", atomically: true, encoding: .utf8)
        #expect(try await engine.run([body("a", "counted")], payload: nil).tasks[0].result == 1001)
        let later = TaskBody.python(PythonCall(callable: "later:new", environment: "app"))
        let run = try await engine.run([TaskDefinition(id: "a", body: later, shadow: .pure)], payload: nil)
        #expect(run.tasks[0].result == "new")
    }

    @Test func itBringsLittleMoreThanAnyStart() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func modules(_ isWarm: Bool) async throws -> Set<String> {
            let run = try await engine(isWarm).run([body("a", "modules")], payload: nil)
            return Set((run.tasks[0].result?.array ?? []).compactMap(\.string))
        }
        let (warm, cold) = (try await modules(true), try await modules(false))
        #expect(cold.isSubset(of: warm))
        #expect(warm.subtracting(cold).isSubset(of: ["_ctypes", "_socket"]), "\(warm.subtracting(cold))")
    }

    @Test func manyBodiesAtOnceEachGetTheirOwnResult() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let tasks = (0..<200).map { number -> TaskDefinition in
            switch number % 10 {
            case 7: body("t\(number)", "dies", [9])
            case 8: body("t\(number)", "exits", [JSON.number(JSONNumber(number))])
            default: body("t\(number)", "quick", [JSON.number(JSONNumber(number))])
            }
        }
        let run = try await engine(true).run(tasks, payload: nil)
        for (number, task) in run.tasks.enumerated() {
            switch number % 10 {
            case 7: #expect(task.error?.message == "python3 ended with signaled(9) before the function did")
            case 8: #expect(task.error?.message == "python3 ended with exited(\(number)) before the function did")
            default: #expect(task.result?.int == number)
            }
        }
    }

    @Test func whereAForkWouldBeAnotherThingEachBodyStartsByItself() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func result(_ engine: EmbeddedEngine) async throws -> JSON? {
            try await engine.run([body("a", "counted")], payload: nil).tasks[0].result
        }
        try "import planted_bodies".write(toFile: folder + "/fine.py", atomically: true, encoding: .utf8)
        #expect(try await result(engine(true, preload: ["fine"])) == 1)
        #expect(told.lines.withLock { $0 } == [])
        for (name, text, words) in [
            ("threads", "import threading, time\nthreading.Thread(target=time.sleep, args=(1,)).start()", "threads"),
            ("broken", "1 / 0", "ZeroDivisionError"),
        ] {
            try text.write(toFile: folder + "/\(name).py", atomically: true, encoding: .utf8)
            #expect(try await result(engine(true, preload: [name])) == 1)
            #expect(told.lines.withLock { $0.last }?.contains(words) == true, "\(name)")
        }
        try "x = 1".write(toFile: folder + "/sitecustomize.py", atomically: true, encoding: .utf8)
        #expect(try await result(engine(true)) == 1)
        #expect(told.lines.withLock { $0.last }?.contains("sitecustomize") == true)
        let gone = try await engine(true, python: "no-such-python").run([body("a", "counted")], payload: nil)
        #expect(gone.tasks[0].error?.message == "no-such-python could not be run: No such file or directory")
    }
}

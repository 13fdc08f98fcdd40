import Foundation
import LosslessJSON
import Migration
import Processes
import Schedules
import Shadow
import TestSupport
import Testing

/// Whoever the user, whatever the container, whichever rung: what a body tries is tried for real, and looked at from outside.
@Suite("What runs in a sandbox reaches nothing else", .serialized, .timeLimit(.minutes(10))) struct SandboxTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Sandbox").path
    private static let nobody = 65_534

    /// Where a body runs.
    struct Place: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var usesBubblewrap = false
        var version = 1000
        var isNobody = false
        var isContainer = false
        /// What is to be chosen there.
        var rung: String
    }

    static let places: [Place] = [
        Place(testDescription: "bubblewrap", usesBubblewrap: true, rung: "bubblewrap"),
        Place(
            testDescription: "bubblewrap, as an unprivileged user",
            usesBubblewrap: true,
            isNobody: true,
            rung: "bubblewrap"
        ),
        Place(testDescription: "Landlock", rung: "Landlock"),
        Place(testDescription: "Landlock, as an unprivileged user", isNobody: true, rung: "Landlock"),
        Place(
            testDescription: "Landlock of Linux 5.13, as an unprivileged user",
            version: 1,
            isNobody: true,
            rung: "Landlock 1 "
        ),
        Place(testDescription: "Landlock of Linux 6.7", version: 4, rung: "Landlock 4 "),
        Place(
            testDescription: "a container of Docker's",
            usesBubblewrap: true,
            isContainer: true,
            rung: "Landlock"
        ),
        Place(
            testDescription: "a container of Docker's, as an unprivileged user",
            usesBubblewrap: true,
            isNobody: true,
            isContainer: true,
            rung: "Landlock"
        ),
    ]

    /// Bailey's program as that place starts it: the folder is given to who runs the body.
    private func program(_ place: Place, in folder: String) throws -> String {
        guard place.isNobody || place.isContainer else { return baileyProgram }
        var words = [baileyProgram, "\"$@\""]
        if place.isNobody {
            words =
                ["setpriv", "--reuid=\(SandboxTests.nobody)", "--regid=\(SandboxTests.nobody)", "--clear-groups"]
                + words
        }
        if place.isContainer { words = ["python3", "\(SandboxTests.folder)/container.py"] + words }
        let owner = place.isNobody ? SandboxTests.nobody : 0
        let script = """
            #!/bin/sh
            for word in "$@"; do
              case $word in scratch=*) folder=${word#scratch=}; chown -R \(owner):\(owner) "${folder%/scratch}" ;; esac
            done
            exec \(words.joined(separator: " "))

            """
        let path = "\(folder)/bailey"
        try script.write(toFile: path, atomically: true, encoding: .utf8)
        chmod(path, 0o755)
        return path
    }

    private func ladder(_ place: Place, in folder: String) throws -> SandboxLadder {
        SandboxLadder(
            program: try program(place, in: folder),
            path: "/usr/bin:/bin",
            usesBubblewrap: place.usesBubblewrap,
            highest: place.version
        )
    }

    private func engine(_ place: Place, in folder: String) throws -> EmbeddedEngine {
        let runner = BodyRunner(
            environments: [:],
            directory: folder,
            inherited: ["PATH": "/usr/bin:/bin"],
            guardProgram: try program(place, in: folder),
            ladder: try ladder(place, in: folder)
        )
        return EmbeddedEngine(
            runner: runner,
            parallelism: 4,
            now: { Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }
        ) { _ in }
    }

    private func withFolder<Result>(_ work: (String) async throws -> Result) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.path + "/bailey-box-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try await work(folder)
    }

    private func task(
        _ id: String,
        _ words: [String],
        input: JSON = .null,
        _ change: (inout SandboxRules) -> Void = { _ in }
    )
        -> TaskDefinition
    {
        var task = TaskDefinition(
            id: id,
            body: .command(CommandLine(arguments: words, input: input)),
            timeout: 60,
            shadow: .sandbox
        )
        change(&task.sandbox)
        return task
    }

    private func python(_ id: String, _ text: String, _ change: (inout SandboxRules) -> Void = { _ in })
        -> TaskDefinition
    {
        task(id, ["python3", "-c", text], change)
    }

    @Test(.enabled(if: getuid() == 0, "needs to become another user"), arguments: places)
    func everyAttemptIsRefused(_ place: Place) async throws {
        try await withFolder { folder in
            let choice = try await ladder(place, in: folder).choice()
            #expect(choice.rung.description.hasPrefix(place.rung), "\(choice)")
            let outside = try Outside(user: place.isNobody ? SandboxTests.nobody : 0)
            var input = outside.places
            input["own_shm"] = .bool(place.rung == "bubblewrap")
            let attempts = task("escape", ["python3", "\(SandboxTests.folder)/escapes.py"], input: .object(input)) {
                $0.disk = 64 << 20
                $0.processes = 40
            }
            let run = try await engine(place, in: folder).run([attempts], payload: nil)
            let found = run.tasks[0].result?.object?.members ?? []
            #expect(found.count >= 60, "\(run.tasks[0])")
            for attempt in found {
                let said = attempt.value.string ?? ""
                #expect(said.hasPrefix("refused"), "\(attempt.key) \(said)")
            }
            let seen = try outside.end()
            #expect(seen["reached"] == [] && seen["victim"] == .null && seen["changed"] == [], "\(seen)")
            #expect(seen["nice"] == false && seen["files"] == ["file", "pipe", "socket", "socket.datagram"], "\(seen)")
        }
    }

    /// What is refused above would have been done: else the table said nothing.
    @Test(.enabled(if: getuid() == 0, "files are another user's")) func withoutASandboxTheAttemptsSucceed() async throws
    {
        let names = [
            "tcp", "udp", "unix_socket", "abstract_socket", "pair_of_datagrams", "child", "child_program", "thread",
            "c_extension", "proc_command_line", "symlink", "rename_away", "mode", "times", "limits_of_others", "serve",
            "memory_file", "pipe", "lock", "lease",
        ]
        try await withFolder { folder in
            let outside = try Outside(user: 0)
            var input = outside.places
            input["only"] = .array(names.map { .string($0) })
            var attempts = task("escape", ["python3", "\(SandboxTests.folder)/escapes.py"], input: .object(input))
            attempts.shadow = .pure
            let run = try await engine(SandboxTests.places[0], in: folder).run([attempts], payload: nil)
            let found = run.tasks[0].result?.object?.members ?? []
            #expect(found.count == names.count, "\(run.tasks[0])")
            for attempt in found { #expect(attempt.value.string?.hasPrefix("escaped") == true, "\(attempt)") }
            let seen = try outside.end()
            #expect(seen["reached"] == ["tcp", "udp", "unix", "datagram", "abstract", "pipe"], "\(seen)")
            #expect(seen["changed"]?.array?.contains("st_mode") == true && seen["files"]?.array?.count == 8, "\(seen)")
        }
    }

    /// Both rungs, as the user that runs the tests.
    static let rungs = [places[0], places[2]]

    private func run(_ tasks: [TaskDefinition], on place: Place = rungs[0]) async throws -> [EmbeddedEngine.TaskRun] {
        try await withFolder { try await engine(place, in: $0).run(tasks, payload: nil).tasks }
    }

    @Test(arguments: rungs) func everyLimitEndsWhatPassesIt(_ place: Place) async throws {
        let bodies: [(limit: String, task: TaskDefinition)] = [
            (
                "disk",
                python("files", "for n in range(10000): open(f'f{n}', 'wb').write(b'x' * 1000000)") {
                    $0.disk = 40 << 20
                }
            ),
            (
                "disk", python("many", "import os\nfor n in range(100000): os.mkdir(str(n))") { $0.disk = 4 << 30 }
            ),
            (
                "memory",
                python(
                    "memory",
                    """
                    import os, time
                    for n in range(8):
                        if os.fork() == 0:
                            block = bytearray(os.urandom(1 << 20) * 40)
                            time.sleep(30)
                    time.sleep(30)
                    """
                ) { $0.memory = 150 << 20 }
            ),
            (
                "memory",
                python(
                    "shared",
                    """
                    import mmap, time
                    block = mmap.mmap(-1, 400 << 20)
                    for n in range(400): block.write(b'x' * (1 << 20))
                    time.sleep(30)
                    """
                ) { $0.memory = 150 << 20 }
            ),
            ("cpu", python("cpu", "while True: pass") { $0.cpu = 1 }),
            (
                "cpu",
                python(
                    "children",
                    "import os, subprocess\nwhile True: subprocess.run(['sha256sum', '/usr/bin/python3'])"
                ) {
                    $0.cpu = 2
                }
            ),
        ]
        let found = try await run(bodies.map(\.task), on: place)
        for (body, ended) in zip(bodies, found) {
            #expect(ended.error?.type == "sandbox-limit", "\(body.task.id): \(ended)")
            #expect(ended.error?.message.contains("sandbox: {\(body.limit)") == true, "\(body.task.id): \(ended)")
        }
    }

    @Test(arguments: rungs) func whatIsWithinItsLimitsIsLet(_ place: Place) async throws {
        let found = try await run(
            [
                python(
                    "work",
                    """
                    import concurrent.futures, fcntl, json, os, shutil, subprocess, sys, tempfile, time
                    with tempfile.NamedTemporaryFile(dir=None) as file: file.write(b'x')
                    open('a', 'w').write('text'); shutil.copy2('a', 'b'); os.chmod('b', 0o640); os.rename('b', 'c')
                    os.makedirs('d/e'); os.symlink('a', 'd/link'); shutil.rmtree('d')
                    assert oct(os.stat('c').st_mode)[-3:] == '640'
                    with concurrent.futures.ThreadPoolExecutor(8) as pool: threads = sum(pool.map(len, ['x'] * 100))
                    said = subprocess.run(['sh', '-c', 'sleep 0.01 & wait; echo $HOME; pwd'], capture_output=True, text=True)
                    child = subprocess.Popen(['sleep', '60']); child.terminate(); child.wait()
                    os.kill(os.getpid(), 0)
                    os.mkfifo('pipe'); reader = os.open('pipe', os.O_RDONLY | os.O_NONBLOCK)
                    os.write(os.open('pipe', os.O_WRONLY), b'x'); assert os.read(reader, 9) == b'x'
                    fcntl.flock(open('a'), fcntl.LOCK_EX); fcntl.flock(open('/etc/passwd'), fcntl.LOCK_SH)
                    print(json.dumps([threads, said.stdout.split(), os.environ['TMPDIR'], tempfile.gettempdir(), child.returncode]))
                    """
                )
            ],
            on: place
        )
        let result = found[0].result
        let scratch = result?[1]?[1]?.string ?? "?"
        #expect(result?[0]?.int == 100 && result?[4]?.int == -15, "\(found[0])")
        #expect(result?[1]?[0]?.string == scratch + "/.home" && result?[2]?.string == scratch + "/.tmp", "\(found[0])")
        #expect(result?[2] == result?[3])
    }

    /// By address and port, as a blocking and as a waiting connection, and by the name that only the mapping knows.
    @Test(arguments: rungs) func onlyTheNamedPlaceIsReached(_ place: Place) async throws {
        let outside = try Outside(user: Int(getuid()))
        let port = outside.places["tcp"]?.int ?? 0
        let other = try Outside(user: Int(getuid()))
        let found = try await run(
            [
                python(
                    "connect",
                    """
                    import asyncio, json, socket
                    def tried(work):
                        try: work(); return 'reached'
                        except OSError as error: return type(error).__name__
                    links = []
                    print(json.dumps([
                        tried(lambda: links.append(socket.create_connection(('127.0.0.1', \(port))))),
                        tried(lambda: links.append(socket.create_connection(('localhost', \(port)), 5))),
                        tried(lambda: links.append(asyncio.run(asyncio.open_connection('127.0.0.1', \(port))))),
                        tried(lambda: socket.create_connection(('127.0.0.1', \(other.places["tcp"]?.int ?? 0)))),
                        tried(lambda: socket.create_connection(('example.org', \(port)))),
                    ]))
                    """
                ) { $0.network = [SandboxRules.Place(host: "localhost", port: port)] }
            ],
            on: place
        )
        #expect(
            found[0].result == ["reached", "reached", "reached", "PermissionError", "gaierror"],
            "\(found[0])"
        )
        let seen = (try outside.end(), try other.end())
        #expect(seen.0["reached"] == ["tcp"] && seen.1["reached"] == [])
    }

    @Test(arguments: rungs) func nothingLivesOnAfterItsEnd(_ place: Place) async throws {
        // It tells where it writes for as long as it lives; the folder is gone with the run.
        let text = """
            import os, time
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    name = f'bailey-left-{os.getpid()}'
                    os.execvp('sleep', ['sleep', '987654'])
                os._exit(0)
            time.sleep(0.2)
            """
        _ = try await run([python("leave", text)], on: place)
        var slow = python("slow", text + "\ntime.sleep(100)")
        slow.timeout = 1
        let ended = try await run([slow], on: place)
        #expect(ended[0].error?.type == "timeout")
        let all = try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { Int($0) != nil }
        let left = all.filter {
            (try? String(contentsOfFile: "/proc/\($0)/cmdline", encoding: .utf8))?.contains("987654") == true
        }
        #expect(left.isEmpty)
    }

    @Test func aMachineThatPermitsNoneRunsNothing() async throws {
        try await withFolder { folder in
            let ladder = SandboxLadder(program: baileyProgram, path: "/nowhere", highest: 0)
            let runner = BodyRunner(
                environments: [:],
                directory: folder,
                inherited: ["PATH": "/usr/bin:/bin"],
                guardProgram: baileyProgram,
                ladder: ladder
            )
            let engine = EmbeddedEngine(runner: runner, parallelism: 1, now: { Instant(microseconds: 0) }) { _ in }
            var body = task("touch", ["touch", "\(folder)/done"])
            body.retry = RetryPolicy(retries: 3, delay: 1)
            let run = try await engine.run([body], payload: nil).tasks[0]
            #expect(run.error?.type == "sandbox" && run.attempts == 1)
            #expect(run.error?.message.contains("bubblewrap (bwrap) is not installed") == true, "\(run)")
            #expect(run.error?.message.contains("no Landlock") == true && run.error?.message.contains("permit") == true)
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/done"))
        }
    }

    @Test func aPlaceWithoutAnAddressRunsNothing() async throws {
        let run = try await run([
            task("touch", ["true"]) { $0.network = [SandboxRules.Place(host: "nowhere.invalid", port: 1)] }
        ])
        #expect(run[0].error?.type == "sandbox" && run[0].error?.message.contains("nowhere.invalid") == true)
    }
}

/// The process outside that has what is not to be reached.
private final class Outside {
    let places: JSONObject
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    init(user: Int) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Sandbox/outside.py"
        process.arguments = ["python3", script, String(user)]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        var line = Data()
        while let byte = try output.fileHandleForReading.read(upToCount: 1), byte != Data("\n".utf8) { line += byte }
        places = try JSON(parsing: String(decoding: line, as: UTF8.self)).object ?? [:]
    }

    /// What has happened to it.
    func end() throws -> JSON {
        try input.fileHandleForWriting.close()
        let rest = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return try JSON(parsing: String(decoding: rest, as: UTF8.self))
    }
}

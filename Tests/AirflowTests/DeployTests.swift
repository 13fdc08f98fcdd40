import Foundation
import LosslessJSON
import Migration
import TestSupport
import Testing

@testable import Airflow

@Suite("Deploy") struct DeployTests {
    // MARK: Import errors in our terms

    @Test(arguments: [
        ("ModuleNotFoundError: No module named 'bailey_runtime'", "BLY072", "Install the wheel of this version"),
        (
            "ImportError: cannot import name 'BaileyGate' from 'bailey_runtime.dag' (/x/dag.py)", "BLY072",
            "bailey-runtime"
        ),
        (
            "ModuleNotFoundError: No module named 'airflow.providers.postgres'", "BLY071",
            "Install apache-airflow-providers-postgres"
        ),
        (
            "ModuleNotFoundError: No module named 'airflow.providers.common.sql.hooks'", "BLY071",
            "Install apache-airflow-providers-common-sql"
        ),
        ("ModuleNotFoundError: No module named 'redisx'", "BLY071", "Install what provides it"),
        (
            "  File \"/d/x.py\", line 3\n    def (\nSyntaxError: invalid syntax", "BLY073",
            "SyntaxError: invalid syntax."
        ),
        (
            "airflow.x: Timetable class 'bailey_runtime.timetable.BaileyTimetable' is not registered or you have a top level database access",
            "BLY074", "plugins folder"
        ),
        (
            "AirflowDagDuplicatedIdException: Ignoring DAG x from /d/y.py - also found in /d/x.py", "BLY070",
            "same DAG id"
        ),
        ("", "BLY073", "no reason was given"),
    ]) func faults(trace: String, code: String, words: String) {
        let fault = ImportFault(
            trace: "Traceback (most recent call last):\n  File \"x\", line 1, in <module>\n" + trace
        )
        if !trace.isEmpty { #expect(fault.code.id == code) }
        #expect(trace.isEmpty || fault.text.contains(words), "\(fault.text)")
        if trace.isEmpty { #expect(ImportFault(trace: "").text.contains(words)) }
    }

    @Test func realImportErrors() throws {
        for name in ["3.3.2-importErrors", "2.11.2-importErrors"] {
            let json = try JSON(parsing: try recorded(name).body)
            let error = try #require((json["import_errors"]?[0]).flatMap(AirflowImportError.init))
            #expect(ImportFault(trace: error.trace).code == .moduleMissing)
        }
    }

    @Test func providersThatAFileNeeds() {
        let text = """
            from airflow.sdk import DAG
            from airflow.providers.standard.operators.empty import EmptyOperator
            import airflow.providers.cncf.kubernetes.operators.pod
            # from airflow.providers.amazon.aws import nothing
            """
        let dag = DAGDefinition(
            id: "d",
            name: "d",
            clock: PipelineClock(driver: nil, schedule: nil, timezone: "UTC", timetable: nil),
            entries: [],
            tasks: []
        )
        #expect(
            ProviderNeeds.packages(file: text, dag: dag) == [
                "apache-airflow-providers-standard", "apache-airflow-providers-cncf-kubernetes",
            ]
        )
    }

    // MARK: Structure

    private func definition(_ tasks: [TaskDefinition]) -> DAGDefinition {
        DAGDefinition(
            id: "d",
            name: "d",
            clock: PipelineClock(driver: nil, schedule: nil, timezone: "UTC", timetable: nil),
            entries: [],
            tasks: tasks
        )
    }

    private func task(_ id: String, after: [String] = [], rule: TriggerRule = .allSuccess, retries: Int = 0)
        -> TaskDefinition
    {
        TaskDefinition(
            id: id,
            body: .command(CommandLine(arguments: ["true"])),
            after: after,
            triggerRule: rule,
            retry: RetryPolicy(retries: retries, delay: 60)
        )
    }

    private func reported(_ id: String, _ downstream: [String] = [], _ more: JSONObject = [:]) throws -> AirflowTask {
        var object: JSONObject = [
            "task_id": .string(id), "downstream_task_ids": .array(downstream.map { .string($0) }),
            "trigger_rule": "all_success", "retries": 0, "pool": "default_pool", "queue": "default",
        ]
        for member in more.members { object[member.key] = member.value }
        return try #require(AirflowTask(.object(object)))
    }

    @Test func theSameStructure() throws {
        let plan = definition([
            task("a"), task("b", after: ["a"], rule: .allDone, retries: 2), task("c", after: ["a", "b"]),
        ])
        let found = [
            try reported("gate", ["a"]), try reported("a", ["g.b", "c"]),
            try reported(
                "g.b",
                ["c"],
                [
                    "trigger_rule": "all_done", "retries": 2,
                    "retry_delay": ["days": 0, "seconds": 60, "microseconds": 0],
                ]
            ), try reported("c"),
        ]
        #expect(StructureComparison(plan, reported: found, gated: true).differences == [])
    }

    @Test func aHelperStandsBetween() throws {
        let plan = definition([task("a"), task("b", after: ["a"])])
        let found = [
            try reported("gate", ["a"]), try reported("a", ["take_b"]), try reported("take_b", ["b"]),
            try reported("b"),
        ]
        #expect(StructureComparison(plan, reported: found, gated: true).differences == [])
    }

    @Test func everyDifferenceIsNamed() throws {
        var slow = task("b", after: ["a"], rule: .allDone, retries: 2)
        slow.timeout = 60
        slow.pool = "gpu"
        slow.queue = "heavy"
        let plan = definition([task("a"), slow, task("c")])
        let found = [try reported("a"), try reported("b"), try reported("x")]
        let differences = StructureComparison(plan, reported: found, gated: true).differences.joined(separator: "\n")
        for words in [
            "“c” is missing", "a task “x” that was not planned", "“b” has before it none, planned a",
            "“b” has retries 0, planned 2", "“b” has a timeout of none, planned 60.0 s",
            "“b” has the pool default_pool, planned gpu", "“b” has the queue default, planned heavy",
            "“b” has the trigger rule all_success, planned all_done", "the gate is missing",
        ] { #expect(differences.contains(words), "\(words)") }
    }

    @Test func nothingRunsBesideTheGate() throws {
        let plan = definition([task("a"), task("b")])
        let found = [try reported("gate", ["a"]), try reported("a"), try reported("b")]
        #expect(
            StructureComparison(plan, reported: found, gated: true).differences == [
                "the task “b” does not wait for the gate"
            ]
        )
        #expect(StructureComparison(plan, reported: Array(found.dropFirst()), gated: false).differences == [])
    }

    // MARK: Putting files

    private func withFolder(_ body: (String) async throws -> Void) async throws {
        try await Scratch.with(body)
    }

    private func generated(_ body: String) -> DAGDelivery.File {
        DAGDelivery.File(name: "d.py", text: DAGFile.mark + StableDigest(body).description + "\n" + body)
    }

    private func changes(_ delivery: DAGDelivery, _ files: [DAGDelivery.File]) async throws -> [DAGFolder.Change?] {
        try await delivery.put(files).map { $0.change }
    }

    private func previewed(_ delivery: DAGDelivery, _ files: [DAGDelivery.File]) async throws -> [DAGFolder.Change?] {
        try await delivery.preview(files).map { $0.change }
    }

    @Test func aFolder() async throws {
        try await withFolder { folder in
            let delivery = DAGDelivery.folder(folder)
            let found1 = try await previewed(delivery, [generated("a = 1\n")])
            #expect(found1 == [.created])
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
            let found2 = try await changes(delivery, [generated("a = 1\n")])
            #expect(found2 == [.created])
            let found3 = try await changes(delivery, [generated("a = 1\n")])
            #expect(found3 == [.unchanged])
            let found4 = try await changes(delivery, [generated("a = 2\n")])
            #expect(found4 == [.updated])
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["d.py"])
        }
    }

    @Test func whatIsNotOursIsLeftAndNothingElseIsWritten() async throws {
        try await withFolder { folder in
            try Data("import os\n".utf8).write(to: URL(fileURLWithPath: folder + "/d.py"))
            let other = DAGDelivery.File(name: "e.py", text: generated("b\n").text)
            let found = try await DAGDelivery.folder(folder).put([other, generated("a\n")])
            #expect(found.map(\.change) == [.created, .foreign])
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["d.py"])
            #expect(try String(contentsOfFile: folder + "/d.py", encoding: .utf8) == "import os\n")
        }
    }

    @Test func folders() async throws {
        for (path, words) in [
            ("/nowhere/dags", "no such folder"), ("/proc/sys", "not writable"), ("/etc/hostname", "no such folder"),
        ] {
            let error = await #expect(throws: DeliveryError.self) {
                try await DAGDelivery.folder(path).put([generated("a\n")])
            }
            #expect(error?.description.contains(words) == true)
        }
    }

    @Test func aGitRepository() async throws {
        try await withFolder { folder in
            func git(_ words: String...) async throws -> String {
                let ending = try await Program().run(["git"] + words, in: folder)
                #expect(ending.succeeded, "\(ending.output)")
                return ending.output
            }
            _ = try await git("init", "--quiet", "--bare", "-b", "main", "repository")
            _ = try await git("clone", "--quiet", "repository", "seed")
            let identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
            let first = ["git", "-C", "seed"] + identity + ["commit", "--quiet", "--allow-empty", "-m", "first"]
            let seeded = try await Program().run(first, in: folder)
            #expect(seeded.succeeded)
            _ = try await git("-C", "seed", "push", "--quiet", "origin", "HEAD:main")
            let delivery = DAGDelivery.git(repository: folder + "/repository", branch: "main", folder: "af/dags")
            let found5 = try await previewed(delivery, [generated("a\n")])
            #expect(found5 == [.created])
            _ = try await delivery.put([generated("a\n")])
            let put = try await git("-C", "repository", "show", "main:af/dags/d.py")
            #expect(put.hasSuffix("a\n"))
            let found6 = try await changes(delivery, [generated("a\n")])
            #expect(found6 == [.unchanged])
            let found7 = try await git("-C", "repository", "rev-list", "--count", "main")
            #expect(found7 == "2\n")
            let missing = DAGDelivery.git(repository: folder + "/repository", branch: "nope", folder: "dags")
            let error = await #expect(throws: DeliveryError.self) { try await missing.preview([]) }
            #expect(error?.description.contains("Remote branch nope not found") == true)
        }
    }

    // MARK: Passwords

    /// The address that git is told, what it must not hold, and the user and password that it is given on asking.
    @Test(
        arguments: [
            ("https://u:hush%40hush@h/r.git", "https://h/r.git", "u", "hush@hush"),
            ("https://u:hu@sh:x@h:8443/r.git", "https://h:8443/r.git", "u", "hu@sh:x"),
            ("https://u:hush%ZZ@h/r.git", "https://h/r.git", "u", "hush%ZZ"),
            ("http://hushtoken@h/r.git", "http://h/r.git", "hushtoken", ""),
            ("ssh://git:hush@h/r.git", "ssh://git@h/r.git", nil, nil),
            ("ssh://git@h/r.git", "ssh://git@h/r.git", nil, nil),
            ("git@h:r.git", "git@h:r.git", nil, nil), ("/srv/r@x.git", "/srv/r@x.git", nil, nil),
            ("https://h/r@x.git", "https://h/r@x.git", nil, nil), ("file:///srv/r.git", "file:///srv/r.git", nil, nil),
        ] as [(String, String, String?, String?)]
    )
    func passwordsStayOutOfWhatGitIsTold(_ text: String, _ address: String, _ user: String?, _ password: String?) {
        let repository = GitRepository(text)
        #expect(repository.address == address)
        #expect(repository.variables["BAILEY_GIT_USER"] == user)
        #expect(repository.variables["BAILEY_GIT_PASSWORD"] == password)
    }

    /// A git server over HTTP that wants a user and a password: they are in no process's arguments and in no error.
    @Test func gitIsGivenAPasswordThatNobodySees() async throws {
        try await withFolder { folder in
            func git(_ words: String...) async throws {
                let ending = try await Program().run(["git"] + words, in: folder)
                #expect(ending.succeeded, "\(ending.output)")
            }
            try await git("init", "--quiet", "--bare", "-b", "main", "repository.git")
            try await git("-C", "repository.git", "config", "http.receivepack", "true")
            try await git("clone", "--quiet", "repository.git", "seed")
            try await git(
                "-C",
                "seed",
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@b",
                "commit",
                "--quiet",
                "--allow-empty",
                "-m",
                "1"
            )
            try await git("-C", "seed", "push", "--quiet", "origin", "HEAD:main")
            let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
                "git_server.py"
            )
            // The interpreter looks for its library by PATH, which must be the one that it was found by.
            let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
            let server = try Running(
                ["python3", script.path, folder],
                environment: ["PATH": path, "WANTED": "ada:hu@sh%pass/word"]
            )
            defer {
                server.signal(SIGKILL)
                _ = server.ended()
            }
            try await waitUntil("the server listens") { server.errorsSoFar.contains("\n") }
            let first = server.errorsSoFar
            let port = try #require(Int(first.prefix { $0 != "\n" }), "\(first)")
            let place = "127.0.0.1:\(port)/repository.git"
            // Every process of the machine is looked at for as long as git works.
            let watch = Task.detached {
                var seen: Set<String> = []
                while !Task.isCancelled {
                    try? await Task.sleep(for: .milliseconds(1))
                    for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
                        guard let data = FileManager.default.contents(atPath: "/proc/\(name)/cmdline") else { continue }
                        let words = String(decoding: data, as: UTF8.self)
                        if words.contains("git") { seen.insert(words.replacing("\0", with: " ")) }
                    }
                }
                return seen
            }
            // Whatever fails below, it does not go on for ever.
            defer { watch.cancel() }
            let delivery = DAGDelivery.git(
                repository: "http://ada:hu%40sh%25pass%2Fword@\(place)",
                branch: "main",
                folder: "dags"
            )
            _ = try await delivery.put([generated("a\n")])
            let wrong = DAGDelivery.git(repository: "http://ada:other%40hu@sh@\(place)", branch: "main", folder: "dags")
            let error = await #expect(throws: DeliveryError.self) { try await wrong.preview([]) }
            watch.cancel()
            let seen = await watch.value
            #expect(seen.contains { $0.contains("http://\(place)") })
            for words in seen { #expect(!words.contains("hu@sh") && !words.contains("hu%40sh"), "\(words)") }
            let said = error?.description ?? ""
            #expect(said.contains(String(port)) && !said.contains("other") && !said.contains("hu@sh"), "\(said)")
        }
    }

    @Test func programsGetTheirOwnVariablesAndTheSystemsPlainOnes() async throws {
        setenv("BAILEY_PLANTED_SECRET", "planted", 1)
        defer { unsetenv("BAILEY_PLANTED_SECRET") }
        try await withFolder { folder in
            let words = ["sh", "-c", "env > env; : {folder}"]
            _ = try await DAGDelivery.command(words, directory: folder, variables: ["OWN": "mine"]).put([
                generated("a\n")
            ])
            let got = try String(contentsOfFile: folder + "/env", encoding: .utf8)
            #expect(got.contains("OWN=mine\n") && got.contains("PATH=") && !got.contains("planted"))
        }
    }

    @Test func aCommand() async throws {
        try await withFolder { folder in
            let each = DAGDelivery.command(["cp", "{file}", "{name}.put"], directory: folder)
            _ = try await each.put([generated("a\n")])
            #expect(try String(contentsOfFile: folder + "/d.py.put", encoding: .utf8) == generated("a\n").text)
            let all = DAGDelivery.command(["cp", "-r", "{folder}", "all"], directory: folder)
            _ = try await all.put([generated("a\n")])
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/all") == ["d.py"])
            let failing = DAGDelivery.command(
                ["sh", "-c", "echo https://u:hush@h >&2; exit 4", "{folder}"],
                directory: folder
            )
            let error = await #expect(throws: DeliveryError.self) { try await failing.put([generated("a\n")]) }
            #expect(error?.description.contains("hush") == false)
            #expect(error?.description.contains("https://***@h") == true)
        }
    }
}

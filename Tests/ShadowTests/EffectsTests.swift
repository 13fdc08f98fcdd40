import Foundation
import LosslessJSON
import Migration
import Processes
import Schedules
import Shadow
import TestSupport
import Testing

@Suite("Effects of sandboxed bodies, beside legacy's", .timeLimit(.minutes(3))) struct EffectsTests {
    private static let tick = Instant(iso8601: "2026-11-29T02:00:00Z") ?? Instant(microseconds: 0)

    private func now() -> Instant { Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }

    /// Has a body run beside a run of legacy that has just ended.
    private func shadow(
        _ body: TaskBody,
        _ effects: EffectRules,
        network: [SandboxRules.Place] = [],
        redirect: [String: String] = [:],
        age: Double = 0,
        ladder: SandboxLadder? = nil
    ) async throws -> Comparison {
        let entry = try #require(EntryID("beat/nightly"))
        var task = TaskDefinition(id: "nightly", entry: entry, body: body, shadow: .sandbox, redirect: redirect)
        task.effects = effects
        task.sandbox.network = network
        let clock = PipelineClock(driver: entry, schedule: nil, timezone: "Europe/Berlin", timetable: nil)
        let dag = DAGDefinition(id: "nightly", name: "nightly", clock: clock, entries: [entry], tasks: [task])
        let runner = BodyRunner(
            environments: [:],
            directory: FileManager.default.temporaryDirectory.path,
            inherited: ["PATH": "/usr/bin:/bin"],
            guardProgram: baileyProgram,
            ladder: ladder
        )
        let engine = EmbeddedEngine(runner: runner, parallelism: 2, now: now) { _ in }
        let session = ShadowSession(pipelines: [dag], engine: EmbeddedShadow(engine))
        var legacy = Outcome(
            key: Outcome.Key(entry: entry, tick: EffectsTests.tick),
            side: .legacy,
            run: "1",
            state: .success,
            arguments: .null,
            result: .null
        )
        let end = now().microseconds - Int64(age * 1_000_000)
        (legacy.start, legacy.end) = (Instant(microseconds: end - 1_000_000), Instant(microseconds: end))
        return try #require(try await session.shadow(legacy))
    }

    private func python(_ text: String) -> TaskBody {
        .command(CommandLine(arguments: ["python3", "-c", text + "\nprint('null')"]))
    }

    private func withLegacy<Result>(_ files: [String: String], _ work: (String) async throws -> Result) async throws
        -> Result
    {
        let folder = FileManager.default.temporaryDirectory.path + "/bailey-legacy-\(UUID().uuidString)"
        for (name, text) in files {
            let path = URL(fileURLWithPath: "\(folder)/\(name)")
            try FileManager.default.createDirectory(
                at: path.deletingLastPathComponent(),
                withIntermediateDirectories: true
            )
            try text.write(to: path, atomically: true, encoding: .utf8)
        }
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try await work(folder)
    }

    private func rules(
        _ files: [EffectRules.File],
        http: [EffectRules.Answer]? = nil,
        legacyCalls: String? = nil
    ) -> EffectRules {
        var rules = EffectRules()
        (rules.files, rules.http, rules.legacyCalls) = (files, http, legacyCalls)
        return rules
    }

    @Test func everyDifferenceOfFilesIsFound() async throws {
        let legacy = [
            "2026-11-29_030000.csv": "a,b\n1,2\n3,4\n", "same.txt": "the same\n", "sum.json": #"{"n": 1.0, "at": "x"}"#,
            "parts/one": "1", "parts/two": "2", "parts/deep/three": "3", "missing.txt": "here", "bytes": "\u{0}\u{1}",
            "end.txt": "no end",
        ]
        let comparison = try await withLegacy(legacy) { folder in
            let body = python(
                """
                import os
                os.makedirs('out/parts/deep')
                def write(name, text): open('out/' + name, 'wb').write(text)
                write('2026-11-29_030000.csv', b'a,b\\n1,2\\n3,5\\n'); write('same.txt', b'the same\\n')
                write('sum.json', b'{"at": "y", "n": 1}'); write('parts/one', b'1'); write('parts/deep/three', b'33')
                write('parts/four', b'4'); write('bytes', b'\\xff\\x01'); write('end.txt', b'no end\\n')
                open(os.environ['TMPDIR'] + '/left', 'w').write('x')
                """
            )
            let ignore = CompareRules(ignore: [IgnoreRule(name: "made", path: "$.at", because: "")])
            return try await shadow(
                body,
                rules(
                    [
                        .init(written: "out/%Y-%m-%d_%H%M%S.csv", legacy: "\(folder)/%Y-%m-%d_%H%M%S.csv"),
                        .init(written: "out/same.txt", legacy: "\(folder)/same.txt"),
                        .init(written: "out/sum.json", legacy: "\(folder)/sum.json", compare: ignore),
                        .init(written: "out/parts", legacy: "\(folder)/parts"),
                        .init(written: "out/missing.txt", legacy: "\(folder)/missing.txt"),
                        .init(written: "out/bytes", legacy: "\(folder)/bytes"),
                        .init(written: "out/end.txt", legacy: "\(folder)/end.txt"),
                    ]
                )
            )
        }
        #expect(comparison.verdict == .mismatch, "\(comparison)")
        #expect(
            comparison.differences.map(\.path) == [
                "out/2026-11-29_030000.csv:line 3", "out/parts/deep/three $", "out/parts/four", "out/parts/two",
                "out/missing.txt", "out/bytes:byte 0", "out/end.txt:line 2",
            ],
            "\(comparison.differences)"
        )
        #expect(comparison.differences.allSatisfy { $0.kind == .effects })
        #expect(comparison.differences.first?.legacy == "3,4" && comparison.differences.first?.shadow == "3,5")
        #expect(comparison.ignored.map(\.rule) == ["made"])
        let files = comparison.shadow?.effects?["files"]?.array ?? []
        #expect(files.count == 8 && files.contains { $0["path"] == "out/parts/one" && $0["bytes"] == 1 }, "\(files)")
        #expect(comparison.shadow?.isolation?.isEmpty == false)
        #expect(try Comparison(json: comparison.json).json == comparison.json)
    }

    @Test func equalFilesMatchWhereverTheBodyWasTold() async throws {
        let comparison = try await withLegacy(["report.txt": "1\n"]) { folder in
            try await shadow(
                python(
                    "import os\nos.mkdir(os.environ['OUT'])\nopen(os.environ['OUT'] + '/report.txt', 'w').write('1\\n')"
                ),
                rules([.init(written: "reports/report.txt", legacy: "\(folder)/report.txt")]),
                redirect: ["OUT": "{scratch}/reports"]
            )
        }
        #expect(comparison.verdict == .match && comparison.differences.isEmpty, "\(comparison)")
    }

    @Test func anEmptyFileIsAFile() async throws {
        for (legacy, body, paths) in [("", "''", []), ("x\n", "''", ["a:line 1"]), ("", "'x\\n'", ["a:line 1"])] {
            let found = try await withLegacy(["a": legacy]) { folder in
                try await shadow(
                    python("open('a', 'w').write(\(body))"),
                    rules([.init(written: "a", legacy: "\(folder)/a")])
                )
            }
            #expect(found.differences.map(\.path) == paths, "\(found)")
            #expect(found.verdict == (paths.isEmpty ? .match : .mismatch), "\(found)")
        }
    }

    /// What is not of the run is no evidence, neither for it nor against it.
    @Test func whatCannotBeComparedIsSaid() async throws {
        let body = python("open('a', 'w').write('1')")
        let old = try await withLegacy(["a": "2"]) { folder in
            try await shadow(body, rules([.init(written: "a", legacy: "\(folder)/a")]), age: 3600)
        }
        #expect(old.verdict == .insufficient && old.reason?.contains("was not written in this run") == true, "\(old)")
        let away = try await shadow(body, rules([.init(written: "a", legacy: "/nowhere/here/a")]))
        #expect(away.verdict == .insufficient && away.reason?.contains("there is no folder /nowhere/here") == true)
        let neither = try await withLegacy(["b": "2"]) { folder in
            try await shadow(body, rules([.init(written: "c", legacy: "\(folder)/c")]))
        }
        #expect(neither.verdict == .insufficient && neither.reason?.contains("neither side wrote c") == true)
    }

    /// File systems in memory keep times that no calendar has.
    @Test func aFileOfNoYearIsOfNoRun() async throws {
        let folder = "/dev/shm/bailey-legacy-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try "2".write(toFile: "\(folder)/a", atomically: true, encoding: .utf8)
        let far = timespec(tv_sec: 1 << 55, tv_nsec: 0)
        #expect(utimensat(AT_FDCWD, "\(folder)/a", [far, far], 0) == 0)
        let body = python("open('a', 'w').write('1')")
        let found = try await shadow(body, rules([.init(written: "a", legacy: "\(folder)/a")]))
        #expect(found.verdict == .insufficient && found.reason?.contains("beyond the year 9999") == true, "\(found)")
    }

    /// A body may lay a link where a file is looked for, to have what is elsewhere taken for its own.
    @Test func linksAreNoFiles() async throws {
        let comparison = try await withLegacy(["a": "1"]) { folder in
            try await shadow(
                python("import os\nos.symlink('\(folder)/a', 'a')"),
                rules([.init(written: "a", legacy: "\(folder)/a")])
            )
        }
        #expect(
            comparison.differences.map(\.path) == ["a"] && comparison.differences.first?.shadow == nil,
            "\(comparison)"
        )
        #expect(comparison.shadow?.effects?["files"] == [["path": "a", "bytes": nil, "sha256": nil]])
    }

    /// Of a folder, what is no plain file, or has a name that nobody can write, is missed by no one: it is said.
    @Test func whatOfAFolderIsNotComparedIsSaid() async throws {
        let comparison = try await withLegacy(["a": "1"]) { folder in
            try FileManager.default.createSymbolicLink(atPath: "\(folder)/latest", withDestinationPath: "a")
            return try await shadow(
                python(
                    "import os\nos.mkdir('out')\nopen('out/a', 'w').write('1')\nopen(b'out/\\xff', 'w').write('1')\nos.mkfifo('out/pipe')"
                ),
                rules([.init(written: "out", legacy: folder)])
            )
        }
        let reason = comparison.reason ?? ""
        #expect(comparison.verdict == .insufficient && comparison.differences.isEmpty, "\(comparison)")
        for words in [
            "out/\\xff is not compared: its name is no UTF-8", "out/pipe is not compared: it is a pipe",
            "/latest is not compared: it is a link",
        ] {
            #expect(reason.contains(words), "\(reason)")
        }
        let listed = comparison.shadow?.effects?["files"]?.array?.compactMap { $0["path"]?.string }
        #expect(listed == ["out/a", "out/\\xff", "out/pipe"])
    }

    @Test(arguments: [true, false]) func callsAreRecordedAndGoNowhere(_ usesBubblewrap: Bool) async throws {
        let answers: [EffectRules.Answer] = [
            .init(method: "POST", url: "http://billing.internal:8080/invoices", status: 201, body: ["id": 7]),
            .init(method: "GET", url: "http://billing.internal:8080/rates?day=1", body: [1, 2]),
        ]
        let body = python(
            """
            import http.client, json, urllib.error, urllib.request
            def call(url, data=None, **more):
                try:
                    with urllib.request.urlopen(urllib.request.Request(url, data, **more), timeout=10) as answer:
                        return [answer.status, answer.read().decode()]
                except urllib.error.HTTPError as error: return [error.code, 'http']
                except OSError as error: return [0, type(error).__name__]
            found = [
                call('http://billing.internal:8080/invoices', b'{"sum": 3}'),
                call('http://billing.internal:8080/rates?day=1'), call('http://billing.internal:8080/rates?day=2'),
                call('http://elsewhere.example/x', b'secret', method='PUT'), call('https://api.example/v1/charge', b'1'),
            ]
            link = http.client.HTTPConnection('billing.internal', 8080, timeout=10)
            link.request('POST', '/invoices', b'direct'); found.append([link.getresponse().status, 'direct'])
            assert found == [[201, '{"id":7}'], [200, '[1,2]'], [403, 'http'], [403, 'http'], [0, 'URLError'], [201, 'direct']], found
            """
        )
        let ladder = SandboxLadder(
            program: baileyProgram,
            path: usesBubblewrap ? "/usr/bin:/bin" : "/nowhere",
            usesBubblewrap: usesBubblewrap
        )
        let comparison = try await shadow(body, rules([], http: answers), ladder: ladder)
        #expect(comparison.shadow?.state == .success, "\(comparison)")
        let calls = comparison.shadow?.effects?["http"]?.array ?? []
        #expect(
            calls.map { "\($0["method"]?.string ?? "") \($0["url"]?.string ?? "") \($0["status"]?.int ?? 0)" } == [
                "POST http://billing.internal:8080/invoices 201", "GET http://billing.internal:8080/rates?day=1 200",
                "GET http://billing.internal:8080/rates?day=2 403", "PUT http://elsewhere.example/x 403",
                "CONNECT https://api.example:443 403", "POST http://billing.internal:8080/invoices 201",
            ],
            "\(calls)"
        )
        #expect(calls.first?["bytes"] == 10 && calls.first?["answered_by"] == "mapping")
        // Of “secret”.
        let digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
        #expect(calls[3]["sha256"]?.string == digest && calls[3]["answered_by"] == "refused")
    }

    @Test func withoutASandboxTheComparisonIsBroken() async throws {
        let ladder = SandboxLadder(program: baileyProgram, path: "/nowhere", highest: 0)
        let comparison = try await shadow(python("pass"), EffectRules(), ladder: ladder)
        #expect(comparison.verdict == .broken && comparison.shadow == nil)
        #expect(comparison.reason?.contains("no sandbox on this machine") == true)
    }
}

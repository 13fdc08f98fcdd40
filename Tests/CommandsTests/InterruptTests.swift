import Foundation
import TestSupport
import Testing

@Suite("bailey, interrupted", .timeLimit(.minutes(3))) struct InterruptTests {
    /// The processes that have a word in their command line or environment.
    private func processes(with word: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { name in
            guard name.allSatisfy(\.isNumber) else { return false }
            let data = (FileManager.default.contents(atPath: "/proc/\(name)/cmdline") ?? Data())
            return String(decoding: data, as: UTF8.self).contains(word)
        }
    }

    private func interrupt(_ process: Running, _ bailey: Bailey) async throws {
        process.signal(SIGINT)
        let ended = try await process.ended(within: 10)
        #expect(ended.status == 130, "\(ended.errors)")
        #expect(ended.errors.contains("Interrupted"))
        #expect(bailey.leftovers().isEmpty)
    }

    @Test func importWaitingForRedis() async throws {
        try await withRedis { server in
            try server.addEntry("a")
            var bailey = Bailey(in: server.folder)
            try bailey.settle(redis: server.url)
            let pid = try #require(server.pid)
            kill(pid, SIGSTOP)
            defer { kill(pid, SIGCONT) }
            let process = try bailey.start(["import"])
            try await waitUntil("it reads") { process.errorsSoFar.contains("reading s") }
            try await interrupt(process, bailey)
            kill(pid, SIGCONT)
            #expect(try await bailey.run("import").status == 0)
        }
    }

    @Test func importWaitingForPostgreSQL() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.psql(url, jobsTable)
        try await withFolder { folder in
            var bailey = Bailey(in: folder)
            try bailey.settle(postgres: url)
            let lock = try Running(
                ["psql", "-X", "-d", url, "-c", "BEGIN; LOCK TABLE tasks.background_jobs; SELECT pg_sleep(100)"],
                in: folder
            )
            let sessions =
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'bailey'"
            try await waitUntilLocked(server, url)
            let process = try bailey.start(["import"])
            try await waitUntil("its query waits") {
                try server.psql(url, sessions + " AND wait_event_type = 'Lock'") == "1"
            }
            try await interrupt(process, bailey)
            try await waitUntil("its session has ended") { try server.psql(url, sessions) == "0" }
            lock.signal(SIGKILL)
            _ = lock.ended()
        }
    }

    private func waitUntilLocked(_ server: PostgresServer, _ url: String) async throws {
        try await waitUntil("the table is locked") {
            try server.psql(
                url,
                "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'tasks.background_jobs'::regclass"
            ) == "1"
        }
    }

    @Test func importWaitingForASessionThatStalled() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.psql(url, jobsTable)
        for number in [SIGINT, SIGTERM] {
            try await withFolder { folder in
                var bailey = Bailey(in: folder)
                try bailey.settle(postgres: url)
                let lock = try Running(
                    ["psql", "-X", "-d", url, "-c", "BEGIN; LOCK TABLE tasks.background_jobs; SELECT pg_sleep(100)"],
                    in: folder
                )
                defer {
                    lock.signal(SIGKILL)
                    _ = lock.ended()
                }
                try await waitUntilLocked(server, url)
                let process = try bailey.start(["import"])
                var pid: pid_t?
                try await waitUntil("its query waits") {
                    pid = pid_t(
                        try server.psql(
                            url,
                            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'bailey' AND wait_event_type = 'Lock'"
                        )
                    )
                    return pid != nil
                }
                let session = try #require(pid)
                kill(session, SIGSTOP)
                defer { kill(session, SIGCONT) }
                process.signal(number)
                let ended = try await process.ended(within: 15)
                #expect(ended.status == 130, "\(ended.errors)")
            }
        }
    }

    @Test func shadowWithBodiesThatRun() async throws {
        try await withRedis { server in
            for name in ["a", "b"] {
                try server.addEntry(name, task: name)
                try server.addResults(0..<3, task: name)
            }
            var bailey = Bailey(in: server.folder)
            try bailey.settle(redis: server.url)
            let mark = "mark-\(UUID().uuidString)"
            for name in ["a", "b"] {
                // The body starts a child of its own, in the background, and heeds no polite signal.
                let body = "trap '' TERM INT; sleep 600 & echo \(mark) > /dev/null; wait; sleep 600"
                try bailey.write(
                    "pipeline: \(name)\ntasks:\n  t:\n    entry: s/\(name)\n    command: [sh, -c, \"\(body)\"]\n    shadow: pure\n",
                    to: "mappings/\(name).yaml"
                )
            }
            #expect(try await bailey.run("import").status == 0)
            for words in [["shadow", "--from-history"]] {
                let process = try bailey.start(words)
                try await waitUntil("bodies run") { try processes(with: mark).count >= 2 }
                try await interrupt(process, bailey)
                #expect(try processes(with: mark).isEmpty)
                let report = try await bailey.run("report")
                #expect(report.status == 0, "\(report.errors)")
            }
        }
    }

    /// The ways in which Bailey ends while bodies run: asked, and not asked.
    @Test(arguments: [SIGINT, SIGTERM, SIGKILL])
    func noBodyOutlivesIt(_ signal: Int32) async throws {
        try await withRedis { server in
            try server.addEntry("a", task: "a")
            try server.addResults(0..<1, task: "a")
            var bailey = Bailey(in: server.folder)
            try bailey.settle(redis: server.url)
            let mark = "mark-\(UUID().uuidString)"
            // In sessions of their own, without the body's environment, with no parent left, deaf to polite signals.
            let away = "sh -c 'trap : TERM INT HUP; while :; do sleep 1; done; echo \(mark)'"
            let body =
                "setsid \(away) & (env -i PATH=$PATH setsid \(away) &); (setsid \(away) &); sleep 600; echo \(mark)"
            try bailey.write(
                "pipeline: a\ntasks:\n  t:\n    entry: s/a\n    command: [sh, -c, \"\(body)\"]\n    shadow: pure\n",
                to: "mappings/a.yaml"
            )
            #expect(try await bailey.run("import").status == 0)
            let process = try bailey.start(["shadow", "--from-history"])
            // The guard, the body, and three that have gone away.
            try await waitUntil("the body and all it started run") { try processes(with: mark).count >= 5 }
            process.signal(signal)
            _ = try await process.ended(within: 30)
            try await waitUntil("nothing of it runs any more") { try processes(with: mark).isEmpty }
        }
    }

    @Test func shadowThatWatches() async throws {
        try await withRedis { server in
            try server.addEntry("a")
            var bailey = Bailey(in: server.folder)
            try bailey.settle(redis: server.url)
            #expect(try await bailey.run("import").status == 0)
            let process = try bailey.start(["shadow", "--for", "10m"])
            try await waitUntil("it watches") { process.errorsSoFar.contains("watching s") }
            try await interrupt(process, bailey)
            try await waitUntil("its connections are closed") {
                try !server.cli("CLIENT", "LIST").contains("cmd=psubscribe")
            }
        }
    }

    @Test func generateOfManyFiles() async throws {
        try await withRedis { server in
            for number in 0..<400 { try server.addEntry("e\(number)") }
            var bailey = Bailey(in: server.folder)
            try bailey.settle(redis: server.url)
            #expect(try await bailey.run("import").status == 0)
            let dags = server.folder.path + "/dags"
            let process = try bailey.start(["generate"])
            try await waitUntil("some files are written") {
                ((try? FileManager.default.contentsOfDirectory(atPath: dags)) ?? []).count > 3
            }
            try await interrupt(process, bailey)
            let written = try FileManager.default.contentsOfDirectory(atPath: dags)
            #expect(written.count < 400)
            // What stands there is whole, and the next run makes the rest.
            let next = try await bailey.run("generate")
            #expect(next.status == 0, "\(next.errors)")
            #expect(!next.output.contains("updated  dags/s__") && next.output.contains("unchanged  dags/s__"))
            #expect(
                try FileManager.default.contentsOfDirectory(atPath: dags).filter { $0.hasSuffix(".py") }.count == 400
            )
        }
    }
}

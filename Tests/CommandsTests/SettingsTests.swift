import Foundation
import TestSupport
import Testing

@Suite("bailey, with wrong settings", .timeLimit(.minutes(2))) struct SettingsTests {
    @Test func aMissingOrHalfWrittenFileIsNamedWithItsLine() async throws {
        try await withFolder { folder in
            let bailey = Bailey(in: folder)
            let none = try await bailey.run("import")
            #expect(none.status == 2)
            #expect(none.errors.contains("there is no bailey.yaml") && none.errors.contains("bailey init"))
            // File, and what standard error must name.
            let table: [(String, [String])] = [
                ("", ["version: 1", "half written"]),
                ("version: 1\n", ["“sources” is missing"]),
                ("version: 1\nsources:\n  s: {kind: redbeat, url: \"redis", ["bailey.yaml:", "not YAML"]),
                ("version: 1\nsources:\n  s:\n    kind: redbeat\n", ["bailey.yaml:4", "“url” is missing"]),
                (
                    "version: 1\nsources:\n  s: {kind: redbeat, url: \"${NOT_SET}\"}\n",
                    ["bailey.yaml:3", "NOT_SET is not set"]
                ),
                (
                    "version: 1\nsources:\n  s: {kind: redbeat, url: redis://h, prefx: x}\n",
                    ["bailey.yaml:3", "“prefx”", "did you mean “prefix”?"]
                ),
                (
                    "version: 1\nsource:\n  s: {kind: redbeat, url: redis://h}\n",
                    ["bailey.yaml:2", "did you mean “sources”?"]
                ),
                ("version: 7\nsources:\n  s: {kind: redbeat, url: redis://h}\n", ["version 7"]),
                (
                    "version: 1\nsources:\n  s: {kind: rabbit, url: redis://h}\n",
                    ["bailey.yaml:3", "redbeat, celery, django_celery_beat, queue"]
                ),
                (
                    "version: 1\nsources:\n  s: {kind: redbeat, url: redis://h}\nsources: {}\n",
                    ["bailey.yaml:", "twice"]
                ),
                ("version: 1\nsources:\n  s: {kind: queue, url: postgresql://h/d}\n", ["bailey.yaml:3", "profile"]),
                (
                    "version: 1\nsources:\n  s: {kind: queue, profile: nowhere, url: postgresql://h/d}\n",
                    ["“nowhere”", "background_jobs"]
                ),
                ("version: 1\nsources:\n  s: {kind: redbeat, url: \"http://u:hidden-word@h\"}\n", ["scheme"]),
            ]
            for (text, wanted) in table {
                try bailey.write(text, to: "bailey.yaml")
                let ended = try await bailey.run("import")
                #expect(ended.status == 2, "\(text): \(ended.errors)")
                for words in wanted { #expect(ended.errors.contains(words), "\(text): \(ended.errors)") }
                #expect(!ended.errors.contains("hidden-word"))
                #expect(ended.output.isEmpty)
            }
            try Data([0xFF, 0xFE, 0x41]).write(to: folder.appendingPathComponent("bailey.yaml"))
            #expect(try await bailey.run("import").errors.contains("not UTF-8"))
        }
    }

    @Test func usageIsRefusedWithHelp() async throws {
        try await withFolder { folder in
            let bailey = Bailey(in: folder)
            for words in [
                ["import", "--jsn"], ["shadow"], ["shadow", "--for", "soon"], ["nothing"],
                ["init", "--redbeat", "redis://u:hidden-word@h"],
            ] {
                let ended = try await bailey.start(words).ended(within: 30)
                #expect(ended.status == 2, "\(words)")
                #expect(!ended.errors.contains("hidden-word") && !ended.errors.isEmpty, "\(words)")
            }
            let help = try await bailey.run("--help")
            #expect(help.status == 0 && help.output.contains("import"))
        }
    }

    @Test func initWritesASettingsFileWithoutSecretsAndKeepsOneThatIsThere() async throws {
        try await withFolder { folder in
            var bailey = Bailey(in: folder, environment: ["CELERY_BROKER_URL": "redis://:hidden-word@127.0.0.1:1/0"])
            #expect(try await bailey.run("init").status == 0)
            let text = try String(contentsOf: folder.appendingPathComponent("bailey.yaml"), encoding: .utf8)
            #expect(text.contains("url: ${CELERY_BROKER_URL}") && !text.contains("hidden-word"))
            #expect(try await bailey.run("init").status == 2)
            bailey.environment["CELERY_BROKER_URL"] = nil
            let other = Bailey(in: folder.appendingPathComponent("other"))
            let none = try await other.run("init")
            #expect(none.status == 2 && none.errors.contains("--redbeat NAME"))
        }
    }

    /// A text of an option is written as a value, whatever is in it.
    @Test func initPutsNothingOfAnOptionIntoTheSyntaxOfTheFile() async throws {
        try await withFolder { folder in
            // Nothing listens there: the import is only to read the settings.
            let bailey = Bailey(in: folder, environment: ["CELERY_BROKER_URL": "redis://127.0.0.1:1/0"])
            let prefix = "a\", b: {c: d}, \\ # "
            let made = try await bailey.run("init", "--prefix", prefix)
            #expect(made.status == 0)
            let imported = try await bailey.run("import")
            #expect(imported.status == 3)
            let text = try String(contentsOf: folder.appendingPathComponent("bailey.yaml"), encoding: .utf8)
            #expect(text.contains(#"prefix: "a\", b: {c: d}, \\ # "#))
        }
    }

    @Test func aMappingThatNamesAnUnknownJobTypeIsAnErrorWithItsLine() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.psql(url, jobsTable)
        try await withFolder { folder in
            var bailey = Bailey(in: folder)
            try bailey.settle(postgres: url)
            #expect(try await bailey.run("import").status == 0)
            try bailey.write(
                "pipeline: p\nschedule: {interval: 1h}\ntasks:\n  a:\n    entry: q/export_dat\n",
                to: "mappings/p.yaml"
            )
            let plan = try await bailey.run("plan")
            #expect(plan.status == 1)
            #expect(plan.output.contains("BLY050"))
            #expect(
                plan.output.contains("mappings/p.yaml:4") && plan.output.contains("q/export_dat")
                    && plan.output.contains("q/export_data")
            )
            let generate = try await bailey.run("generate")
            #expect(generate.status == 1)
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/dags"))
            try bailey.write(
                "pipeline: p\nschedule: {interval: 1h}\ntasks:\n  a:\n    entry: q/export_data\n    retry: 3\n",
                to: "mappings/p.yaml"
            )
            let unknown = try await bailey.run("plan")
            #expect((unknown.output + unknown.errors).contains("mappings/p.yaml:6"))
            #expect((unknown.output + unknown.errors).contains("retries"))
            #expect(unknown.status == 1 || unknown.status == 2)
        }
    }

    /// As an installed program is used: alone in a folder elsewhere, from a folder below the workspace, or by path.
    @Test func theProgramNeedsNothingBesideIt() async throws {
        let server = try PostgresServer.running()
        let url = try server.database()
        try server.psql(url, jobsTable)
        try await withFolder { folder in
            let program = folder.path + "/bin/bailey"
            try FileManager.default.createDirectory(atPath: folder.path + "/bin", withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: baileyProgram, toPath: program)
            var bailey = Bailey(in: folder.appendingPathComponent("work"))
            try bailey.settle(postgres: url)
            let below = bailey.folder.appendingPathComponent("a/b")
            try FileManager.default.createDirectory(at: below, withIntermediateDirectories: true)
            let found = try await Running([program, "import"], in: below, environment: bailey.environment).ended(
                within: 60
            )
            #expect(found.status == 0, "\(found.errors)")
            #expect(FileManager.default.fileExists(atPath: bailey.folder.path + "/.bailey/state.sqlite"))
            let given = try await Running(
                [program, "plan", "--json", "--config", "work/bailey.yaml"],
                in: folder,
                environment: bailey.environment
            ).ended(within: 60)
            #expect(given.status == 0 && given.output.contains("q/export_data"), "\(given.errors)")
            // A profile of the workspace's own comes first.
            try bailey.write("profile: background_jobs\n", to: "mappings/profiles/background_jobs.yaml")
            let own = try await bailey.run("import")
            #expect(own.status == 2 && own.errors.contains("mappings/profiles/background_jobs.yaml:"))
        }
    }
}

/// A small queue table with what the shipped profile names.
let jobsTable = """
    CREATE SCHEMA tasks;
    CREATE TABLE tasks.background_jobs (id int PRIMARY KEY, job_id text, job_type text, job_data jsonb, status text, created_at timestamp,
        started_at timestamp, completed_at timestamp, next_retry_at timestamp, retry_count int, max_retries int);
    INSERT INTO tasks.background_jobs VALUES
        (1, 'x', 'export_data', '{"n": 1}', 'completed', now(), now(), now(), NULL, 0, 3),
        (2, 'y', 'send_email', '{"n": 2}', 'failed', now(), now(), now(), NULL, 3, 3)
    """

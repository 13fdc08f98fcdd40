import Foundation
import Legacy
import LosslessJSON
import Migration
import Operations
import Schedules
import TestSupport
import Testing

@testable import Settings
@testable import ThirdSystem

/// What every legacy system promises when it is read.
@Suite("Every legacy system", .timeLimit(.minutes(5))) struct LegacySystemPromisesTests {
    enum Kind: String, CaseIterable, Sendable { case almanac, redbeat, queue, django }

    private let zones = ZoneDatabase()

    private static let table = """
        CREATE SCHEMA tasks;
        CREATE TABLE tasks.background_jobs (id serial PRIMARY KEY, job_id text, job_type text, job_data jsonb,
            status text DEFAULT 'pending', created_at timestamp DEFAULT now(), started_at timestamp, completed_at timestamp,
            next_retry_at timestamp, retry_count int DEFAULT 0, max_retries int DEFAULT 3);
        """

    /// As the package's migrations make them (django-celery-beat 2.9, django-celery-results 2.6), without what only Django asks for.
    private static let django = """
        CREATE TABLE django_celery_beat_crontabschedule (id serial PRIMARY KEY, minute varchar(240) NOT NULL, hour varchar(96) NOT NULL,
            day_of_week varchar(64) NOT NULL, day_of_month varchar(124) NOT NULL, month_of_year varchar(64) NOT NULL, timezone varchar(63) NOT NULL);
        CREATE TABLE django_celery_beat_periodictask (id serial PRIMARY KEY, name varchar(200) NOT NULL UNIQUE, task varchar(200) NOT NULL,
            args text DEFAULT '[]', kwargs text DEFAULT '{}', queue varchar(200), exchange varchar(200), routing_key varchar(200),
            expires timestamptz, enabled boolean DEFAULT true, last_run_at timestamptz, total_run_count integer DEFAULT 0,
            date_changed timestamptz DEFAULT now(), description text DEFAULT '', crontab_id integer, interval_id integer, solar_id integer,
            one_off boolean DEFAULT false, start_time timestamptz, priority integer, headers text DEFAULT '{}', clocked_id integer,
            expire_seconds integer);
        CREATE TABLE django_celery_results_taskresult (id serial PRIMARY KEY, task_id varchar(255) UNIQUE, status varchar(50), content_type varchar(128),
            content_encoding varchar(64), result text, date_done timestamptz, traceback text, meta text, task_args text, task_kwargs text,
            task_name varchar(255), worker varchar(100), date_created timestamptz, periodic_task_name varchar(255), date_started timestamptz);
        INSERT INTO django_celery_beat_crontabschedule VALUES (1, '0', '2', '*', '*', '*', 'Europe/Paris');
        INSERT INTO django_celery_beat_periodictask (name, task, crontab_id) VALUES ('a', 't', 1), ('b', 't', 1);
        INSERT INTO django_celery_beat_periodictask (name, task, crontab_id, args) VALUES ('torn', 't', 1, '[1');
        INSERT INTO django_celery_results_taskresult (task_id, status, result, content_type, date_done, periodic_task_name)
            VALUES ('x', 'SUCCESS', '1', 'application/json', now(), 'a');
        """

    /// A system with some entries, one of which nobody can read where the system can have such.
    private struct Bench {
        var system: any LegacySystem
        var contents: () throws -> String
        /// How many keys, or groups of rows, there are.
        var found: Int
        var unread: Int
    }

    private func system(_ kind: Kind, url: String, folder: URL) throws -> any LegacySystem {
        var settings = SourceSettings(name: "s", kind: kind.rawValue, url: url)
        settings.timezone = "UTC"
        switch kind {
        case .almanac:
            settings.own["secret"] = "hidden-word"
            return AlmanacSystem(settings)
        case .redbeat: return RedBeatSystem(settings)
        case .django: return DjangoBeatSystem(settings)
        case .queue:
            settings.profile = "background_jobs"
            return QueueSystem(settings, profiles: QueueProfiles(folder: folder.path + "/profiles", shown: "profiles"))
        }
    }

    private func with(_ kind: Kind, _ body: (Bench) async throws -> Void) async throws {
        try await withFolder { folder in
            switch kind {
            case .almanac:
                let almanac = try Almanac(in: folder, entries: ["a", "b"])
                try almanac.set("torn", "minute", "0")
                try await body(
                    Bench(
                        system: system(kind, url: almanac.path, folder: folder),
                        contents: { try almanac.read().text() },
                        found: 3,
                        unread: 1
                    )
                )
            case .redbeat:
                try await withRedis { server in
                    try server.addEntry("a")
                    try server.addEntry("b")
                    try server.cli("HSET", "redbeat:torn", "definition", "{oops")
                    try await body(
                        Bench(
                            system: system(kind, url: server.url, folder: folder),
                            contents: {
                                try server.cli("KEYS", "*").split(separator: "\n").map(String.init).sorted().map {
                                    $0 + (try server.cli("DUMP", $0))
                                }.joined()
                            },
                            found: 3,
                            unread: 1
                        )
                    )
                }
            case .django:
                let server = try PostgresServer.running()
                let url = try server.database()
                try server.psql(url, LegacySystemPromisesTests.django)
                try await body(
                    Bench(
                        system: system(kind, url: url, folder: folder),
                        contents: { try server.psql(url, "SELECT * FROM django_celery_beat_periodictask ORDER BY id") },
                        found: 3,
                        unread: 1
                    )
                )
            case .queue:
                let server = try PostgresServer.running()
                let url = try server.database()
                try server.psql(url, LegacySystemPromisesTests.table)
                try server.psql(
                    url,
                    "INSERT INTO tasks.background_jobs (job_id, job_type) VALUES ('1', 'a'), ('2', 'a'), ('3', 'b'), ('4', NULL)"
                )
                try await body(
                    Bench(
                        system: system(kind, url: url, folder: folder),
                        contents: { try server.psql(url, "SELECT * FROM tasks.background_jobs ORDER BY job_id") },
                        found: 3,
                        unread: 1
                    )
                )
            }
        }
    }

    @Test(arguments: Kind.allCases) func everythingThatIsThereIsAccountedFor(_ kind: Kind) async throws {
        try await with(kind) { bench in
            let reading = try await bench.system.read(zones: zones)
            #expect(reading.summary.found == bench.found, "\(reading.summary)")
            #expect(reading.entries.count + reading.unread.count == reading.summary.found)
            #expect(reading.unread.count == bench.unread, "\(reading.unread)")
            #expect(Set(reading.entries.map(\.id)).count == reading.entries.count)
            #expect(reading.entries.allSatisfy { $0.id.source == bench.system.name })
            #expect(try await bench.system.probe(zones: zones).found == reading.summary.found)
        }
    }

    @Test(arguments: Kind.allCases) func whatIsUnreadHasAReason(_ kind: Kind) async throws {
        try await with(kind) { bench in
            for record in try await bench.system.read(zones: zones).unread {
                #expect(record.reason.wholeMatch(of: /[a-z]+(-[a-z]+)*/) != nil, "\(record)")
                #expect(!record.detail.isEmpty && record.source == bench.system.name, "\(record)")
            }
        }
    }

    @Test(arguments: Kind.allCases) func readingChangesNothing(_ kind: Kind) async throws {
        try await with(kind) { bench in
            let before = try bench.contents()
            let entries = try await bench.system.read(zones: zones).entries
            _ = try await bench.system.probe(zones: zones)
            let now: @Sendable () -> Instant = { Instant(seconds: 1_790_000_000) }
            _ = try await bench.system.histories(of: entries, zones: zones, now: now)
            _ = try await bench.system.runs(of: entries, zones: zones, now: now).recorded(limit: 10)
            #expect(try bench.contents() == before)
        }
    }

    /// A URL at which nobody answers, with a password.
    private func nowhere(_ kind: Kind, port: Int) -> String {
        switch kind {
        case .almanac: "/nowhere/almanac.json"
        case .redbeat: "redis://u:hidden-word@127.0.0.1:\(port)/0"
        case .queue, .django: "postgresql://u:hidden-word@127.0.0.1:\(port)/d"
        }
    }

    @Test(arguments: Kind.allCases) func aSystemThatIsNotThereIsAnErrorWithoutItsPassword(_ kind: Kind) async throws {
        try await withFolder { folder in
            let system = try system(kind, url: nowhere(kind, port: 1), folder: folder)
            #expect(system.secrets.contains("hidden-word"))
            let start = ContinuousClock.now
            let error = await #expect(throws: (any Error).self) { _ = try await system.read(zones: zones) }
            #expect(start.duration(to: .now) < .seconds(40))
            #expect(!"\(error.map { "\($0)" } ?? "")".contains("hidden-word"))
        }
    }

    /// The almanac is a file, which answers at once.
    @Test(arguments: [Kind.redbeat, .queue, .django]) func aSystemThatIsSilentIsLeftWhenTheWorkIsCancelled(_ kind: Kind)
        async throws
    {
        try await withFolder { folder in
            let file = folder.appendingPathComponent("port")
            let listener = try Running([
                "python3", "-c",
                "import socket,time,sys; s=socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); f=open(sys.argv[1], 'w'); f.write(str(s.getsockname()[1])); f.close(); time.sleep(60)",
                file.path,
            ])
            defer { kill(listener.pid, SIGKILL) }
            var told: Int?
            for _ in 0..<200 where told == nil {
                told = (try? String(contentsOf: file, encoding: .utf8)).flatMap { Int($0) }
                try await Task.sleep(for: .milliseconds(50))
            }
            let port = try #require(told)
            let system = try system(kind, url: nowhere(kind, port: port), folder: folder)
            let zones = zones
            let work = Task { _ = try await system.read(zones: zones) }
            try await Task.sleep(for: .milliseconds(500))
            let start = ContinuousClock.now
            work.cancel()
            await #expect(throws: (any Error).self) { try await work.value }
            #expect(start.duration(to: .now) < .seconds(5))
        }
    }
}

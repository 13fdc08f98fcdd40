import Migration
import Planning
import Schedules
import Testing

@Suite("What Airflow's tables and checks refuse is said at plan (BLY059)") struct AirflowLimitsTests {
    private func findings(_ files: [(file: String, text: String)]) throws -> [Finding] {
        let entries = [
            try Samples.entry("daily", Samples.crontab("0 2 * * *")),
            try Samples.entry("hourly", Samples.crontab("5 * * * *")),
        ]
        return Planner(
            inventory: Samples.inventory(entries),
            zones: ZoneDatabase(),
            environments: [],
            celery: Samples.celery,
            now: Samples.now
        ).plan(files: files).findings.filter { $0.code == .airflowLimit }
    }

    private func said(_ text: String) throws -> [String] {
        try findings([("mappings/p.yaml", text)]).map { "\($0.location?.line ?? 0): \($0.text)" }
    }

    private func mapping(_ top: String = "owner: o", task: String = "retries: 0", pipeline: String = "p") -> String {
        "pipeline: \(pipeline)\n\(top)\ntasks:\n  a:\n    entry: scheduler/daily\n    \(task)\n"
    }

    private func long(_ count: Int, _ character: Character = "x") -> String {
        String(repeating: character, count: count)
    }

    /// What still fits, what does not, and how that is said.
    @Test func theLastThatFitsAndTheFirstThatDoesNot() throws {
        let table: [(fits: String, exceeds: String, words: [String])] = [
            (mapping("tags: [\(long(100))]"), mapping("tags: [a, \(long(101))]"), ["The tag", "101", "100"]),
            // Characters count, not bytes.
            (mapping("tags: [\(long(100, "ж"))]"), mapping("tags: [\(long(101, "ж"))]"), ["The tag", "101"]),
            (mapping("owner: \(long(2000))"), mapping("owner: \(long(2001))"), ["The owner", "2000"]),
            (mapping(task: "pool: \(long(256))"), mapping(task: "pool: \(long(257))"), ["The pool", "257", "256"]),
            (mapping(task: "queue: \(long(256))"), mapping(task: "queue: \(long(257))"), ["The queue", "257", "256"]),
            (mapping(task: "group: \(long(200))"), mapping(task: "group: \(long(201))"), ["The group", "200"]),
            (mapping(task: "group: g-1_ä"), mapping(task: "group: g 1"), ["The group", "letters"]),
            (mapping(task: "group: g"), mapping(task: "group: a"), ["has the id of a task"]),
            (mapping(task: "priority: 2147483647"), mapping(task: "priority: 2147483648"), ["priority", "2147483647"]),
            (
                mapping(task: "priority: -2147483648"), mapping(task: "priority: -2147483649"),
                ["priority", "-2147483648"]
            ),
            (mapping(task: "retries: 2147483647"), mapping(task: "retries: 2147483648"), ["retries", "2147483647"]),
            (mapping("max_active_runs: 2147483647"), mapping("max_active_runs: 2147483648"), ["max_active_runs"]),
            (mapping(pipeline: "a.b"), mapping(pipeline: "a..b"), ["two dots"]),
            (
                mapping(task: "produces: ['postgres://h:5432/db/public/t']"),
                mapping(task: "produces: ['postgres://h/db/t']"),
                ["postgres://host/database/schema/table"]
            ),
            (
                mapping(task: "produces: ['mysql://h/db/t']"), mapping(task: "produces: ['mysql://h/db/s/t']"),
                ["mysql://host/database/table"]
            ),
            (
                mapping(task: "produces: ['s3://b/k']"), mapping(task: "produces: ['s3://u:p@b/k']"),
                ["user or a password"]
            ),
        ]
        for (fits, exceeds, words) in table {
            #expect(try said(fits) == [], "\(fits.prefix(300))")
            let found = try said(exceeds)
            #expect(found.count >= 1, "\(exceeds.prefix(300))")
            #expect(found.contains { text in words.allSatisfy { text.contains($0) } }, "\(words): \(found)")
            // The place is named: a line of the file, and no value that fills the screen.
            #expect(found.allSatisfy { !$0.hasPrefix("0: ") && $0.count < 300 }, "\(found)")
        }
    }

    @Test func passwordsInURIsAreNotShown() throws {
        let found = try said(mapping(task: "produces: ['s3://user:geheim@bucket/key']"))
        #expect(found.count == 1 && !found.joined().contains("geheim"), "\(found)")
    }

    @Test func idsThatDifferInCapitalsOnlyAreOneSomewhere() throws {
        func file(_ id: String, _ entry: String) -> (file: String, text: String) {
            ("mappings/\(id)-\(entry).yaml", "pipeline: \(id)\ntasks:\n  a: {entry: scheduler/\(entry)}\n")
        }
        let found = try findings([file("Sync", "daily"), file("sync", "hourly")])
        #expect(found.count == 1 && found[0].severity == .error)
        #expect(found.first?.text.contains("“Sync” and “sync”") == true, "\(found)")
        #expect(try findings([file("sync-a", "daily"), file("sync-b", "hourly")]).isEmpty)
    }
}

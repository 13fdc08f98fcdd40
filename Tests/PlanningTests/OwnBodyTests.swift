import LosslessJSON
import Migration
import Planning
import Schedules
import Settings
import Testing

/// Entries of crontabs, pg_cron and Kubernetes: what runs for them where no mapping says anything, and what is said of them.
@Suite("Entries that hold what they run") struct OwnBodyTests {
    private func entry(_ kind: LegacyEntry.Kind, _ options: JSON, cron: String = "30 2 * * *") throws -> LegacyEntry {
        var entry = LegacyEntry(
            id: EntryID(source: "cron", name: "it"),
            kind: kind,
            task: "it",
            schedule: .cron(try CronExpression(cron, dialect: .vixie)),
            timezone: "UTC"
        )
        entry.options = options
        return entry
    }

    private func plan(_ entry: LegacyEntry, redis: String? = nil) -> Plan {
        var inventory = Samples.inventory([entry])
        if let redis {
            inventory.sources.append(
                SourceSummary(name: "scheduler", kind: "redbeat", system: "Redis 7", address: redis, found: 0)
            )
        }
        return Planner(inventory: inventory, zones: ZoneDatabase(), environments: [], now: Samples.now).plan(files: [])
    }

    private func body(_ plan: Plan) throws -> TaskBody { try #require(plan.pipelines.first?.dag.tasks.first?.body) }

    @Test func aCommandIsTheShellsWithNothingElseOnItsInput() throws {
        let plan = plan(try entry(.commandLine, ["command": "a 'b' \"$C\"", "shell": "/bin/bash", "path": "/x"]))
        guard case .command(let line) = try body(plan) else {
            Issue.record("a command")
            return
        }
        #expect(line.arguments.suffix(2) == ["/bin/bash", "a 'b' \"$C\""] && line.arguments[2].hasSuffix("</dev/null"))
        #expect(line.environment == ["PATH": "/x"])
        #expect(plan.pipelines.first?.dag.tasks.first?.shadow == .observe)
        #expect(plan.pipelines.first?.dag.missedTicks == MissedTickPolicy.none)
        guard
            case .command(let fed) = try body(self.plan(try entry(.commandLine, ["command": "mail", "input": "a\n"])))
        else {
            Issue.record("a command")
            return
        }
        #expect(fed.arguments.suffix(3) == ["/bin/sh", "mail", "a\n"] && !fed.arguments[2].contains("mail"))
    }

    @Test func sqlIsAStatementByItselfOrSeveralInATransaction() throws {
        let one = plan(try entry(.statement, ["command": "VACUUM :x", "database": "shop.eu"]))
        guard case .sql(let call) = try body(one) else {
            Issue.record("SQL")
            return
        }
        // What looks like a parameter is SQL here.
        #expect(call.statements.map(\.parts) == [["VACUUM :x"]] && !call.isTransaction)
        #expect(call.connection == "cron_shop_eu")
        guard case .sql(let two) = try body(plan(try entry(.statement, ["command": "DELETE FROM a; SELECT ';'"])))
        else {
            Issue.record("SQL")
            return
        }
        #expect(two.statements.count == 2 && two.isTransaction)
    }

    private static let unrunnable: [(LegacyEntry.Kind, JSON, String)] = [
        (.container, ["image": "shop/report:1"], "shop/report:1"),
        (.recurringJob, [:], "puts a job of type"), (.commandLine, ["command": "psql …", "hidden": true], "password"),
        (.statement, ["command": "-- nothing"], "no statement"),
    ]

    @Test(arguments: unrunnable) func whatNobodyCanRunFailsWithItsReason(
        _ kind: LegacyEntry.Kind,
        _ options: JSON,
        _ words: String
    ) throws {
        let plan = plan(try entry(kind, options))
        guard case .untranslatable(let reason) = try body(plan) else {
            Issue.record("untranslatable")
            return
        }
        #expect(reason.contains(words))
        #expect(plan.findings.contains { $0.code == .untranslatable && $0.text.contains(words) })
    }

    /// The same line is an error beside RedBeat, and a remark beside a Redis that is another.
    @Test(arguments: [
        ("redis-cli -h cache -n 3 flushdb", "redis://cache:6379/3", Severity.error),
        ("redis-cli -h cache -n 3 flushdb", "redis://cache:6379/1", .info),
        ("redis-cli -h other flushall", "redis://cache:6379/1", .warning),
        ("celery -A app purge -f", "redis://cache:6379/1", .error),
    ]) func aDangerousLineIsAFindingOfThePlan(_ command: String, _ redis: String, _ severity: Severity) throws {
        let plan = plan(try entry(.commandLine, ["command": .string(command)]), redis: redis)
        let found = plan.findings.filter { $0.code == .flushesRedis || $0.code == .purgesQueues }
        #expect(found.map(\.severity) == [severity] && found.first?.entry?.name == "it")
        #expect(plan.holds == (severity != .error))
    }

    @Test func whatIsReadInAnotherWayThanAirflowWouldIsSaid() throws {
        let codes = Set(plan(try entry(.commandLine, ["command": "x"], cron: "0 0 */2 * mon")).findings.map(\.code))
        #expect(codes.isSuperset(of: [.crontabDayAnd, .baileyTimetable]))
        let plain = Set(plan(try entry(.commandLine, ["command": "x"], cron: "* 3 1 * mon")).findings.map(\.code))
        #expect(plain.contains(.minuteStar) && !plain.contains(.crontabDayAnd))
    }
}

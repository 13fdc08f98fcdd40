import LosslessJSON
import Migration
import Schedules
import Testing

@Suite("What changed since an earlier inventory") struct InventoryChangesTests {
    private func entry(
        _ name: String,
        task: String = "t",
        args: JSON = [],
        kwargs: JSON = [:],
        minute: String = "0",
        enabled: Bool = true,
        stored: String = "",
        kind: LegacyEntry.Kind = .redbeat
    ) throws -> LegacyEntry {
        var entry = LegacyEntry(
            id: EntryID(source: "s", name: name),
            kind: kind,
            task: task,
            args: args,
            kwargs: kwargs
        )
        entry.enabled = enabled
        if kind != .jobType {
            entry.scheduleSource = [
                "__type__": "crontab", "minute": .string(minute), "hour": "2", "day_of_week": "*", "day_of_month": "*",
                "month_of_year": "*",
            ]
            entry.schedule = try Schedule(redbeat: entry.scheduleSource)
        }
        entry.timezone = "UTC"
        entry.raw = [
            RawRecord(key: Array("redbeat:\(name)".utf8), field: "definition", bytes: Array(stored.utf8)),
            RawRecord(key: Array("redbeat:\(name)".utf8), field: "meta", bytes: Array("\(enabled)\(stored)".utf8)),
        ]
        return entry
    }

    /// What became of whom, in words.
    private func changes(
        _ before: [LegacyEntry],
        _ after: [LegacyEntry],
        _ change: (inout Inventory) -> Void = { _ in }
    )
        -> [String]
    {
        var new = Inventory(readAt: Instant(seconds: 2), entries: after)
        change(&new)
        var comparison = InventoryComparison(new, since: Instant(seconds: 1))
        for entry in before { comparison.take(entry) }
        return comparison.changed().changes.map { change in
            ([change.kind.rawValue, change.before.map { "\($0.id.name)" } ?? "-", change.entry.name]
                + change.fields.map { "\($0.place)=\($0.before.text())>\($0.after.text())" }).joined(separator: " ")
        }
    }

    @Test func eachFieldIsNamedWithBothValues() throws {
        let before = try entry("a", args: [1, ["x": 1]], kwargs: ["days": 7, "mode": "full"])
        let cases: [(LegacyEntry, [String])] = [
            (try entry("a", args: [1, ["x": 1]], kwargs: ["days": 7, "mode": "full"]), []),
            // The order of keys is no change of meaning; the stored bytes would be.
            (try entry("a", args: [1, ["x": 1]], kwargs: ["mode": "full", "days": 7]), []),
            (try entry("a", args: [1, ["x": 2]], kwargs: ["days": 7, "mode": "full"]), ["changed a a args[1].x=1>2"]),
            (
                try entry("a", args: [1], kwargs: ["days": 14, "mode": "full", "more": nil]),
                ["changed a a args=[1,{\"x\":1}]>[1] kwargs.days=7>14"]
            ),
            (
                try entry("a", task: "u", args: [1, ["x": 1]], kwargs: ["days": 7], minute: "5", enabled: false),
                [
                    "changed a a task=\"t\">\"u\" kwargs.mode=\"full\">null "
                        + "schedule={\"__type__\":\"crontab\",\"minute\":\"0\",\"hour\":\"2\",\"day_of_week\":\"*\",\"day_of_month\":\"*\","
                        + "\"month_of_year\":\"*\"}>{\"__type__\":\"crontab\",\"minute\":\"5\",\"hour\":\"2\",\"day_of_week\":\"*\","
                        + "\"day_of_month\":\"*\",\"month_of_year\":\"*\"} enabled=true>false"
                ]
            ),
            (
                try entry("a", args: [1, ["x": 1]], kwargs: ["days": 7, "mode": "full"], stored: " "),
                ["changed a a stored=null>null"]
            ),
        ]
        for (after, expected) in cases { #expect(changes([before], [after]) == expected) }
    }

    /// What legacy writes with each run is no change.
    @Test func aRunIsNoChange() throws {
        let before = try entry("a")
        var after = before
        after.lastRun = Instant(seconds: 9)
        after.runCount = 4
        after.history = RunHistory(runs: 1, succeeded: 1, failed: 0)
        after.raw[1].bytes = Array("other meta".utf8)
        after.notes = [EntryNote(.disabledEntry, "it is disabled")]
        #expect(changes([before], [after]) == [])
        #expect(before.contentDigest == after.contentDigest)
    }

    @Test func namesChangeWithoutTheContent() throws {
        let (a, b) = (try entry("a", task: "x"), try entry("b", task: "x"))
        #expect(changes([a], [b]) == ["renamed a b"])
        // Enabled or not is no content.
        #expect(changes([a], [try entry("b", task: "x", enabled: false)]) == ["renamed a b enabled=true>false"])
        #expect(changes([a], [try entry("b", task: "y")]) == ["removed a a", "added - b"])
        // Nobody can tell which of two it is, on either side.
        let c = try entry("c", task: "x")
        #expect(changes([a], [b, c]) == ["removed a a", "added - b", "added - c"])
        #expect(changes([a, b], [c]) == ["removed a a", "removed b b", "added - c"])
        // One that stays is in nobody's way.
        #expect(changes([a, c], [b, c]) == ["renamed a b"])
        let jobs = try ["j", "k"].map { try entry($0, task: "t", kind: .jobType) }
        #expect(changes([jobs[0]], [jobs[1]]) == ["removed j j", "added - k"])
    }

    /// Not found is not gone where not all was seen.
    @Test func whatWasNotSeenIsNotGone() throws {
        let a = try entry("a")
        #expect(
            changes([a], []) { new in
                new.unread = [UnreadRecord(source: "s", key: "redbeat:a", reason: "malformed-json", detail: "")]
            } == ["unread a a"]
        )
        #expect(
            changes([a], []) { new in
                new.sources = [
                    SourceSummary(
                        name: "s",
                        kind: "redbeat",
                        system: "",
                        address: "",
                        found: 0,
                        notes: [EntryNote(.incompleteReading, "")]
                    )
                ]
            } == ["unseen a a"]
        )
    }

    @Test func formerNamesAreKeptAndFollowed() throws {
        let ids = ["a", "b", "c"].map { EntryID(source: "s", name: $0) }
        var inventory = Inventory(readAt: Instant(seconds: 2), entries: [try entry("c"), try entry("d", task: "u")])
        var comparison = InventoryComparison(inventory, since: Instant(seconds: 1))
        comparison.take(try entry("b"))
        inventory.keepNames([ids[1]: [ids[0]]], comparison.changed())
        #expect(inventory[ids[2]]?.formerly == [ids[0], ids[1]])
        #expect(inventory.renamed == [ids[0]: ids[2], ids[1]: ids[2]])
        let read = try Inventory(json: inventory.json)
        #expect(read.renamed == inventory.renamed)
        // A name that somebody has now is nobody's former one.
        inventory.add([try entry("a", task: "other")])
        inventory.keepNames([ids[2]: [ids[0], ids[1]]], InventoryChanges.none)
        #expect(inventory[ids[2]]?.formerly == [ids[1]])
    }
}

extension InventoryChanges {
    fileprivate static var none: InventoryChanges {
        InventoryComparison(Inventory(readAt: Instant(seconds: 1)), since: Instant(seconds: 1)).changed()
    }
}

import Foundation
public import LosslessJSON
import Schedules

extension Inventory {
    /// The document that `bailey import --json` prints; see docs/json.md.
    public var json: JSON {
        [
            "bailey": "inventory", "version": 1, "read_at": .string(readAt.iso8601),
            "sources": .array(sources.map(\.json)),
            "entries": .array(entries.map(\.json)), "unread": .array(unread.map(\.json)),
        ]
    }

    /// Reads that document.
    ///
    /// - Throws: `StoredJSONError` with the path of what is wrong.
    public init(json: JSON) throws(StoredJSONError) {
        let object = try StoredObject(json, "$")
        guard object.optional("bailey")?.string == "inventory", object.optional("version")?.int == 1 else {
            throw StoredJSONError(description: "this is no inventory of version 1; make one with bailey import --json")
        }
        self.init(readAt: try object.instant("read_at"))
        for item in object.items("sources") { sources.append(try SourceSummary(json: item)) }
        var entries: [LegacyEntry] = []
        for item in object.items("entries") { entries.append(try LegacyEntry(json: item)) }
        add(entries)
        for item in object.items("unread") { unread.append(try UnreadRecord(json: item)) }
    }
}

extension EntryNote {
    var json: JSON { ["code": .string(code.id), "detail": .string(detail), "cause": JSON(cause)] }

    init(json: JSON) throws(StoredJSONError) {
        let object = try StoredObject(json, "note")
        let code = try object.value("code", "a finding code") { value in FindingCode.all.first { $0.id == value.string }
        }
        self.init(code, try object.string("detail"), cause: json["cause"]?.string)
    }
}

extension SourceSummary {
    var json: JSON {
        [
            "name": .string(name), "kind": .string(kind), "system": .string(system), "address": .string(address),
            "found": JSON(found),
            "notes": .array(notes.map(\.json)), "celery": celery?.json ?? .null,
        ]
    }

    init(json: JSON) throws(StoredJSONError) {
        let object = try StoredObject(json, "source")
        self.init(
            name: try object.string("name"),
            kind: try object.string("kind"),
            system: try object.string("system"),
            address: try object.string("address"),
            found: try object.int("found")
        )
        for item in object.items("notes") { notes.append(try EntryNote(json: item)) }
        celery = object.optional("celery").map { CeleryConfiguration(json: $0) }
    }
}

extension UnreadRecord {
    var json: JSON {
        [
            "source": .string(source), "key": .string(key), "reason": .string(reason), "detail": .string(detail),
            "fate": .string(fate.rawValue), "stops_legacy": .bool(stopsLegacy),
        ]
    }

    init(json: JSON) throws(StoredJSONError) {
        let object = try StoredObject(json, "unread")
        let stops = try object.bool("stops_legacy")
        self.init(
            source: try object.string("source"),
            key: try object.string("key"),
            reason: try object.string("reason"),
            detail: try object.string("detail"),
            // An older inventory says only whether beat stops on it.
            fate: object.optional("fate")?.string.flatMap { LegacyFate(rawValue: $0) } ?? (stops ? .stops : .unknown)
        )
    }
}

extension LegacyEntry {
    /// One of `entries[]` of that document.
    public var json: JSON {
        [
            "id": .string(id.description), "source": .string(id.source), "kind": .string(kind.rawValue),
            "name": .string(id.name),
            "task": .string(task), "args": args, "kwargs": kwargs, "options": options, "enabled": .bool(enabled),
            "schedule": scheduleSource, "timezone": JSON(timezone), "history": history?.json ?? .null,
            "last_run": JSON(lastRun),
            "run_count": JSON(runCount), "static": isStatic.map { .bool($0) } ?? .null,
            "formerly": JSON(formerly.map(\.description)), "notes": .array(notes.map(\.json)),
            "raw": .array(raw.map(\.json)),
        ]
    }

    /// Reads it.
    ///
    /// - Throws: `StoredJSONError` with the path of what is wrong.
    public init(json: JSON) throws(StoredJSONError) {
        let object = try StoredObject(json, "entry")
        let kind = try object.value("kind", "a kind of entry") { $0.string.flatMap(Kind.init(rawValue:)) }
        self.init(id: try object.entry("id"), kind: kind, task: try object.string("task"))
        args = object.json("args")
        kwargs = object.json("kwargs")
        options = object.json("options")
        enabled = try object.bool("enabled")
        scheduleSource = object.json("schedule")
        if !scheduleSource.isNull {
            do { schedule = try Schedule(stored: scheduleSource) } catch {
                throw StoredJSONError(description: "entry \(id): \(error)")
            }
        }
        timezone = object.optional("timezone")?.string
        history = try object.optional("history").map { json throws(StoredJSONError) in try RunHistory(json: json) }
        lastRun = object.optionalInstant("last_run")
        runCount = object.optional("run_count")?.int
        isStatic = object.optional("static")?.bool
        formerly = object.items("formerly").compactMap { $0.string.flatMap { EntryID($0) } }
        for item in object.items("notes") { notes.append(try EntryNote(json: item)) }
        for item in object.items("raw") { raw.append(try RawRecord(json: item)) }
    }
}

extension RawRecord {
    var json: JSON {
        [
            "key": .string(Data(key).base64EncodedString()), "field": JSON(field),
            "bytes": .string(Data(bytes).base64EncodedString()),
        ]
    }

    init(json: JSON) throws(StoredJSONError) {
        let object = try StoredObject(json, "raw")
        func bytes(_ key: String) throws(StoredJSONError) -> [UInt8] {
            try object.value(key, "base64") { $0.string.flatMap { Data(base64Encoded: $0) }.map { [UInt8]($0) } }
        }
        self.init(key: try bytes("key"), field: object.optional("field")?.string, bytes: try bytes("bytes"))
    }
}

extension RunHistory {
    var json: JSON {
        [
            "runs": JSON(runs), "succeeded": JSON(succeeded), "failed": JSON(failed), "success_rate": JSON(successRate),
            "states": .object(JSONObject(states.sorted { $0.key < $1.key }.map { ($0.key, JSON($0.value)) })),
            "p50_seconds": JSON(p50),
            "p95_seconds": JSON(p95), "retries_per_run": JSON(retriesPerRun), "first": JSON(first), "last": JSON(last),
            "ended": .array(ended.map { .string($0.iso8601) }),
            "arrived": .array(arrived.map { .string($0.iso8601) }), "wait_p50_seconds": JSON(waitP50),
            "wait_p95_seconds": JSON(waitP95), "caveats": JSON(caveats),
        ]
    }

    init(json: JSON) throws(StoredJSONError) {
        let object = try StoredObject(json, "history")
        self.init(
            runs: try object.int("runs"),
            succeeded: try object.int("succeeded"),
            failed: try object.int("failed")
        )
        for member in object.json("states").object?.members ?? [] { states[member.key] = member.value.int }
        p50 = object.optional("p50_seconds")?.double
        p95 = object.optional("p95_seconds")?.double
        retriesPerRun = object.optional("retries_per_run")?.double
        first = object.optionalInstant("first")
        last = object.optionalInstant("last")
        ended = object.items("ended").compactMap { $0.string.flatMap { Instant(iso8601: $0) } }
        arrived = object.items("arrived").compactMap { $0.string.flatMap { Instant(iso8601: $0) } }
        waitP50 = object.optional("wait_p50_seconds")?.double
        waitP95 = object.optional("wait_p95_seconds")?.double
        caveats = object.items("caveats").compactMap(\.string)
    }
}

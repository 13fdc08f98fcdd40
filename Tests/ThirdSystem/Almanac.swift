import Foundation
import LosslessJSON
import Schedules

/// A scheduler of the tests' own: entries and runs in one file, which whoever changes it holds locked. `Sources` knows nothing of it.
struct Almanac: Sendable {
    let path: String

    /// Makes the file with hourly entries.
    init(in folder: URL, entries: [String]) throws {
        path = folder.appendingPathComponent("almanac.json").path
        var all: JSONObject = [:]
        for name in entries { all[name] = Almanac.entry }
        try Data(JSON.object(["entries": .object(all), "runs": [], "switches": [:]]).text().utf8)
            .write(to: URL(fileURLWithPath: path))
    }

    /// One that is there.
    init(path: String) { self.path = path }

    static let entry: JSON = ["minute": "0", "task": "report", "enabled": true]

    /// Each hour at the minutes of a crontab's field, in the notation that inventories keep.
    static func crontab(minute: String) -> JSON {
        [
            "__type__": "crontab", "minute": .string(minute), "hour": "*", "day_of_week": "*", "day_of_month": "*",
            "month_of_year": "*",
        ]
    }

    static func schedule(minute: String) throws -> Schedule { try Schedule(redbeat: crontab(minute: minute)) }

    func read() throws -> JSON {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw AlmanacError("there is no almanac at \(path)")
        }
        do { return try JSON(parsing: data) } catch { throw AlmanacError("\(path) is no almanac: \(error)") }
    }

    /// Changes the file whole or not at all, alone.
    func change<Value>(_ body: (inout JSON) throws -> Value) throws -> Value {
        let lock = open(path + ".lock", O_CREAT | O_RDWR, 0o600)
        guard lock >= 0 else { throw AlmanacError("\(path) cannot be locked") }
        defer { close(lock) }
        guard flock(lock, LOCK_EX) == 0 else { throw AlmanacError("\(path) cannot be locked") }
        var document = try read()
        let value = try body(&document)
        try Data(document.text().utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        return value
    }

    // MARK: What its own clock does

    /// Lets legacy's clock run the entries at a tick, once each.
    func tick(_ tick: Instant) throws {
        try change { document in
            for (name, entry) in document["entries"]?.object?.members.map({ ($0.key, $0.value) }) ?? []
            where entry["enabled"]?.bool == true {
                document.add(run: name, tick, by: "legacy")
            }
        }
    }

    /// What its owner may do to an entry behind everybody's back.
    func set(_ name: String, _ key: String, _ value: JSON) throws {
        try change { document in
            var entry = document["entries"]?[name]?.object ?? [:]
            entry[key] = value
            document.set("entries", name, .object(entry))
        }
    }
}

struct AlmanacError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

extension JSON {
    /// Puts a member into a member that is an object.
    mutating func set(_ part: String, _ name: String, _ value: JSON) {
        guard case .object(var whole) = self else { return }
        var inner = self[part]?.object ?? [:]
        inner[name] = value
        whole[part] = .object(inner)
        self = .object(whole)
    }

    /// Takes a member out of a member that is an object.
    mutating func remove(_ part: String, _ name: String) {
        guard case .object(var whole) = self, let inner = self[part]?.object else { return }
        whole[part] = .object(JSONObject(inner.members.filter { $0.key != name }.map { ($0.key, $0.value) }))
        self = .object(whole)
    }

    mutating func add(run name: String, _ tick: Instant, by who: String) {
        guard case .object(var whole) = self else { return }
        let run: JSON = [
            "entry": .string(name), "tick": .string(tick.iso8601), "by": .string(who),
            "id": .string("\(who)-\(name)-\(tick.seconds)"),
        ]
        whole["runs"] = .array((self["runs"]?.array ?? []) + [run])
        self = .object(whole)
    }
}

import LosslessJSON
import Migration
import Schedules

/// A CronJob of a cluster as an entry.
struct CronJobRecord {
    let source: String
    let job: JSON
    let place: String
    /// The zone of those that name none: that of the cluster's controller.
    let zone: String?
    let zones: ZoneDatabase

    /// What keeps a CronJob from being an entry.
    struct Unread: Error {
        let reason: String
        let detail: String
    }

    private static let versions = ["batch/v1", "batch/v1beta1", "batch/v2alpha1"]

    /// `namespace/name`, or the name where no namespace is written.
    func name() throws(Unread) -> String {
        guard let name = job["metadata"]?["name"]?.string, !name.isEmpty else {
            throw Unread(reason: "no-name", detail: "its metadata has no name")
        }
        return job["metadata"]?["namespace"]?.string.map { "\($0)/\(name)" } ?? name
    }

    /// The entry.
    func entry() throws(Unread) -> LegacyEntry {
        let name = try name()
        if let version = job["apiVersion"]?.string, !CronJobRecord.versions.contains(version) {
            throw Unread(
                reason: "unknown-api",
                detail: "its apiVersion is \(version); known are \(CronJobRecord.versions.joined(separator: ", "))"
            )
        }
        guard let spec = job["spec"], spec.object != nil else {
            throw Unread(reason: "no-spec", detail: "it has no spec")
        }
        guard let text = spec["schedule"]?.string else {
            throw Unread(reason: "no-schedule", detail: "its spec has no schedule")
        }
        let read = try schedule(text, spec)
        var entry = LegacyEntry(
            id: EntryID(source: source, name: name),
            kind: .container,
            task: job["metadata"]?["name"]?.string ?? name,
            enabled: spec["suspend"]?.bool != true,
            schedule: read.schedule,
            timezone: read.zone ?? zone
        )
        let pod = spec["jobTemplate"]?["spec"]?["template"]?["spec"]
        let containers = pod?["containers"]?.array ?? []
        entry.options = options(spec, containers)
        entry.lastRun = job["status"]?["lastScheduleTime"]?.string.flatMap { Instant(iso8601: $0) }
        if read.isPrefixed {
            entry.notes.append(
                EntryNote(
                    .zoneUnknown,
                    "its zone stands in its schedule, which Kubernetes never promised to read and refuses from 1.27 on; write it as timeZone"
                )
            )
        }
        if !entry.enabled { entry.notes.append(EntryNote(.disabledEntry, "it is suspended (suspend: true)")) }
        entry.notes += notes(spec, pod ?? .null, containers)
        entry.raw = [
            RawRecord(key: Array(place.utf8), field: "spec", bytes: Array(CronJobRecord.shown(spec).text().utf8))
        ]
        return entry
    }

    private func schedule(_ text: String, _ spec: JSON) throws(Unread) -> (
        schedule: Schedule, zone: String?, isPrefixed: Bool
    ) {
        var expression = text
        var zone = spec["timeZone"]?.string
        var isPrefixed = false
        if let prefix = ["TZ=", "CRON_TZ="].first(where: { text.hasPrefix($0) }) {
            let words = text.dropFirst(prefix.count).split(
                separator: " ",
                maxSplits: 1,
                omittingEmptySubsequences: true
            )
            guard words.count == 2, zone == nil else {
                throw Unread(
                    reason: "bad-cron",
                    detail: "the schedule “\(text)” names a zone beside timeZone, or nothing but a zone"
                )
            }
            (zone, expression, isPrefixed) = (String(words[0]), words[1].trimmingBlanks, true)
        }
        do throws(ScheduleError) {
            if let zone { _ = try zones.zone(zone) }
            return (try Schedule(kubernetes: expression), zone, isPrefixed)
        } catch {
            let isTemplate = text.contains("{{")
            throw Unread(
                reason: isTemplate ? "helm-template" : error.code.rawValue,
                detail: isTemplate ? "its schedule is a template, which only Helm can fill in" : error.message
            )
        }
    }

    /// What it runs, without the values of variables: they may be secrets.
    private func options(_ spec: JSON, _ containers: [JSON]) -> JSON {
        var members: [(String, JSON)] = [("place", .string(place))]
        if let first = containers.first {
            if let image = first["image"] { members.append(("image", image)) }
            let runs = CronJobRecord.line(first)
            if !runs.isEmpty { members.append(("runs", .string(runs))) }
            let names = (first["env"]?.array ?? []).compactMap { $0["name"] }
            if !names.isEmpty { members.append(("environment", .array(names))) }
        }
        if containers.count != 1 { members.append(("containers", .number(JSONNumber(containers.count)))) }
        for name in ["concurrencyPolicy", "startingDeadlineSeconds"] {
            if let value = spec[name], !value.isNull { members.append((name, value)) }
        }
        return .object(JSONObject(members))
    }

    private func notes(_ spec: JSON, _ pod: JSON, _ containers: [JSON]) -> [EntryNote] {
        let template = spec["jobTemplate"]?["spec"]
        var odd: [String] = []
        if containers.count > 1 { odd.append("\(containers.count) containers at once") }
        if let count = pod["initContainers"]?.array?.count, count > 0 { odd.append("\(count) init containers before") }
        for name in ["parallelism", "completions"] {
            if let count = template?[name]?.int, count > 1 { odd.append("\(name) \(count)") }
        }
        let image = containers.first?["image"]?.string
        var words = image.map { "it runs in a container of the image \($0)" } ?? "its pod has no container"
        if !odd.isEmpty { words += ", with \(odd.joined(separator: ", "))" }
        let names = (containers.first?["env"]?.array ?? []).compactMap { $0["name"]?.string }
        if !names.isEmpty { words += ", with \(names.joined(separator: ", ")) set" }
        let retries = template?["backoffLimit"]?.int ?? 6
        let limit = template?["activeDeadlineSeconds"]?.int.map { ", for \($0) s at the most" } ?? ""
        return [
            EntryNote(
                .runsElsewhere,
                words + " and is tried again \(retries) times\(limit); a mapping says what a DAG runs in its place"
            ),
            EntryNote(.overlapDiffers, overlap(spec)),
        ]
    }

    private func overlap(_ spec: JSON) -> String {
        let deadline =
            spec["startingDeadlineSeconds"]?.int.map {
                "; a tick that is more than \($0) s late is dropped (startingDeadlineSeconds)"
            } ?? ""
        switch spec["concurrencyPolicy"]?.string ?? "Allow" {
        case "Forbid":
            return
                "a tick that falls due during a run is left out (concurrencyPolicy: Forbid); a DAG runs it afterwards"
                + deadline
        case "Replace":
            return
                "a run that is under way is ended by the next one (concurrencyPolicy: Replace); nothing in a DAG does that"
                + deadline
        default:
            return
                "runs may be under way at once (concurrencyPolicy: Allow); a DAG has one run at a time (max_active_runs)"
                + deadline
        }
    }

    /// What a container runs in place of its image's own, as it may be shown.
    private static func line(_ container: JSON) -> String {
        let words = ["command", "args"].flatMap { container[$0]?.array ?? [] }.map { $0.string ?? $0.text() }
        return ShownCommand.of(words.joined(separator: " "))
    }

    /// A manifest without the values of variables, and without what looks like a secret in what runs.
    private static func shown(_ json: JSON) -> JSON {
        switch json {
        case .array(let items): return .array(items.map(shown))
        case .object(let object):
            return .object(
                JSONObject(
                    object.members.map { member in
                        guard let items = member.value.array else { return (member.key, shown(member.value)) }
                        switch member.key {
                        case "env": return (member.key, .array(items.map { ["name": $0["name"] ?? .null] }))
                        case "command", "args":
                            return (
                                member.key,
                                [.string(ShownCommand.of(items.map { $0.string ?? $0.text() }.joined(separator: " ")))]
                            )
                        default: return (member.key, .array(items.map(shown)))
                        }
                    }
                )
            )
        default: return json
        }
    }
}

extension Substring {
    fileprivate var trimmingBlanks: String {
        var text = self.drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return String(text)
    }
}

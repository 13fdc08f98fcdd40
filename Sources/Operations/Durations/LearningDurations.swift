import Foundation
import Legacy
import Migration
import Redis
package import Reports
import Schedules
import Settings
import Store

/// Learning how long legacy's runs take where results do not tell: from workers' events, or from their logs.
package struct LearningDurations {
    private let workspace: Workspace
    private let source: SourceSettings
    private let store: StateStore
    private static let kinds = ["redbeat", "celery", "django_celery_beat"]

    /// - Parameter name: the source; nil for the only one whose work Celery does.
    /// - Throws: `OperationFailure`, `StoreError`.
    package init(_ workspace: Workspace, source name: String?) throws {
        let all = workspace.settings.sources.filter { LearningDurations.kinds.contains($0.kind) }
        let able = all.filter { (name ?? $0.name) == $0.name }
        guard let source = able.first, able.count == 1 else {
            let file = workspace.settings.file
            throw OperationFailure(
                .usage,
                able.isEmpty
                    ? "durations is for a source whose work Celery does (\(LearningDurations.kinds.joined(separator: ", "))), and \(file) has none\(name.map { " called “\($0)”" } ?? "")"
                    : "\(file) has several sources whose work Celery does: name one of \(able.map(\.name).joined(separator: ", "))"
            )
        }
        self.workspace = workspace
        self.source = source
        store = try workspace.store()
    }

    /// What is known.
    ///
    /// - Throws: `StoreError`, `OperationFailure`.
    package func known() throws -> DurationsReport {
        var report = DurationsReport(source: source.name)
        let inventory = try workspace.inventory()
        let told = try store.durations(source: source.name)
        let entries = inventory.entries.filter { $0.id.source == source.name }
        let counts = Dictionary(grouping: entries, by: \.task).mapValues(\.count)
        report.rows = entries.map { entry in
            var row = DurationsReport.Row(entry: entry.id, task: entry.task)
            row.recorded = entry.history?.p50
            if counts[entry.task] == 1 {
                row.told = told[entry.task]
            } else if told[entry.task] != nil {
                row.why =
                    "\(counts[entry.task] ?? 0) entries send the task \(entry.task): nothing tells which of them a run was of"
            }
            return row
        }
        report.others = told.keys.filter { counts[$0] == nil }.sorted()
        report.stillOn = try store.eventsOn(source: source.name)
        return report
    }

    // MARK: Logs

    /// Reads logs of workers, in any order; what was read before counts once.
    ///
    /// - Parameter lines: gives the lines of a file to a function; `-` is standard input.
    /// - Throws: `OperationFailure`, `StoreError`.
    package func read(
        logs files: [String],
        lines: (_ file: String, (ArraySlice<UInt8>) throws -> Void) throws -> Void
    ) throws -> DurationsReport {
        var log = WorkerLog()
        for file in files {
            var isFirst = true
            try lines(file) { line in
                if isFirst, let packed = LearningDurations.packing(line) {
                    throw OperationFailure(
                        .usage,
                        "\(file) is \(packed): give its text, such as: \(packed.hasPrefix("gzip") ? "zcat" : "iconv or the program that unpacks it") … | bailey durations --log -"
                    )
                }
                isFirst = false
                if log.lines % 10_000 == 0 { try Task.checkCancellation() }
                log.take(line)
            }
        }
        guard log.tellsOfTasks else {
            throw OperationFailure(
                .doesNotHold,
                "no line of \(files.joined(separator: ", ")) tells of a task (\(log.lines) read): a worker's log of the level INFO has lines such as “Task name[id] succeeded in 1.5s: …”; nothing was kept"
            )
        }
        let new = try keep(Array(log.runs.values), .log)
        var report = try known()
        var told = DurationsReport.Log(lines: log.lines, runs: log.runs.count, new: new)
        told.retried = log.runs.values.count { $0.seconds == nil }
        (told.failed, told.open) = (log.failed.count, log.open)
        (told.first, told.last) = (log.span?.first, log.span?.last)
        report.log = told
        return report
    }

    /// What a file is that is no text, by its first bytes.
    private static func packing(_ line: ArraySlice<UInt8>) -> String? {
        let begins: [([UInt8], String)] = [
            ([0x1f, 0x8b], "gzip’s"), (Array("BZh".utf8), "bzip2’s"), ([0xfd, 0x37, 0x7a, 0x58, 0x5a], "xz’s"),
            ([0x28, 0xb5, 0x2f, 0xfd], "zstd’s"), (Array("PK\u{3}\u{4}".utf8), "zip’s"),
            ([0xff, 0xfe], "UTF-16"), ([0xfe, 0xff], "UTF-16"),
        ]
        return begins.first { line.starts(with: $0.0) }?.1
    }

    private func keep(_ runs: [WorkerLog.Run], _ witness: KnownDurations.Witness) throws -> Int {
        try store.keep(
            runs.map { StateStore.ToldRun(run: $0.id, task: $0.task, seconds: $0.seconds) },
            source: source.name,
            witness: witness
        )
    }

    // MARK: Events

    /// Has live workers send events for a time, and listens; without `execute` says whose.
    ///
    /// Those that had not sent any before are told to send none any more, whatever ends the listening; if that does not come about, the next
    /// call does it.
    ///
    /// - Throws: `OperationFailure`, `RedisError`, `StoreError`.
    package func listen(seconds: Double, execute: Bool) async throws -> DurationsReport {
        let place = source.brokerURL ?? source.url
        guard ["redis", "rediss", "unix", "sentinel"].contains(where: place.hasPrefix) else {
            throw OperationFailure(
                .usage,
                "the broker of \(source.name) is no Redis, and Bailey hears events over Redis alone: give a worker's log (--log)"
            )
        }
        let broker = try RedisURL(place)
        let workers = CeleryWorkers(url: broker)
        let names = try await workers.names(name: question(), now: workspace.surroundings.now())
        guard !names.isEmpty else {
            throw OperationFailure(
                .unreachable,
                "no worker answers at \(broker.address), database \(broker.database): nobody would send events"
            )
        }
        var events = DurationsReport.Events(seconds: seconds, executed: execute, workers: names)
        guard execute else {
            var report = try known()
            report.events = events
            return report
        }
        // Noted before, so that one that is killed leaves word of whose events may be on.
        let before = try store.eventsOn(source: source.name)
        try store.noteEventsOn(names + before, source: source.name)
        let answer = try await workers.tellEvents(true, to: names, name: question(), now: workspace.surroundings.now())
        // Bailey has switched on those that were left on, too.
        let own = Set(answer.changed + answer.already.filter(before.contains) + answer.silent)
        try store.noteEventsOn(Array(own.union(before)), source: source.name)
        events.already = answer.already.filter { !own.contains($0) }
        events.refused = answer.refused
        events.silent = answer.silent
        var found = TaskEvents()
        var failure: (any Error)?
        do {
            if answer.changed.isEmpty, answer.already.isEmpty {
                throw OperationFailure(
                    .unreachable,
                    "no worker sends events: \((answer.silent.map { "\($0) did not answer" } + answer.refused.map { "\($0.key) said \($0.value)" }).sorted().joined(separator: ", "))"
                )
            }
            workspace.tell(
                "\(source.name): \(answer.changed.count + answer.already.count) workers send events; listening for \(Int(seconds)) s …"
            )
            (found, events.missed) = try await heard(broker, seconds)
        } catch { failure = error }
        // Also after Ctrl-C: this must not end with the task.
        let off = await Task.detached { [self] in await switchOff(Array(own.union(before)).sorted(), workers) }.value
        events.leftOn = off
        let new = try keep(Array(found.runs.values), .events)
        if let failure { throw failure }
        events.runs = found.runs.count
        events.new = new
        events.failed = found.failed.count
        events.nameless = found.nameless
        events.parts = found.parts
        events.retried = found.runs.values.count { $0.seconds == nil }
        var report = try known()
        report.events = events
        return report
    }

    /// What is heard within so many seconds, and whether something may have been missed.
    private func heard(_ broker: RedisURL, _ seconds: Double) async throws -> (TaskEvents, String?) {
        let heard = Heard()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await TaskEvents.listen(to: broker, ready: {}) { event in
                    switch event {
                    case .message(_, let payload): await heard.take(payload)
                    case .gap(let reason): await heard.miss(reason)
                    }
                }
            }
            group.addTask { [workspace] in try await workspace.surroundings.sleep(seconds) }
            try await group.next()
            group.cancelAll()
        }
        try Task.checkCancellation()
        return await (heard.events, heard.missed)
    }

    private actor Heard {
        var events = TaskEvents()
        var missed: String?

        func take(_ payload: [UInt8]) { events.take(payload) }
        func miss(_ reason: String) { missed = reason }
    }

    /// Tells workers to send no events any more; those that could not be told, which are remembered.
    private func switchOff(_ names: [String], _ workers: CeleryWorkers) async -> [String] {
        let answer = try? await workers.tellEvents(
            false,
            to: names,
            name: question(),
            now: workspace.surroundings.now()
        )
        // A worker that is gone has no events on when it comes back.
        let left = answer.map { $0.silent + $0.refused.keys } ?? names
        try? store.noteEventsOn(left, source: source.name)
        return left.sorted()
    }

    private func question() -> String { "bailey-\(UUID().uuidString.lowercased())" }
}

extension Workspace {
    /// An inventory with what workers told of how long tasks take, where one entry alone sends a task.
    func told(_ inventory: Inventory) throws -> Inventory {
        guard FileManager.default.fileExists(atPath: absolute(settings.state)) else { return inventory }
        var found: [EntryID: KnownDurations] = [:]
        let store = try store()
        for source in Set(inventory.entries.map(\.id.source)) {
            let durations = try store.durations(source: source)
            guard !durations.isEmpty else { continue }
            let counts = Dictionary(grouping: inventory.entries.filter { $0.id.source == source }, by: \.task)
                .mapValues(\.count)
            for entry in inventory.entries where entry.id.source == source && counts[entry.task] == 1 {
                found[entry.id] = durations[entry.task]
            }
        }
        var inventory = inventory
        inventory.tell(found)
        return inventory
    }
}

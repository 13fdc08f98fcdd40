import Airflow
import Foundation
package import Legacy
import LosslessJSON
package import Migration
import Planning
import Postgres
import Redis
package import Schedules
package import Settings
package import Shadow
package import Store

/// A workspace opened: its settings, its folder, and what they lead to.
package struct Workspace {
    package private(set) var settings: WorkspaceSettings
    /// The folder of `bailey.yaml`, absolute.
    package let folder: String
    package let zones = ZoneDatabase()
    /// The clock, and whom to tell how it goes.
    package let surroundings: Surroundings
    /// The policy of pipelines whose mapping says nothing else.
    package let policy: CutoverPolicy
    /// What DAG files must know of the sources. Made once: profiles are files.
    private(set) var dagSources: [String: DAGSource] = [:]

    /// Finds and reads `bailey.yaml`.
    ///
    /// - Throws: `OperationFailure` if there is none, `SettingsError` if it is wrong.
    package init(config: String?, surroundings: Surroundings) throws {
        self.surroundings = surroundings
        let path = try Workspace.find(config)
        guard let data = FileManager.default.contents(atPath: path) else {
            throw OperationFailure(.usage, "\(path) cannot be read")
        }
        let shown = config ?? URL(fileURLWithPath: path).lastPathComponent
        guard let text = String(validating: data, as: UTF8.self) else {
            throw OperationFailure(.usage, "\(shown) is not UTF-8")
        }
        settings = try WorkspaceSettings(yaml: text, file: shown, environment: ProcessInfo.processInfo.environment)
        folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        if let node = settings.policy {
            policy = try CutoverPolicy(node, zones: zones)
        } else {
            policy = CutoverPolicy()
        }
        for source in settings.sources {
            dagSources[source.name] =
                switch source.kind {
                case .redbeat: .redbeat(prefix: source.prefix, ownResults: source.resultsURL != nil)
                case .queue: .queue(try? queue(source).layout.statements(timezone: source.timezone))
                }
        }
    }

    private static func find(_ given: String?) throws -> String {
        let here = FileManager.default.currentDirectoryPath
        if let given {
            let path = URL(fileURLWithPath: given, relativeTo: URL(fileURLWithPath: here + "/")).standardizedFileURL
                .path
            guard FileManager.default.fileExists(atPath: path) else {
                throw OperationFailure(.usage, "there is no \(given)")
            }
            return path
        }
        var folder = URL(fileURLWithPath: here)
        while true {
            let path = folder.appendingPathComponent("bailey.yaml").path
            if FileManager.default.fileExists(atPath: path) { return path }
            if folder.path == "/" { break }
            folder.deleteLastPathComponent()
        }
        throw OperationFailure(.usage, "there is no bailey.yaml in this folder or a parent; make one with bailey init")
    }

    /// A path of the settings, absolute.
    package func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : folder + "/" + path }

    /// Opens Bailey's own state.
    package func store() throws -> StateStore { try StateStore(path: absolute(settings.state)) }

    /// The latest inventory, or one from a file (`-` for standard input).
    package func inventory(_ given: String? = nil) throws -> Inventory {
        if let given {
            let data =
                given == "-"
                ? FileHandle.standardInput.readDataToEndOfFile() : FileManager.default.contents(atPath: given)
            guard let data else { throw OperationFailure(.usage, "there is no \(given)") }
            do {
                return try Inventory(json: JSON(parsing: data))
            } catch {
                throw OperationFailure(.usage, "\(given == "-" ? "standard input" : given) is no inventory: \(error)")
            }
        }
        guard let inventory = try store().latestInventory() else {
            throw OperationFailure(.usage, "nothing was imported yet; run bailey import")
        }
        return inventory
    }

    /// The plan of an inventory and the workspace's mappings.
    ///
    /// - Throws: `OperationFailure`, or `CancellationError`.
    package func plan(_ inventory: Inventory) throws -> Plan {
        let planner = Planner(
            inventory: inventory,
            zones: zones,
            environments: Set(settings.environments.keys),
            policy: policy,
            now: surroundings.now()
        )
        let files = try mappingFiles()
        let plan = withProgress({ "proving timetables equal …" }, tell: tell) { planner.plan(files: files) }
        try Task.checkCancellation()
        return plan
    }

    /// The mapping files and their texts, by name; profiles are not mappings.
    private func mappingFiles() throws -> [(file: String, text: String)] {
        let root = absolute(settings.mappings)
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).filter {
            $0.hasSuffix(".yaml") || $0.hasSuffix(".yml")
        }
        return try names.sorted().map { name in
            let shown = settings.mappings + "/" + name
            guard let data = FileManager.default.contents(atPath: root + "/" + name),
                let text = String(validating: data, as: UTF8.self)
            else {
                throw OperationFailure(.usage, "\(shown) cannot be read as UTF-8")
            }
            return (shown, text)
        }
    }

    /// Tells the person who waits.
    package func tell(_ line: String) { surroundings.tell(line) }

    // MARK: Sources

    /// The readers of all sources.
    package func sources() throws -> [any LegacySource] {
        try settings.sources.map { settings -> any LegacySource in
            switch settings.kind {
            case .redbeat:
                return RedBeatSource(
                    name: settings.name,
                    url: try RedisURL(settings.url),
                    prefix: settings.prefix,
                    timezone: settings.timezone
                )
            case .queue: return try queue(settings)
            }
        }
    }

    package func queue(_ settings: SourceSettings) throws -> QueueSource {
        var profile = try profile(settings.profile ?? "")
        if let table = settings.table { profile.table = table }
        for (meaning, words) in settings.statuses { profile.statuses[meaning] = words }
        return QueueSource(
            name: settings.name,
            url: try PostgresURL(settings.url),
            profile: profile,
            timezone: settings.timezone
        )
    }

    /// A queue profile: the workspace's own, else the one that comes with Bailey.
    private func profile(_ name: String) throws -> QueueProfile {
        let shown = "\(settings.mappings)/profiles/\(name).yaml"
        if let data = FileManager.default.contents(atPath: absolute(shown)) {
            guard let text = String(validating: data, as: UTF8.self) else {
                throw OperationFailure(.usage, "\(shown) is not UTF-8")
            }
            return try QueueProfile(yaml: text, file: shown)
        }
        guard let text = QueueProfile.shipped[name] else {
            let known = QueueProfile.shipped.keys.sorted().joined(separator: ", ")
            throw OperationFailure(
                .usage,
                "there is no queue profile “\(name)”; write one as \(shown). Bailey comes with \(known)"
            )
        }
        return try QueueProfile(yaml: text, file: "profiles/\(name).yaml")
    }

    /// This workspace with `max_interval` at least as long as live workers say that beat sleeps: a fence must not be too short. Asking them is a
    /// message to each, so only commands do it that a person told to act.
    package func askingWorkers() async -> Workspace {
        var workspace = self
        for (index, source) in settings.sources.enumerated() where source.kind == .redbeat {
            guard let url = try? RedisURL(source.url) else { continue }
            let name = "bailey-\(UUID().uuidString.lowercased())"
            // Where nobody answers, what is configured counts; what keeps it from being asked, the command itself meets.
            let said = try? await CeleryWorkers(url: url).maxLoopInterval(name: name, now: surroundings.now())
            guard let said, said > Double(source.maxInterval) else { continue }
            tell(
                "\(source.name): its workers say that beat sleeps up to \(said) s; max_interval of \(settings.file) says \(source.maxInterval), which is too short a fence. Their word counts"
            )
            workspace.settings.sources[index].maxInterval = Int(said.rounded(.up))
        }
        return workspace
    }

    // MARK: Shadow

    /// The embedded engine.
    package func engine() -> EmbeddedEngine {
        let environments = settings.environments.mapValues { settings in
            BodyRunner.Environment(
                python: settings.python,
                path: settings.path.map(absolute),
                variables: settings.variables
            )
        }
        let runner = BodyRunner(
            environments: environments,
            directory: folder,
            inherited: ProcessInfo.processInfo.environment
        )
        return EmbeddedEngine(
            runner: runner,
            parallelism: settings.parallelism,
            now: surroundings.now,
            sleep: surroundings.sleep
        )
    }

    /// Celery's record of the runs of a RedBeat source's entries.
    package func celeryRuns(_ settings: SourceSettings, entries: [LegacyEntry]) throws -> CeleryRuns {
        CeleryRuns(
            url: try RedisURL(settings.resultsURL ?? settings.url),
            entries: entries,
            clock: BeatClock(
                url: try RedisURL(settings.url),
                prefix: settings.prefix,
                entries: entries,
                zones: zones,
                now: surroundings.now
            ),
            zones: zones,
            now: surroundings.now
        )
    }

    /// What records the runs of a source's entries.
    package func runs(_ settings: SourceSettings, entries: [LegacyEntry]) throws -> any LegacyRuns {
        switch settings.kind {
        case .redbeat: return try celeryRuns(settings, entries: entries)
        case .queue:
            return QueueRuns(source: try queue(settings), types: entries.map(\.id.name), now: surroundings.now)
        }
    }
}

import Airflow
import Foundation
package import Legacy
import LosslessJSON
package import Migration
import Planning
import Postgres
package import Processes
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
    /// Whose mappings and profiles are read; nil where `--config` has named the workspace.
    private let safeFolder: SafeFolder?
    /// The interpreters in which Celery applications are loaded.
    let interpreters: Interpreters
    /// The legacy systems, in the order of the settings.
    package let systems: [any LegacySystem]
    /// What DAG files must know of the sources. Made once: profiles are files.
    let dagSources: [String: DAGSource]

    /// Finds and reads `bailey.yaml`.
    ///
    /// - Throws: `OperationFailure` if there is none, `SettingsError` if it is wrong.
    package init(config: String?, surroundings: Surroundings) throws {
        self.surroundings = surroundings
        let path = try Workspace.find(config)
        folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        safeFolder = config == nil ? .ofThisProcess : nil
        try Workspace.refuseOthers([path, folder], safeFolder, config: path)
        guard let data = FileManager.default.contents(atPath: path) else {
            throw OperationFailure(.usage, "\(path) cannot be read")
        }
        let shown = config ?? URL(fileURLWithPath: path).lastPathComponent
        guard let text = String(validating: data, as: UTF8.self) else {
            throw OperationFailure(.usage, "\(shown) is not UTF-8")
        }
        settings = try WorkspaceSettings(
            yaml: text,
            file: shown,
            environment: ProcessInfo.processInfo.environment,
            kinds: SystemKind.all.map(\.settings)
        )
        if let node = settings.policy {
            policy = try CutoverPolicy(node, zones: zones)
        } else {
            policy = CutoverPolicy()
        }
        let profiles = Workspace.absolute(settings.mappings, in: folder) + "/profiles"
        let named = settings.sources.compactMap(\.profile).map { "\(profiles)/\($0).yaml" }
        try Workspace.refuseOthers([profiles] + named, safeFolder, config: path)
        let place = SystemKind.Place(
            profiles: QueueProfiles(
                folder: profiles,
                shown: settings.mappings + "/profiles"
            ),
            now: surroundings.now,
            interpreters: Interpreters(environments: settings.environments, folder: folder, file: settings.file),
            folder: folder
        )
        interpreters = place.interpreters
        let kinds = Dictionary(SystemKind.all.map { ($0.settings.name, $0) }, uniquingKeysWith: { $1 })
        systems = settings.sources.compactMap { kinds[$0.kind]?.make($0, place) }
        dagSources = Dictionary(systems.map { ($0.name, $0.dagSource) }, uniquingKeysWith: { $1 })
    }

    private func refuseOthers(_ paths: [String]) throws {
        let config = folder + "/" + URL(fileURLWithPath: settings.file).lastPathComponent
        try Workspace.refuseOthers(paths, safeFolder, config: config)
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
    package func absolute(_ path: String) -> String { Workspace.absolute(path, in: folder) }

    private static func absolute(_ path: String, in folder: String) -> String {
        path.hasPrefix("/") ? path : folder + "/" + path
    }

    /// Opens Bailey's own state.
    package func store() throws -> StateStore {
        let place = absolute(settings.state)
        try refuseOthers([URL(fileURLWithPath: place).deletingLastPathComponent().path, place])
        return try StateStore(path: place)
    }

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
        var planner = Planner(
            inventory: try told(inventory),
            zones: zones,
            environments: Set(settings.environments.keys),
            celery: Dictionary(
                settings.sources.compactMap { source in source.celery.map { (source.name, $0) } },
                uniquingKeysWith: { first, _ in first }
            ),
            policy: policy,
            pools: settings.pools,
            channels: settings.channels,
            aside: aside,
            now: surroundings.now()
        )
        planner.airflow = settings.airflow.version
        let files = try mappingFiles()
        let plan = withProgress({ "proving timetables equal …" }, tell: tell) {
            planner.plan(files: files, reading: mappedFile)
        }
        try Task.checkCancellation()
        return plan
    }

    /// What `ignore` of the settings sets aside.
    private var aside: SettingAside {
        SettingAside(
            settings.ignore,
            file: settings.file,
            prefixes: Dictionary(systems.map { ($0.name, $0.keyPrefix) }, uniquingKeysWith: { $1 })
        )
    }

    /// The mapping files and their texts, by name; profiles are not mappings.
    func mappingFiles() throws -> [(file: String, text: String)] {
        let root = absolute(settings.mappings)
        try refuseOthers([root])
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).filter {
            $0.hasSuffix(".yaml") || $0.hasSuffix(".yml")
        }
        return try names.sorted().map { name in
            let shown = settings.mappings + "/" + name
            try refuseOthers([root + "/" + name])
            guard let data = FileManager.default.contents(atPath: root + "/" + name),
                let text = String(validating: data, as: UTF8.self)
            else {
                throw OperationFailure(.usage, "\(shown) cannot be read as UTF-8")
            }
            return (shown, text)
        }
    }

    /// The text of a file that a mapping names, by its path from the mapping's folder; nil if it cannot be read.
    func mappedFile(_ mapping: String, _ path: String) -> String? {
        let folder = absolute(
            mapping.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        )
        guard (try? refuseOthers([folder + "/" + path])) != nil else { return nil }
        return FileManager.default.contents(atPath: folder + "/" + path).flatMap {
            String(validating: $0, as: UTF8.self)
        }
    }

    /// Tells the person who waits.
    package func tell(_ line: String) { surroundings.tell(line) }

    // MARK: Sources

    /// The legacy system of a source.
    package func system(_ source: String) -> (any LegacySystem)? { systems.first { $0.name == source } }

    /// This workspace with `max_interval` at least as long as live workers say that beat sleeps: a fence must not be too short. Asking them is a
    /// message to each, so only commands do it that a person told to act.
    package func askingWorkers() async -> Workspace {
        var workspace = self
        for (index, source) in settings.sources.enumerated() {
            let name = "bailey-\(UUID().uuidString.lowercased())"
            // Where nobody answers, what is configured counts; what keeps it from being asked, the command itself meets.
            let said = try? await system(source.name)?.longestSleep(name: name, now: surroundings.now())
            guard let said, said > Double(source.maxInterval) else { continue }
            tell(
                "\(source.name): its workers say that beat sleeps up to \(said) s; max_interval of \(settings.file) says \(source.maxInterval), which is too short a fence. Their word counts"
            )
            workspace.settings.sources[index].maxInterval = Int(said.rounded(.up))
        }
        return workspace
    }

    // MARK: Shadow

    /// What finds the sandbox that this machine permits.
    package var sandboxes: SandboxLadder {
        SandboxLadder(program: "/proc/self/exe", path: ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")
    }

    /// The embedded engine.
    ///
    /// - Parameter pools: those of the plan; what `shadow.pools` says of one counts more on this machine.
    package func engine(pools: [Pool]) -> EmbeddedEngine {
        let environments = settings.environments.mapValues { settings in
            BodyRunner.Environment(
                python: settings.python,
                path: settings.path.map(absolute),
                variables: settings.variables,
                preload: settings.preload
            )
        }
        let runner = BodyRunner(
            environments: environments,
            connections: settings.connections,
            directory: folder,
            inherited: ProcessInfo.processInfo.environment,
            guardProgram: BodyGuard.program,
            ladder: sandboxes,
            isWarm: settings.forksBodies,
            tell: tell
        )
        return EmbeddedEngine(
            runner: runner,
            parallelism: settings.parallelism,
            pools: Dictionary(pools.map { ($0.name, $0.slots) }, uniquingKeysWith: { $1 }).merging(
                settings.enginePools
            ) { $1 },
            bodySeconds: settings.bodySeconds,
            effectsFolder: URL(fileURLWithPath: absolute(settings.state)).deletingLastPathComponent().path + "/effects",
            now: surroundings.now,
            sleep: surroundings.sleep
        )
    }
}

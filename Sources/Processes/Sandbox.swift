import CSandbox
import Foundation

/// A folder in which one body runs, and how it is kept from everything else. What it leaves behind goes with the last reference.
public final class Sandbox: Sendable {
    /// What keeps a body from everything else.
    public enum Rung: Sendable, Hashable, CustomStringConvertible {
        /// Namespaces of its own, made by bubblewrap, whose path this is.
        case bubblewrap(path: String)
        /// Landlock with so much of its interface, and a filter of system calls.
        case landlock(version: Int)

        /// For reports.
        public var description: String {
            switch self {
            case .bubblewrap: "bubblewrap"
            case .landlock(let version): "Landlock \(version) and seccomp"
            }
        }
    }

    /// What a body may take.
    public struct Limits: Sendable {
        var memory: Int
        var cpu: Double
        var processes: Int
        var disk: Int

        /// Bytes of memory and disk, seconds of processor time, processes and threads at once.
        public init(memory: Int, cpu: Double, processes: Int, disk: Int) {
            (self.memory, self.cpu, self.processes, self.disk) = (memory, cpu, processes, disk)
        }
    }

    /// What became of a body.
    public struct Report: Sendable {
        /// Whether it was run in its sandbox.
        public var started = false
        /// What it tried and was not let.
        public var refused: [String] = []
        /// The limit it passed, and how much was found.
        public var passed: (limit: String, found: Int)?
    }

    /// What keeps it.
    public let rung: Rung
    /// The folder that it may write to.
    public let scratch: String
    private let root: String
    private static let word = "__sandbox"

    /// Makes the folder.
    ///
    /// - Parameter parent: where; it must exist.
    /// - Throws: an error of the file system.
    public init(_ rung: Rung, in parent: String) throws {
        self.rung = rung
        guard let real = realpath(parent, nil) else {
            throw CocoaError(.fileNoSuchFile, userInfo: [NSFilePathErrorKey: parent])
        }
        defer { free(real) }
        root = String(cString: real) + "/bailey-sandbox-\(UUID().uuidString.lowercased())"
        scratch = root + "/scratch"
        // Nobody else reads what bodies write.
        let own: [FileAttributeKey: Any] = [.posixPermissions: 0o700]
        let manager = FileManager.default
        try manager.createDirectory(atPath: root, withIntermediateDirectories: false, attributes: own)
        for folder in [scratch, home, temporary] {
            try manager.createDirectory(atPath: folder, withIntermediateDirectories: false, attributes: own)
        }
    }

    deinit {
        // A body may have left folders that not even their owner may look into.
        if (try? FileManager.default.removeItem(atPath: root)) == nil { Sandbox.open(root) }
        try? FileManager.default.removeItem(atPath: root)
    }

    /// Its `HOME`.
    public var home: String { scratch + "/.home" }
    /// Its `TMPDIR`.
    public var temporary: String { scratch + "/.tmp" }

    /// The arguments of Bailey's program that runs a body in it.
    ///
    /// - Parameters:
    ///   - places: what it may connect to: `address:port`, or `address:port>address:port` for one that it is led to.
    ///   - names: the lines that it reads in place of the machine's `/etc/hosts`; nil for those.
    ///   - directory: where it starts; nil for its folder.
    /// - Throws: an error of the file system.
    public func arguments(
        _ program: [String],
        limits: Limits,
        places: [String] = [],
        names: String? = nil,
        directory: String? = nil
    ) throws -> [String] {
        var words = [Sandbox.word, String(getpid())]
        switch rung {
        case .bubblewrap(let path): words.append("bubblewrap=\(path)")
        case .landlock(let version): words.append("version=\(version)")
        }
        words += ["scratch=\(scratch)", "directory=\(directory ?? scratch)", "report=\(reportFile)"]
        words += places.map { "place=\($0)" }
        if let names {
            let path = root + "/hosts"
            try names.write(toFile: path, atomically: false, encoding: .utf8)
            words.append("hosts=\(path)")
        }
        words += ["memory=\(limits.memory)", "cpu=\(Int(limits.cpu.rounded(.up)))", "processes=\(limits.processes)"]
        return words + ["disk=\(limits.disk)", "--"] + program
    }

    /// What became of the body, once it has ended.
    public func report() -> Report {
        var report = Report()
        let text = (try? String(contentsOfFile: reportFile, encoding: .utf8)) ?? ""
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            switch (parts[0], parts.count) {
            case ("started", 2): report.started = true
            case ("refused", 2): report.refused.append(parts[1])
            case ("limit", 3): report.passed = (parts[1], Int(parts[2]) ?? 0)
            default: break
            }
        }
        return report
    }

    private var reportFile: String { root + "/report" }

    private static func open(_ folder: String) {
        chmod(folder, 0o700)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            var status = stat()
            guard lstat("\(folder)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
            open("\(folder)/\(name)")
        }
    }

    /// Is the sandbox where the program was called as one. To be called before anything else: it forks.
    public static func runIfAsked() {
        let given = CommandLine.unsafeArgv
        guard CommandLine.argc > 3, let first = given[1], String(cString: first) == word, let parent = given[2] else {
            return
        }
        bailey_sandbox(atoi(parent), given + 3)
    }
}

import Foundation
import Processes

/// How DAG files reach the DAG processor.
public enum DAGDelivery: Sendable, Hashable {
    /// A folder that this machine can write to.
    case folder(String)
    /// A git repository, by URL or path; the files lie in `folder` of `branch`.
    case git(repository: String, branch: String, folder: String, variables: [String: String] = [:])
    /// A program, run once per file if its arguments have `{file}`, else once with `{folder}`.
    case command([String], directory: String, variables: [String: String] = [:])

    /// What is to become of one file.
    public struct Placement: Sendable, Hashable {
        /// The file's name.
        public var name: String
        /// Where it goes, for people.
        public var place: String
        /// What putting it does or would do; nil where only the command knows.
        public var change: DAGFolder.Change?
    }

    /// A file to put.
    public struct File: Sendable, Hashable {
        /// The name.
        public var name: String
        /// The text.
        public var text: String

        /// A file to put.
        public init(name: String, text: String) {
            self.name = name
            self.text = text
        }
    }

    /// What putting the files would do. Writes nothing that stays.
    ///
    /// - Throws: `DeliveryError` if they cannot be put: a folder that is missing or not writable, a repository that cannot be read.
    public func preview(_ files: [File]) async throws -> [Placement] {
        switch self {
        case .folder(let path):
            try DAGDelivery.checkFolder(path)
            return files.map {
                Placement(name: $0.name, place: path + "/" + $0.name, change: DAGFolder.change($0, in: path))
            }
        case .git(let repository, let branch, let folder, let variables):
            let git = GitDelivery(repository: repository, branch: branch, variables: variables)
            return try await git.withClone { clone in
                files.map { file in
                    Placement(
                        name: file.name,
                        place: "\(git.shown) \(branch):\(folder)/\(file.name)",
                        change: DAGFolder.change(file, in: clone + "/" + folder)
                    )
                }
            }
        case .command(let words, _, let variables):
            let shown = DAGDelivery.shown(words.joined(separator: " "), variables)
            return files.map { Placement(name: $0.name, place: shown.replacing("{name}", with: $0.name)) }
        }
    }

    /// Puts the files. None is put if one of them must not be: a file there that is not Bailey's, or was edited by hand.
    ///
    /// - Returns: what became of each.
    /// - Throws: `DeliveryError`, `DAGFolderError`; a folder then has some of the files whole and the others as they were, a repository
    ///   none of them.
    public func put(_ files: [File]) async throws -> [Placement] {
        let preview = try await preview(files)
        let refused = preview.filter { $0.change == .foreign || $0.change == .edited }
        guard refused.isEmpty else { return preview }
        switch self {
        case .folder(let path):
            let folder = DAGFolder(path: path)
            return try zip(files, preview).map { file, placement in
                var placement = placement
                placement.change = try folder.write(file)
                return placement
            }
        case .git(let repository, let branch, let folder, let variables):
            try await GitDelivery(repository: repository, branch: branch, variables: variables)
                .commit(files, folder: folder)
            return preview
        case .command(let words, let directory, let variables):
            try await DAGDelivery.send(files, words, directory, variables)
            return preview
        }
    }

    /// What may be shown of what a program is called with, or says.
    private static func shown(_ text: String, _ variables: [String: String]) -> String {
        Credentials.hidden(in: text, secrets: Array(variables.values))
    }

    private static func checkFolder(_ path: String) throws {
        let operation = "looking at \(path)"
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
            throw DeliveryError(
                operation,
                "there is no such folder",
                "Name the folder that Airflow's DAG processor reads as target.airflow.deploy.path"
            )
        }
        guard access(path, W_OK | X_OK) == 0 else {
            throw DeliveryError(
                operation,
                "it is not writable: \(String(cString: strerror(errno)).lowercased())",
                "Nothing was written. Give this user the right, or deploy by git or a command"
            )
        }
    }

    /// Runs the user's program on copies of the files in a folder of their own.
    private static func send(
        _ files: [File],
        _ words: [String],
        _ directory: String,
        _ variables: [String: String]
    ) async throws {
        try await Scratch.with { scratch in
            for file in files { _ = try DAGFolder(path: scratch).write(file) }
            let isPerFile = words.contains { $0.contains("{file}") }
            for file in isPerFile ? files : [] {
                try await run(
                    words.map {
                        $0.replacing("{file}", with: scratch + "/" + file.name).replacing("{name}", with: file.name)
                    }
                )
            }
            if !isPerFile { try await run(words.map { $0.replacing("{folder}", with: scratch) }) }
        }
        func run(_ words: [String]) async throws {
            let ending = try await Program(variables: variables).run(words, in: directory)
            guard ending.succeeded else {
                throw DeliveryError(
                    "running \(shown(words.joined(separator: " "), variables))",
                    "it ended with \(ending.status): \(shown(String(ending.output.suffix(600)), variables))",
                    "Mend target.airflow.deploy.command, or run it by hand"
                )
            }
        }
    }
}

/// A folder for the time being.
enum Scratch {
    static func with<Value>(_ body: (String) async throws -> Value) async throws -> Value {
        let path = FileManager.default.temporaryDirectory.path + "/bailey-\(UUID().uuidString)"
        do {
            try FileManager.default.createDirectory(
                atPath: path,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw DeliveryError("making the folder \(path)", "\(error)", "See whether the disk is full")
        }
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await body(path)
    }
}

/// Why DAG files did not reach their place.
public struct DeliveryError: Error, Sendable, CustomStringConvertible {
    /// One line: what was being done, what was found, what to do.
    public let description: String

    init(_ operation: String, _ found: String, _ advice: String) { description = "\(operation): \(found). \(advice)" }
}

import Foundation
import Settings

/// The files of a source that is read from files. What cannot be read is unknown, and not nothing.
struct SourceFiles: Sendable {
    let source: String
    /// As `bailey.yaml` names them.
    let names: [String]
    /// The folder of `bailey.yaml`.
    let folder: String

    /// A file, as it was named, and its text.
    struct File: Sendable {
        var name: String
        var text: String
    }

    /// Nobody's file is larger.
    private static let most = 32 << 20
    /// Nobody's folder has more.
    private static let mostFiles = 10_000

    /// The files in order; of a folder those whose names end so, in the order of their names.
    ///
    /// - Throws: `UnusableSource` for one that is not there or no text.
    func read(endings: [String] = []) throws -> [File] {
        var found: [File] = []
        for name in names {
            try Task.checkCancellation()
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path(name), isDirectory: &isFolder) else {
                throw UnusableSource("source \(source): there is no \(name)")
            }
            guard isFolder.boolValue else {
                found.append(try file(name))
                continue
            }
            guard !endings.isEmpty else {
                throw UnusableSource("source \(source): \(name) is a folder; name its files")
            }
            let inside = try within(name, endings)
            guard !inside.isEmpty else {
                throw UnusableSource(
                    "source \(source): \(name) has no file that ends in \(endings.joined(separator: " or "))"
                )
            }
            for name in inside { found.append(try file(name)) }
        }
        return found
    }

    private func within(_ name: String, _ endings: [String]) throws -> [String] {
        guard let walk = FileManager.default.enumerator(atPath: path(name)) else {
            throw UnusableSource("source \(source): \(name) cannot be listed")
        }
        var found: [String] = []
        while let inside = walk.nextObject() as? String {
            guard endings.contains(where: { inside.hasSuffix($0) }) else { continue }
            found.append(name + (name.hasSuffix("/") ? "" : "/") + inside)
            guard found.count <= SourceFiles.mostFiles else {
                throw UnusableSource("source \(source): \(name) has more than \(SourceFiles.mostFiles) files")
            }
        }
        return found.sorted()
    }

    private func file(_ name: String) throws -> File {
        guard let handle = FileHandle(forReadingAtPath: path(name)) else {
            throw UnusableSource("source \(source): \(name) cannot be read by this user")
        }
        defer { try? handle.close() }
        let data: Data
        do { data = try handle.read(upToCount: SourceFiles.most + 1) ?? Data() } catch {
            throw UnusableSource("source \(source): \(name) cannot be read")
        }
        guard data.count <= SourceFiles.most, !data.contains(0), let text = String(validating: data, as: UTF8.self)
        else {
            throw UnusableSource(
                "source \(source): \(name) holds bytes that are no text, or more than \(SourceFiles.most >> 20) MB"
            )
        }
        return File(name: name, text: text)
    }

    private func path(_ name: String) -> String { name.hasPrefix("/") ? name : folder + "/" + name }
}

import Foundation
import SystemPackage

/// The folder that DAG files are written to.
public struct DAGFolder: Sendable {
    /// The folder's path.
    public let path: String

    /// What writing one file did or would have done.
    public enum Change: String, Sendable, Hashable {
        case created
        case updated
        case unchanged
        /// Somebody edited the generated file: it was left as it is.
        case edited
        /// The file is not Bailey's: it was left as it is.
        case foreign
    }

    /// A folder.
    public init(path: String) { self.path = path }

    /// Writes a generated DAG file; a file that was edited by hand, or is not Bailey's, is left alone unless `force` is given.
    ///
    /// - Throws: `DAGFolderError`; the old file is then as it was.
    public func write(_ file: DAGFile, force: Bool = false) throws(DAGFolderError) -> Change {
        let place = path + "/" + file.name
        if let data = FileManager.default.contents(atPath: place) {
            let old = String(decoding: data, as: UTF8.self)
            if old == file.text { return .unchanged }
            switch DAGFile.origin(of: old) {
            case .untouched: break
            case .edited: if !force { return .edited }
            case .foreign: if !force { return .foreign }
            }
            try replace(place, with: file.text)
            return .updated
        }
        try replace(place, with: file.text)
        return .created
    }

    /// Writes a note beside the DAG files, if it changed.
    ///
    /// - Throws: `DAGFolderError`.
    public func write(note text: String, name: String) throws(DAGFolderError) -> Change {
        let place = path + "/" + name
        let old = FileManager.default.contents(atPath: place)
        if old == Data(text.utf8) { return .unchanged }
        try replace(place, with: text)
        return old == nil ? .created : .updated
    }

    /// Puts a text in a file's place at one stroke: a new file beside it, forced to disk, then renamed. Who may read the file stays as it was.
    func replace(_ place: String, with text: String) throws(DAGFolderError) {
        let draft = FilePath(place + ".bailey-\(UUID().uuidString)")
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            var before = stat()
            let isThere = stat(place, &before) == 0
            let file = try FileDescriptor.open(
                draft,
                .writeOnly,
                options: [.create, .exclusiveCreate, .noFollow, .closeOnExec],
                // Of a new file the user's mask decides.
                permissions: isThere ? .ownerReadWrite : FilePermissions(rawValue: 0o666)
            )
            try file.closeAfter {
                if isThere {
                    // To give a file away may not be allowed; its group at least is kept where it can be.
                    if fchown(file.rawValue, before.st_uid, before.st_gid) != 0 {
                        _ = fchown(file.rawValue, uid_t.max, before.st_gid)
                    }
                    guard fchmod(file.rawValue, before.st_mode & 0o7777) == 0 else { throw Errno(rawValue: errno) }
                }
                try file.writeAll(text.utf8)
                guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
            }
            guard rename(draft.string, place) == 0 else { throw Errno(rawValue: errno) }
        } catch {
            unlink(draft.string)
            throw DAGFolderError(place: place, found: "\(error)")
        }
    }
}

/// Why a DAG file could not be written.
public struct DAGFolderError: Error, Sendable, CustomStringConvertible {
    let place: String
    let found: String

    /// One line: what was being done, where, what was found, what to do.
    public var description: String {
        "writing \(place): \(found). The file that was there is unchanged; see whether the disk is full and the folder writable"
    }
}

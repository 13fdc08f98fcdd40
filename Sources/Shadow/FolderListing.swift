import Foundation

/// What lies below a folder: its plain files, and what else is there, which nobody compares and nobody is to miss.
struct FolderListing {
    /// What is no plain file, or cannot be named or read.
    struct Other: Sendable, Hashable {
        /// Its path from the folder on; bytes that are no UTF-8 are spelled out.
        var name: String
        /// What it is.
        var why: String
    }

    /// The plain files, as paths from the folder on, in order.
    private(set) var files: [String] = []
    /// What is none, in order.
    private(set) var others: [Other] = []
    private static let most = 100_000

    /// Reads a folder; nothing where there is none.
    init(_ folder: String) {
        var left = [""]
        while let next = left.popLast() {
            guard files.count < FolderListing.most else {
                others.append(Other(name: next, why: "there are more than \(FolderListing.most) files"))
                break
            }
            guard let names = FolderListing.names(in: next.isEmpty ? folder : "\(folder)/\(next)") else {
                if !next.isEmpty { others.append(Other(name: next, why: "it is a folder that cannot be read")) }
                continue
            }
            for bytes in names {
                let place = next.isEmpty ? "" : next + "/"
                guard let name = String(validating: bytes, as: UTF8.self) else {
                    others.append(Other(name: place + FolderListing.spelled(bytes), why: "its name is no UTF-8"))
                    continue
                }
                switch FolderListing.kind("\(folder)/\(place)\(name)") {
                case S_IFDIR: left.append(place + name)
                case S_IFREG: files.append(place + name)
                case S_IFLNK: others.append(Other(name: place + name, why: "it is a link"))
                case S_IFIFO: others.append(Other(name: place + name, why: "it is a pipe"))
                default: others.append(Other(name: place + name, why: "it is no file"))
                }
            }
        }
        files.sort()
        others.sort { $0.name < $1.name }
    }

    /// What a path is, the last link of which is not followed: a body may have laid one to anywhere.
    static func kind(_ path: String) -> UInt32 {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : 0
    }

    /// The names in a folder as the bytes that they are; nil if it cannot be read.
    private static func names(in folder: String) -> [[UInt8]]? {
        guard let directory = opendir(folder) else { return nil }
        defer { closedir(directory) }
        var names: [[UInt8]] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
        }
        return names
    }

    private static func spelled(_ bytes: [UInt8]) -> String {
        bytes.map { byte in
            byte < 0x80 ? String(UnicodeScalar(byte)) : "\\x" + String(byte, radix: 16)
        }.joined()
    }
}

import Foundation
public import SystemPackage

/// A file without a name that holds a text, at its start. Through a pipe, a child that ends without reading its input would break
/// the program (swift-subprocess 1.0.2 traps when it cannot write). The caller closes it.
public func namelessFile(holding text: String) throws -> FileDescriptor {
    let path = FilePath(FileManager.default.temporaryDirectory.path + "/bailey-input-\(UUID().uuidString)")
    let file = try FileDescriptor.open(
        path,
        .readWrite,
        options: [.create, .exclusiveCreate, .closeOnExec],
        permissions: .ownerReadWrite
    )
    do {
        guard unlink(path.string) == 0 else { throw Errno(rawValue: errno) }
        try file.writeAll(text.utf8)
        try file.seek(offset: 0, from: .start)
    } catch {
        try? file.close()
        throw error
    }
    return file
}

import Foundation

/// Paths that somebody gives for what Bailey is to write.
package enum WrittenPath {
    /// Where a path leads through links, also to what is not there yet: a file takes the place of that, and not of the link.
    package static func linked(_ path: String) -> String {
        var path = path
        // As many as the kernel follows.
        for _ in 0..<40 {
            guard let next = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else { break }
            path = URL(fileURLWithPath: next, relativeTo: URL(fileURLWithPath: path).deletingLastPathComponent()).path
        }
        return path
    }
}

import Foundation
import Settings

extension Workspace {
    /// Refuses files and folders of the workspace that belong to somebody else; those that are not there are nobody's.
    ///
    /// - Throws: `OperationFailure`.
    static func refuseOthers(_ paths: [String], _ safeFolder: SafeFolder?, config: String) throws {
        guard let safeFolder else { return }
        for path in paths where SafeFolder.exists(path) {
            guard let reason = safeFolder.refusal(of: path) else { continue }
            throw OperationFailure(
                .usage,
                "\(reason). What it says is run, so Bailey does not take it up by itself. If you trust it, name it: --config \(config)"
            )
        }
    }
}

extension SafeFolder {
    /// The rule for the user that runs this program.
    static var ofThisProcess: SafeFolder {
        SafeFolder(user: geteuid(), sudo: ProcessInfo.processInfo.environment["SUDO_UID"]) { path in
            var owners: Set<UInt32> = []
            var found = stat()
            if lstat(path, &found) == 0 { owners.insert(found.st_uid) }
            if stat(path, &found) == 0 { owners.insert(found.st_uid) }
            return owners
        }
    }

    /// Whether there is something by that name, be it a link that leads nowhere.
    static func exists(_ path: String) -> Bool {
        var found = stat()
        return lstat(path, &found) == 0
    }
}

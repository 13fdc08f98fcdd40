import Foundation
import Settings

/// Where queue profiles are found: the workspace's own folder, else those that come with Bailey.
public struct QueueProfiles: Sendable, Hashable {
    private let folder: String
    private let shown: String

    /// Profiles of a workspace.
    ///
    /// - Parameters:
    ///   - folder: the absolute folder of its own ones.
    ///   - shown: that folder as people know it.
    public init(folder: String, shown: String) {
        self.folder = folder
        self.shown = shown
    }

    /// The profile of a name.
    ///
    /// - Throws: `UnusableSource` if there is none, `SettingsError` if it is wrong.
    public func profile(_ name: String) throws -> QueueProfile {
        let file = "\(shown)/\(name).yaml"
        if let data = FileManager.default.contents(atPath: "\(folder)/\(name).yaml") {
            guard let text = String(validating: data, as: UTF8.self) else {
                throw UnusableSource("\(file) is not UTF-8")
            }
            return try QueueProfile(yaml: text, file: file)
        }
        guard let text = QueueProfile.shipped[name] else {
            let known = QueueProfile.shipped.keys.sorted().joined(separator: ", ")
            throw UnusableSource(
                "there is no queue profile “\(name)”; write one as \(file). Bailey comes with \(known)"
            )
        }
        return try QueueProfile(yaml: text, file: "profiles/\(name).yaml")
    }
}

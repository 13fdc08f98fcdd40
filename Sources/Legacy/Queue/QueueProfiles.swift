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

    /// The profile of a workflow's tables, which is always somebody's own.
    ///
    /// - Throws: `UnusableSource` if there is none, `SettingsError` if it is wrong.
    public func workflow(_ name: String) throws -> WorkflowProfile {
        guard let (text, file) = try own(name) else {
            throw UnusableSource("there is no profile “\(name)” of a workflow; write one as \(shown)/\(name).yaml")
        }
        return try WorkflowProfile(yaml: text, file: file)
    }

    private func own(_ name: String) throws -> (text: String, file: String)? {
        let file = "\(shown)/\(name).yaml"
        guard let data = FileManager.default.contents(atPath: "\(folder)/\(name).yaml") else { return nil }
        guard let text = String(validating: data, as: UTF8.self) else { throw UnusableSource("\(file) is not UTF-8") }
        return (text, file)
    }

    /// The profile of a name.
    ///
    /// - Throws: `UnusableSource` if there is none, `SettingsError` if it is wrong.
    public func profile(_ name: String) throws -> QueueProfile {
        if let (text, file) = try own(name) { return try QueueProfile(yaml: text, file: file) }
        guard let text = QueueProfile.shipped[name] else {
            let known = QueueProfile.shipped.keys.sorted().joined(separator: ", ")
            throw UnusableSource(
                "there is no queue profile “\(name)”; write one as \(shown)/\(name).yaml. Bailey comes with \(known)"
            )
        }
        return try QueueProfile(yaml: text, file: "profiles/\(name).yaml")
    }
}

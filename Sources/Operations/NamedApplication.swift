import Legacy
import Settings

/// A Celery application that a person names for one import: `MODULE:APP`, or `SOURCE=MODULE:APP` where several sources could mean it.
package struct NamedApplication: Sendable {
    private let source: String?
    private let app: String
    private let environment: String?

    /// Reads what was written.
    package init(_ text: String, environment: String?) {
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        source = parts.count == 2 ? parts[0] : nil
        app = parts.last ?? ""
        self.environment = environment
    }

    /// A workspace's systems, the one that is meant with the application's code.
    ///
    /// - Throws: `OperationFailure` if none is meant, or several may be; `UnusableSource` if there is no such environment.
    func systems(_ workspace: Workspace) throws -> [any LegacySystem] {
        let code = try workspace.interpreters.code(app, environment: environment)
        let able = workspace.systems.filter { (source ?? $0.name) == $0.name && $0.reading(code) != nil }
        guard let meant = able.first else {
            throw OperationFailure(
                .usage,
                source.map { "there is no source “\($0)” of kind celery in \(workspace.settings.file)" }
                    ?? "--from-app is for a source of kind celery, and \(workspace.settings.file) has none"
            )
        }
        guard able.count == 1 else {
            throw OperationFailure(
                .usage,
                "--from-app \(app) may be of \(able.map(\.name).joined(separator: " or ")); write --from-app \(meant.name)=\(app)"
            )
        }
        return workspace.systems.map { $0.name == meant.name ? $0.reading(code) ?? $0 : $0 }
    }
}

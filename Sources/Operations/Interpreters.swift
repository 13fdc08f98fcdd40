package import Legacy
import Processes
import Settings

/// The interpreters of `bailey.yaml`, as the code of Celery applications is loaded in them.
package struct Interpreters: Sendable {
    let environments: [String: EnvironmentSettings]
    let folder: String
    let file: String

    /// The code of an application.
    ///
    /// - Parameters:
    ///   - environment: a name under `environments`; nil for the only one there is, or `python3`.
    ///   - timeout: seconds that its modules may take to load; half a minute where nothing is said.
    /// - Throws: `UnusableSource` if there is none of that name.
    package func code(_ app: String, environment: String?, timeout: Double? = nil) throws -> ApplicationCode {
        let only = environments.count == 1 ? environments.first?.value : nil
        guard let settings = environment.map({ environments[$0] }) ?? only ?? EnvironmentSettings(python: "python3")
        else {
            let known = environments.keys.sorted().joined(separator: ", ")
            throw UnusableSource(
                "there is no environment “\(environment ?? "")” in \(file)\(known.isEmpty ? "" : ", which has \(known)"); write it under “environments”"
            )
        }
        return ApplicationCode(
            name: app,
            python: PythonChild(
                interpreter: settings.python,
                path: settings.path.map { $0.hasPrefix("/") ? $0 : folder + "/" + $0 },
                variables: settings.variables,
                folder: folder,
                guardProgram: BodyGuard.program
            ),
            secrets: settings.variables.values.filter { $0.contains("://") || $0.count > 12 },
            seconds: timeout ?? 30
        )
    }
}

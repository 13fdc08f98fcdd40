import Airflow
import Foundation
import Settings

/// The way to the workspace's Airflow.
extension Desk {
    /// Where the Airflow is and who asks it; nil if `bailey.yaml` names none.
    ///
    /// - Throws: `AirflowError` if what it says cannot be used.
    func airflowAccess() throws(AirflowError) -> AirflowAccess? {
        let settings = workspace.airflow
        guard let url = settings.url else { return nil }
        return try AirflowAccess(
            url: url,
            user: settings.user,
            password: settings.password,
            authorities: settings.authorities.map(absolute),
            certificate: settings.certificate.map(absolute),
            key: settings.key.map(absolute)
        )
    }

    /// Connects to the Airflow, and hands the client to a body.
    ///
    /// - Parameter purpose: what needs it, for the message if `bailey.yaml` names none.
    func withAirflow<Value>(_ purpose: String, _ body: (AirflowClient) async throws -> Value) async throws -> Value {
        guard let access = try airflowAccess() else {
            throw CommandFailure(
                .usage,
                "\(purpose) needs target.airflow.url (and user and password) in \(workspace.file)"
            )
        }
        return try await AirflowClient.with(access, now: currentInstant, sleep: pause, body)
    }
}

/// Waits on the machine's clock.
@Sendable func pause(seconds: Double) async throws { try await Task.sleep(for: .seconds(seconds)) }

import LosslessJSON
public import NIOCore

/// Sends alerts all the ways there are. One way that fails keeps no other from being tried.
public struct AlertSender: Sendable {
    private let channels: [AlertChannel]
    private let secrets: [String]
    private let timeout: TimeAmount

    /// A sender.
    ///
    /// - Parameters:
    ///   - secrets: texts that must never leave, such as passwords in the URLs of the workspace.
    ///   - timeout: for each way.
    public init(channels: [AlertChannel], secrets: [String], timeout: TimeAmount = .seconds(10)) {
        self.channels = channels
        self.secrets = secrets
        self.timeout = timeout
    }

    /// Sends an alert.
    ///
    /// - Returns: the ways that failed; empty if all took it.
    public func send(_ alert: Alert) async -> [AlertError] {
        let clean = alert.without(secrets)
        return await withTaskGroup(of: AlertError?.self) { group in
            for channel in channels {
                group.addTask {
                    do throws(AlertError) {
                        try await send(clean, by: channel)
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            var failures: [AlertError] = []
            for await failure in group { if let failure { failures.append(failure) } }
            return failures
        }
    }

    private func send(_ alert: Alert, by channel: AlertChannel) async throws(AlertError) {
        switch channel {
        case .webhook(let url): try await Webhook.post(alert, to: url, channel, timeout: timeout)
        case .email(let relay): try await relay.send(alert, channel, timeout: timeout)
        case .command(let words, let variables):
            try await AlertCommand.run(words, variables, alert, channel, timeout: timeout)
        }
    }
}

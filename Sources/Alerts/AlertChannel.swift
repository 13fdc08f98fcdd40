/// Where alerts go.
public enum AlertChannel: Sendable, Hashable {
    /// A URL that takes a Slack-shaped body. The URL is a secret.
    case webhook(String)
    /// A mail relay.
    case email(MailRelay)
    /// A program and its arguments, and the variables that it gets beside the plain ones.
    case command([String], variables: [String: String] = [:])

    /// What people may see of it: never the webhook's path, which is its password.
    public var name: String {
        switch self {
        case .webhook(let url): "webhook at \(Webhook.host(of: url))"
        case .email(let relay): "mail relay \(relay.host):\(relay.port)"
        case .command(let words, _): "command \(words.first ?? "")"
        }
    }
}

/// An alert that could not be sent one of the ways.
public struct AlertError: Error, Sendable, CustomStringConvertible {
    /// One line: the way, what was found, what to do. Never a secret.
    public let description: String

    init(_ channel: AlertChannel, _ found: String, _ advice: String) {
        description = "sending an alert by \(channel.name): \(found). \(advice)"
    }
}

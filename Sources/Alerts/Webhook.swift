import AsyncHTTPClient
import Foundation
import LosslessJSON
import NIOCore
import NIOHTTP1

/// A POST of `{"text": …}`, which Slack, Mattermost, Rocket.Chat and others take.
enum Webhook {
    static func post(_ alert: Alert, to url: String, _ channel: AlertChannel, timeout: TimeAmount)
        async throws(AlertError)
    {
        let status: HTTPResponseStatus
        do {
            var request = HTTPClientRequest(url: url)
            request.method = .POST
            request.headers.add(name: "Content-Type", value: "application/json; charset=utf-8")
            request.body = .bytes(ByteBuffer(string: JSON.object(["text": .string(alert.line)]).text()))
            status = try await HTTPClient.shared.execute(request, timeout: timeout).status
        } catch let error as HTTPClientError {
            // The client's own words may hold the URL.
            throw AlertError(channel, error.shortDescription, "See whether the address is right and can be reached")
        } catch {
            throw AlertError(channel, "\(type(of: error))", "See whether the address is right and can be reached")
        }
        guard (200..<300).contains(status.code) else {
            throw AlertError(channel, "it answered \(status.code)", "See whether the webhook still exists")
        }
    }

    /// The host of a URL, without user, path or query.
    static func host(of url: String) -> String { URL(string: url)?.host() ?? "an address that is no URL" }
}

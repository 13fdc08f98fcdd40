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
        // The URL is the password: where somebody sends its post on is not followed.
        let client = HTTPClient(
            eventLoopGroupProvider: .singleton,
            configuration: HTTPClient.Configuration(redirectConfiguration: .disallow)
        )
        let result = await post(alert, to: url, channel, timeout: timeout, by: client)
        try? await client.shutdown()
        let status = try result.get()
        guard !(300..<400).contains(status.code) else {
            throw AlertError(
                channel,
                "it answered \(status.code), which sends the post somewhere else, and no redirect is followed",
                "Write the address that it leads to, if that is yours"
            )
        }
        guard (200..<300).contains(status.code) else {
            throw AlertError(channel, "it answered \(status.code)", "See whether the webhook still exists")
        }
    }

    private static func post(
        _ alert: Alert,
        to url: String,
        _ channel: AlertChannel,
        timeout: TimeAmount,
        by client: HTTPClient
    ) async -> Result<HTTPResponseStatus, AlertError> {
        do {
            var request = HTTPClientRequest(url: url)
            request.method = .POST
            request.headers.add(name: "Content-Type", value: "application/json; charset=utf-8")
            request.body = .bytes(ByteBuffer(string: JSON.object(["text": .string(alert.line)]).text()))
            return .success(try await client.execute(request, timeout: timeout).status)
        } catch let error as HTTPClientError {
            // The client's own words may hold the URL.
            return .failure(AlertError(channel, error.shortDescription, advice))
        } catch {
            return .failure(AlertError(channel, "\(type(of: error))", advice))
        }
    }

    private static let advice = "See whether the address is right and can be reached"

    /// The host of a URL, without user, path or query.
    static func host(of url: String) -> String { URL(string: url)?.host() ?? "an address that is no URL" }
}

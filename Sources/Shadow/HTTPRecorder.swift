import Foundation
import LosslessJSON
import Migration
import NIOCore
import NIOHTTP1
import NIOPosix
import Processes
import Synchronization

/// Where a sandboxed body's calls over HTTP end: each is recorded, and answered as the mapping says or refused. Nothing leaves the machine.
final class HTTPRecorder: Sendable {
    /// What is kept of all calls of one run.
    private static let most = 1000

    private let channel: any Channel
    private let heard: Calls
    /// Its port on this machine.
    let port: Int

    /// What was heard so far.
    fileprivate final class Calls: Sendable {
        let answers: [EffectRules.Answer]
        private let heard = Mutex<(kept: [JSON], dropped: Int)>(([], 0))

        init(_ answers: [EffectRules.Answer]) { self.answers = answers }

        var all: (kept: [JSON], dropped: Int) { heard.withLock { $0 } }

        func add(_ call: JSON) {
            heard.withLock { heard in
                if heard.kept.count < HTTPRecorder.most { heard.kept.append(call) } else { heard.dropped += 1 }
            }
        }
    }

    /// Begins to listen.
    ///
    /// - Throws: an error of the system.
    init(_ answers: [EffectRules.Answer]) async throws {
        let calls = Calls(answers)
        heard = calls
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: false)
                    try channel.pipeline.syncOperations.addHandler(HTTPCallHandler(calls))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    deinit { channel.close(promise: nil) }

    /// The calls that came, in their order: `method`, `url`, `bytes` and `sha256` of the body, `status` of the answer, `answered_by`.
    var calls: [JSON] { heard.all.kept }

    /// How many more came than are kept.
    var dropped: Int { heard.all.dropped }

    /// Where the hosts of the answers are, for a body that goes to them directly: in a range that is nobody's (RFC 2544), led here.
    var hosts: [(name: String, address: String, place: String)] {
        var seen: [String: (name: String, address: String, place: String)] = [:]
        var order: [String] = []
        for answer in heard.answers {
            guard let parts = URLComponents(string: answer.url), let host = parts.host else { continue }
            let key = "\(host):\(parts.port ?? 80)"
            guard seen[key] == nil, order.count < 200 else { continue }
            let address = seen.values.first { $0.name == host }?.address ?? "198.18.0.\(order.count + 1)"
            seen[key] = (host, address, "\(address):\(parts.port ?? 80)>127.0.0.1:\(port)")
            order.append(key)
        }
        return order.compactMap { seen[$0] }
    }
}

/// One connection of a body's.
private final class HTTPCallHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let calls: HTTPRecorder.Calls
    private var head: HTTPRequestHead?
    private var hash = SHA256()
    private var bytes = 0

    init(_ calls: HTTPRecorder.Calls) { self.calls = calls }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            (hash, bytes) = (SHA256(), 0)
            // Whoever waits for it before sending a body gets it: the body is what is to be seen.
            if head.headers["expect"].contains(where: { $0.lowercased() == "100-continue" }) {
                context.writeAndFlush(
                    wrapOutboundOut(.head(HTTPResponseHead(version: head.version, status: .continue))),
                    promise: nil
                )
            }
        case .body(let part):
            hash.update(Array(part.readableBytesView))
            bytes += part.readableBytes
        case .end:
            guard let head else { return }
            answer(head, context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        calls.add([
            "method": .null, "url": .null, "bytes": .null, "sha256": .null, "status": .null, "answered_by": .null,
        ])
        context.close(promise: nil)
    }

    private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let isTunnel = head.method == .CONNECT
        let host = head.headers["host"].first ?? ""
        let url = isTunnel ? "https://\(head.uri)" : head.uri.hasPrefix("/") ? "http://\(host)\(head.uri)" : head.uri
        let rule = isTunnel ? nil : calls.answers.first { $0.answers(head.method.rawValue, url) }
        let status = rule?.status ?? 403
        calls.add([
            "method": .string(head.method.rawValue), "url": .string(String(url.prefix(2000))),
            "bytes": isTunnel ? .null : .number(JSONNumber(bytes)), "sha256": isTunnel ? .null : .string(hash.hex()),
            "status": .number(JSONNumber(status)), "answered_by": .string(rule == nil ? "refused" : "mapping"),
        ])
        let text = rule == nil ? "refused: in shadow this call is only recorded\n" : rule?.body.map { $0.text() } ?? ""
        var buffer = context.channel.allocator.buffer(capacity: text.utf8.count)
        buffer.writeString(text)
        var response = HTTPResponseHead(version: head.version, status: HTTPResponseStatus(statusCode: status))
        response.headers.add(name: "content-type", value: rule?.body == nil ? "text/plain" : "application/json")
        response.headers.add(name: "content-length", value: String(text.utf8.count))
        response.headers.add(name: "connection", value: "close")
        context.write(wrapOutboundOut(.head(response)), promise: nil)
        if head.method != .HEAD { context.write(wrapOutboundOut(.body(.byteBuffer(buffer))), promise: nil) }
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
    }
}

extension EffectRules.Answer {
    /// Whether a call is one of the rule's.
    fileprivate func answers(_ method: String, _ url: String) -> Bool {
        guard method == self.method else { return false }
        func plain(_ text: String) -> String {
            guard let parts = URLComponents(string: text) else { return text }
            let port = parts.port ?? 80
            let path = parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath
            return "\(parts.host?.lowercased() ?? ""):\(port)\(path)"
        }
        guard plain(url) == plain(self.url) else { return false }
        let wanted = URLComponents(string: self.url)?.percentEncodedQuery
        return wanted == nil || wanted == URLComponents(string: url)?.percentEncodedQuery
    }
}

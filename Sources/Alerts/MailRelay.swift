import NIOCore
import NIOPosix

/// A mail relay that takes mail from this machine without a password (RFC 5321). No TLS and no login: put a local relay in between where
/// the next one wants either.
public struct MailRelay: Sendable, Hashable {
    /// The relay's host.
    public var host: String
    /// Its port.
    public var port: Int
    /// The sender's address.
    public var from: String
    /// The receivers' addresses.
    public var to: [String]

    /// Makes a relay.
    public init(host: String, port: Int, from: String, to: [String]) {
        self.host = host
        self.port = port
        self.from = from
        self.to = to
    }

    func send(_ alert: Alert, _ channel: AlertChannel, timeout: TimeAmount) async throws(AlertError) {
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await converse(alert, timeout: timeout) }
                group.addTask {
                    try await Task.sleep(for: .nanoseconds(timeout.nanoseconds))
                    throw SMTPRefusal("no answer within \(timeout.nanoseconds / 1_000_000_000) s")
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch let refusal as SMTPRefusal {
            throw AlertError(channel, refusal.found, "See the relay's log, and whether it relays for this machine")
        } catch {
            throw AlertError(channel, "\(error)", "See whether a relay listens there")
        }
    }

    private func converse(_ alert: Alert, timeout: TimeAmount) async throws {
        let connection = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(timeout)
            .connect(host: host, port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(SMTPLines()))
                    return try NIOAsyncChannel<String, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        let name = MailRelay.literal(connection.channel.localAddress)
        try await connection.executeThenClose { inbound, outbound in
            var replies = SMTPReplies(lines: inbound.makeAsyncIterator())
            func ask(_ command: String) async throws -> SMTPReply {
                try await outbound.write(ByteBuffer(string: command + "\r\n"))
                return try await replies.next(after: command)
            }
            _ = try await replies.next(after: "connecting").wanted(2)
            // A relay that does not know EHLO knows HELO (RFC 5321 §3.2).
            if try await ask("EHLO \(name)").code / 100 != 2 { _ = try await ask("HELO \(name)").wanted(2) }
            _ = try await ask("MAIL FROM:<\(from)>").wanted(2)
            var refused: [SMTPReply] = []
            for address in to {
                let reply = try await ask("RCPT TO:<\(address)>")
                if reply.code / 100 != 2 { refused.append(reply) }
            }
            if refused.count == to.count, let first = refused.first { _ = try first.wanted(2) }
            _ = try await ask("DATA").wanted(3)
            try await outbound.write(ByteBuffer(string: MailMessage(alert, from: from, to: to).data))
            _ = try await replies.next(after: "the message").wanted(2)
            // The relay has taken the mail; what it says to a farewell does not matter.
            _ = try? await ask("QUIT")
            if let first = refused.first { _ = try first.wanted(2) }
        }
    }

    /// The machine's own address as EHLO takes it where no name is known (RFC 5321 §4.1.3).
    private static func literal(_ address: SocketAddress?) -> String {
        switch address {
        case .v6: "[IPv6:\(address?.ipAddress ?? "::1")]"
        default: "[\(address?.ipAddress ?? "127.0.0.1")]"
        }
    }
}

/// What the relay found wrong.
struct SMTPRefusal: Error {
    let found: String

    init(_ found: String) { self.found = found }
}

/// A reply of the relay: a code and the last line's text.
struct SMTPReply {
    let command: String
    let code: Int
    let text: String

    /// The reply, if its code begins with that digit.
    func wanted(_ digit: Int) throws -> SMTPReply {
        guard code / 100 == digit else { throw SMTPRefusal("the relay answered “\(code) \(text)” to \(command)") }
        return self
    }
}

/// Reads replies of one or more lines (RFC 5321 §4.2.1).
struct SMTPReplies {
    private var lines: NIOAsyncChannelInboundStream<String>.AsyncIterator

    init(lines: NIOAsyncChannelInboundStream<String>.AsyncIterator) { self.lines = lines }

    mutating func next(after command: String) async throws -> SMTPReply {
        while let line = try await lines.next(isolation: #isolation) {
            guard let code = Int(line.prefix(3)), line.prefix(3).utf8.count == 3 else {
                throw SMTPRefusal("the relay answered “\(line.prefix(80))” to \(command), which is no SMTP")
            }
            if line.dropFirst(3).first == "-" { continue }
            return SMTPReply(command: command, code: code, text: String(line.dropFirst(4).prefix(200)))
        }
        throw SMTPRefusal("the relay closed the connection after \(command)")
    }
}

/// Cuts what comes into lines.
struct SMTPLines: ByteToMessageDecoder {
    typealias InboundOut = String

    mutating func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        guard let end = buffer.readableBytesView.firstIndex(of: 10) else {
            // A reply line has at most 512 bytes (RFC 5321 §4.5.3.1.5); who sends far more is no relay.
            if buffer.readableBytes > 8192 { throw SMTPRefusal("the relay sent a line without an end") }
            return .needMoreData
        }
        let length = end - buffer.readerIndex
        let line = buffer.readSlice(length: length).map { String(buffer: $0) } ?? ""
        buffer.moveReaderIndex(forwardBy: 1)
        context.fireChannelRead(wrapInboundOut(line.hasSuffix("\r") ? String(line.dropLast()) : line))
        return .continue
    }

    mutating func decodeLast(context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool) throws
        -> DecodingState
    {
        try decode(context: context, buffer: &buffer)
    }
}

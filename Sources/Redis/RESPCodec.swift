import CHiredis
import NIOCore
import Transport

/// Commands to write, and what to call with their replies.
struct RESPRequest: Sendable {
    var commands: [RedisCommand]
    /// Called once, with one reply per command or with why there are none.
    var reply: @Sendable (Result<[RedisValue], RedisError>) -> Void
}

/// hiredis' formatter and reader on a channel. Confined to its event loop.
final class RESPCodec: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = RESPRequest
    typealias OutboundOut = ByteBuffer

    private let reader: UnsafeMutablePointer<redisReader>
    private let address: String
    private let push: (@Sendable (RedisValue) -> Void)?
    private var waiting = CircularBuffer<RESPRequest>()
    /// Replies of the request at the head; a stored property, so that appending never copies.
    private var current: [RedisValue] = []
    private var failure: RedisError?
    /// Bytes that came since the last whole reply.
    private var pending = 0
    /// The most bytes that one reply may have: as many as Redis lets one value have.
    static let mostBytes = 512 * 1024 * 1024
    /// The most parts that one array may have: hiredis makes room for all of them as soon as their number is told.
    static let mostParts: Int32 = 16_000_000

    private typealias Functions = UnsafeMutablePointer<redisReplyObjectFunctions>
    private nonisolated(unsafe) static let standard: Functions? = {  // safe: hiredis' own constant, only read
        let reader = redisReaderCreate()
        defer { redisReaderFree(reader) }
        return reader?.pointee.fn
    }()
    private nonisolated(unsafe) static let bounded: Functions? = {  // safe: written here, then only read
        guard let standard else { return nil }
        let own = Functions.allocate(capacity: 1)
        own.initialize(to: standard.pointee)
        own.pointee.createArray = { task, count in
            count <= RESPCodec.mostParts ? RESPCodec.standard?.pointee.createArray(task, count) : nil
        }
        return own
    }()

    /// - Parameter push: takes every reply that nobody waits for (messages of subscriptions).
    init(address: String, push: (@Sendable (RedisValue) -> Void)?) {
        guard let reader = redisReaderCreate() else { preconditionFailure("out of memory") }
        reader.pointee.fn = RESPCodec.bounded
        self.reader = reader
        self.address = address
        self.push = push
    }

    deinit { redisReaderFree(reader) }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let request = unwrapOutboundIn(data)
        if let failure {
            request.reply(.failure(failure))
            promise?.fail(failure)
            return
        }
        var buffer = context.channel.allocator.buffer(capacity: 64 * request.commands.count)
        for command in request.commands { RESPCodec.format(command, into: &buffer) }
        waiting.append(request)
        context.write(wrapOutboundOut(buffer), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        // The reader moves its buffer at each kilobyte it has read, so it gets small slices.
        while buffer.readableBytes > 0, failure == nil,
            let slice = buffer.readSlice(length: min(16 * 1024, buffer.readableBytes))
        {
            pending += slice.readableBytes
            guard pending <= RESPCodec.mostBytes else {
                fail(
                    RedisError(
                        .overflow,
                        address: address,
                        operation: "reading an answer",
                        found: "one answer has more than \(RESPCodec.mostBytes >> 20) MB",
                        advice:
                            "See whether the address is that of the Redis with the schedule, and what it keeps there"
                    )
                )
                context.close(promise: nil)
                return
            }
            slice.withUnsafeReadableBytes { bytes in
                _ = redisReaderFeed(reader, bytes.bindMemory(to: CChar.self).baseAddress, bytes.count)
            }
            drain(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(
            RedisError(
                .closed,
                address: address,
                operation: "waiting for an answer",
                found: "the connection was closed",
                advice: "See whether Redis is still running, then run the command again"
            )
        )
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let fault = TLSFault(error) {
            fail(.tls(fault, address: address))
        } else {
            fail(
                RedisError(
                    .closed,
                    address: address,
                    operation: "talking",
                    found: "\(error)",
                    advice: "See whether the address and TLS settings are right"
                )
            )
        }
        context.close(promise: nil)
    }

    private func drain(_ context: ChannelHandlerContext) {
        while true {
            var raw: UnsafeMutableRawPointer?
            guard redisReaderGetReply(reader, &raw) == REDIS_OK else {
                let isEndless = reader.pointee.err == REDIS_ERR_OOM
                fail(
                    RedisError(
                        .protocol,
                        address: address,
                        operation: "reading an answer",
                        found: isEndless
                            ? "an array of more than \(RESPCodec.mostParts) parts, or no memory for it"
                            : "bytes that are not RESP 2",
                        advice: "See whether the address is that of a Redis server"
                    )
                )
                context.close(promise: nil)
                return
            }
            guard let raw else { return }
            pending = 0
            let reply = raw.assumingMemoryBound(to: redisReply.self)
            let value = RESPCodec.value(reply.pointee)
            freeReplyObject(raw)
            deliver(value)
        }
    }

    private func deliver(_ value: RedisValue) {
        guard let head = waiting.first else {
            push?(value)
            return
        }
        current.append(value)
        if current.count == head.commands.count {
            waiting.removeFirst()
            let replies = current
            current = []
            head.reply(.success(replies))
        }
    }

    private func fail(_ error: RedisError) {
        guard failure == nil else { return }
        failure = error
        while let request = waiting.popFirst() { request.reply(.failure(error)) }
    }

    private static func format(_ command: RedisCommand, into buffer: inout ByteBuffer) {
        let flat = command.words.flatMap { $0 }.map { CChar(bitPattern: $0) }
        let lengths = command.words.map(\.count)
        flat.withUnsafeBufferPointer { bytes in
            // An empty array has no address; hiredis never reads through it then.
            let base = bytes.baseAddress ?? UnsafePointer(bitPattern: 8)
            var pointers: [UnsafePointer<CChar>?] = []
            var offset = 0
            for length in lengths {
                pointers.append(base.map { $0 + offset })
                offset += length
            }
            var target: UnsafeMutablePointer<CChar>?
            let size = redisFormatCommandArgv(&target, Int32(lengths.count), &pointers, lengths)
            if let target, size > 0 { buffer.writeBytes(UnsafeRawBufferPointer(start: target, count: Int(size))) }
            redisFreeCommand(target)
        }
    }

    private static func value(_ reply: redisReply) -> RedisValue {
        func bytes() -> [UInt8] {
            guard let start = reply.str else { return [] }
            return Array(UnsafeRawBufferPointer(start: start, count: reply.len))
        }
        switch reply.type {
        case REDIS_REPLY_INTEGER: return .integer(Int(reply.integer))
        case REDIS_REPLY_STATUS: return .status(String(decoding: bytes(), as: UTF8.self))
        case REDIS_REPLY_STRING: return .bulk(bytes())
        case REDIS_REPLY_ERROR: return .error(String(decoding: bytes(), as: UTF8.self))
        case REDIS_REPLY_ARRAY:
            return .array(
                (0..<Int(reply.elements)).map { index in reply.element[index].map { value($0.pointee) } ?? .null }
            )
        default: return .null
        }
    }
}

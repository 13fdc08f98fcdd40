import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Transport

/// One connection to a Redis server, logged in and in its database.
public final class RedisConnection: Sendable {
    /// The address without credentials.
    public let address: String
    private let channel: any Channel
    private let timeout: TimeAmount

    private init(channel: any Channel, address: String, timeout: TimeAmount) {
        self.channel = channel
        self.address = address
        self.timeout = timeout
    }

    /// Connects, logs in and selects the database.
    ///
    /// - Parameters:
    ///   - attempts: how often to try to connect, a second apart at most; a server that is starting, or that ends while the login is
    ///     under way, is tried again.
    ///   - timeoutSeconds: the time each answer may take.
    ///   - push: takes messages of subscriptions, on the event loop.
    /// - Throws: `RedisError` with the code `unreachable`, `authentication`, `timeout` or `server`.
    public static func connect(
        to url: RedisURL,
        attempts: Int = 1,
        timeoutSeconds: Double = 10,
        push: (@Sendable (RedisValue) -> Void)? = nil
    ) async throws(RedisError) -> RedisConnection {
        let timeout = TimeAmount.milliseconds(Int64(timeoutSeconds * 1000))
        var attempt = 1
        while true {
            do throws(RedisError) {
                let found = try await master(of: url, timeoutSeconds: timeoutSeconds)
                let channel = try await open(found, timeout: timeout, push: push)
                let connection = RedisConnection(channel: channel, address: found.address, timeout: timeout)
                try await connection.logIn(found)
                if found != url {
                    do throws(RedisError) { try await connection.expectMaster() } catch {
                        await connection.close()
                        throw error
                    }
                }
                return connection
            } catch {
                guard error.isOfConnecting, attempt < attempts, !Task.isCancelled else { throw error }
                attempt += 1
                try? await Task.sleep(for: .milliseconds(min(1000, 100 * attempt)))
            }
        }
    }

    /// Lends a connection for as long as a piece of work goes on: it is closed whether the work ends or fails.
    ///
    /// - Throws: `RedisError`, as `connect`; or what the work throws.
    public static func use<Value>(
        _ url: RedisURL,
        attempts: Int = 1,
        timeoutSeconds: Double = 10,
        push: (@Sendable (RedisValue) -> Void)? = nil,
        _ work: (RedisConnection) async throws -> Value
    ) async throws -> Value {
        let connection = try await connect(to: url, attempts: attempts, timeoutSeconds: timeoutSeconds, push: push)
        do {
            let value = try await work(connection)
            await connection.close()
            return value
        } catch {
            await connection.close()
            throw error
        }
    }

    /// The same for work that only asks Redis, so that nothing else can fail.
    ///
    /// - Throws: `RedisError`.
    public static func ask<Value>(
        _ url: RedisURL,
        timeoutSeconds: Double = 10,
        _ work: (RedisConnection) async throws(RedisError) -> Value
    ) async throws(RedisError) -> Value {
        let connection = try await connect(to: url, timeoutSeconds: timeoutSeconds)
        do throws(RedisError) {
            let value = try await work(connection)
            await connection.close()
            return value
        } catch {
            await connection.close()
            throw error
        }
    }

    /// Sends commands together and waits for all replies. An error the server answers to one command is that command's reply.
    ///
    /// - Throws: `RedisError` with the code `timeout` or `closed`; nothing is known then of which commands ran.
    public func pipeline(_ commands: [RedisCommand]) async throws(RedisError) -> [RedisValue] {
        guard !commands.isEmpty else { return [] }
        let operation = commands.count == 1 ? commands[0].name : "\(commands.count) commands from \(commands[0].name)"
        let promise = channel.eventLoop.makePromise(of: [RedisValue].self)
        let expired = RedisError(
            .timeout,
            address: address,
            operation: operation,
            found: "no answer within \(timeout.nanoseconds / 1_000_000_000) s",
            advice: "See whether Redis is blocked (SLOWLOG GET) or the network is down"
        )
        let channel = channel
        let deadline = channel.eventLoop.scheduleTask(in: timeout) {
            promise.fail(expired)
            // Replies that still come would answer the wrong command.
            channel.close(promise: nil)
        }
        let request = RESPRequest(commands: commands) { result in
            deadline.cancel()
            promise.completeWith(result.mapError { $0 as any Error })
        }
        let written = channel.eventLoop.makePromise(of: Void.self)
        // Once the channel's handlers have gone, nobody else would tell.
        written.futureResult.whenFailure { promise.fail($0) }
        channel.writeAndFlush(request, promise: written)
        do {
            return try await withTaskCancellationHandler {
                try await promise.futureResult.get()
            } onCancel: {
                channel.close(promise: nil)
            }
        } catch {
            throw error as? RedisError
                ?? RedisError(
                    .closed,
                    address: address,
                    operation: operation,
                    found: "\(error)",
                    advice: "Run the command again"
                )
        }
    }

    /// Sends commands that read together. What may not be read, or is elsewhere, is not absent: an error that the server answers to one of them
    /// is thrown, unless it is about that key alone, which holds something else.
    ///
    /// - Throws: `RedisError`.
    public func read(_ commands: [RedisCommand]) async throws(RedisError) -> [RedisValue] {
        let replies = try await pipeline(commands)
        for (command, reply) in zip(commands, replies) {
            guard case .error(let message) = reply, !message.hasPrefix("WRONGTYPE") else { continue }
            throw refusal(command.name, message)
        }
        return replies
    }

    /// Sends one command.
    ///
    /// - Throws: `RedisError`; `server` if the server answers with an error.
    public func send(_ command: RedisCommand) async throws(RedisError) -> RedisValue {
        let replies = try await pipeline([command])
        guard let reply = replies.first else { return .null }
        if case .error(let message) = reply { throw refusal(command.name, message) }
        return reply
    }

    /// Sends one command of texts.
    ///
    /// - Throws: as `send(_:)`.
    public func send(_ words: String...) async throws(RedisError) -> RedisValue {
        try await send(RedisCommand(words.map { Array($0.utf8) }))
    }

    /// The server's version, such as `7.0.15`.
    ///
    /// - Parameter oldest: the oldest major version that will do.
    /// - Throws: `RedisError`; `server` for an older one.
    public func serverVersion(atLeast oldest: Int) async throws(RedisError) -> String {
        let info: String
        do {
            info = try await send("INFO", "server").text ?? ""
        } catch  where error.code == .authentication {
            // A user that may not ask may still read all that is needed.
            return "of unknown version"
        }
        let line = info.split(whereSeparator: \.isNewline).first { $0.hasPrefix("redis_version:") }
        guard let version = line?.dropFirst("redis_version:".count) else { return "of unknown version" }
        if let major = Int(version.prefix { $0 != "." }), major < oldest {
            throw RedisError(
                .server,
                address: address,
                operation: "INFO",
                found: "it is Redis \(version)",
                advice: "Bailey needs Redis \(oldest) or later"
            )
        }
        return String(version)
    }

    /// Subscribes to the channels that match patterns; what they publish from now on goes to `push`.
    ///
    /// - Throws: as `send(_:)`.
    func subscribe(patterns: [String]) async throws(RedisError) {
        // One confirmation answers the command, the others go to `push`; by then the server has subscribed to all.
        _ = try await send(RedisCommand("PSUBSCRIBE", raw: patterns.map { Array($0.utf8) }))
    }

    /// Calls a function once the connection is closed.
    func onClose(_ body: @escaping @Sendable () -> Void) { channel.closeFuture.whenComplete { _ in body() } }

    /// Whether the connection still stands.
    public var isOpen: Bool { channel.isActive }

    /// Closes the connection.
    public func close() async { try? await channel.close() }

    private func logIn(_ url: RedisURL) async throws(RedisError) {
        var commands: [RedisCommand] = []
        if let password = url.password {
            commands.append(url.user.map { RedisCommand("AUTH", $0, password) } ?? RedisCommand("AUTH", password))
        }
        if url.database != 0 { commands.append(RedisCommand("SELECT", String(url.database))) }
        commands.append(RedisCommand("PING"))
        let replies: [RedisValue]
        do throws(RedisError) { replies = try await pipeline(commands) } catch {
            // A Redis that speaks no TLS takes its greeting for the beginning of a command, and waits for the end.
            guard url.tls, error.code == .timeout else { throw error }
            throw .tls(.silent, address: address)
        }
        for (command, reply) in zip(commands, replies) {
            guard case .error(let message) = reply else { continue }
            await close()
            throw refusal(command.name, message)
        }
    }

    /// The error that the server's answer to a command stands for.
    public func refusal(_ name: String, _ message: String) -> RedisError {
        // What a script is not allowed, Redis 7 tells in other words.
        let isScripts = message.contains("The user executing the script can't")
        let kind = isScripts ? "NOPERM" : message.prefix { $0 != " " }
        switch kind {
        case "WRONGPASS", "NOAUTH":
            return RedisError(
                .authentication,
                address: address,
                operation: name,
                found: "the server refused the login (\(kind))",
                advice: "Check the user and password in the URL's environment variable"
            )
        case "NOPERM":
            return RedisError(
                .authentication,
                address: address,
                operation: name,
                found: "the user may not do this (\(message))",
                advice:
                    "Give the ACL user the right, or use another one; bailey doctor --rights prints what each command needs"
            )
        case "ERR" where name == "AUTH" && message.contains("password") && !message.contains("wrong number"):
            return RedisError(
                .authentication,
                address: address,
                operation: name,
                found: "this Redis has no password set, and the URL has one",
                advice: "See whether it is the right server, or take the password out of the URL"
            )
        default:
            // AUTH's own errors may repeat what was sent.
            let shown = name == "AUTH" ? String(kind) : message
            return RedisError(
                .server,
                address: address,
                operation: name,
                found: "the server answered “\(shown)”",
                advice: "See the Redis documentation of \(name)"
            )
        }
    }

    private static func open(
        _ url: RedisURL,
        timeout: TimeAmount,
        push: (@Sendable (RedisValue) -> Void)?
    ) async throws(RedisError) -> any Channel {
        let address = url.address
        do {
            let tls = try url.tls ? context(url) : nil
            let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(timeout)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        if let tls {
                            var name: String?
                            if case .host(let host, _) = url.place, host.contains(where: \.isLetter),
                                !host.contains(":")
                            {
                                name = host
                            }
                            try channel.pipeline.syncOperations.addHandler(
                                NIOSSLClientHandler(context: tls, serverHostname: name)
                            )
                        }
                        try channel.pipeline.syncOperations.addHandler(RESPCodec(address: address, push: push))
                    }
                }
            switch url.place {
            case .host(let host, let port): return try await unlessCancelled(bootstrap.connect(host: host, port: port))
            case .socket(let path): return try await unlessCancelled(bootstrap.connect(unixDomainSocketPath: path))
            case .sentinels: preconditionFailure("the master was asked for before")
            }
        } catch {
            if let fault = TLSFault(error) { throw .tls(fault, address: address) }
            throw RedisError(
                .unreachable,
                address: address,
                operation: "connecting",
                found: (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)",
                advice: "See whether Redis runs there and the address in bailey.yaml is right"
            )
        }
    }

    /// The channel, once it stands; a task that is cancelled does not wait for that.
    private static func unlessCancelled(_ opening: EventLoopFuture<any Channel>) async throws -> any Channel {
        let first = opening.eventLoop.makePromise(of: (any Channel).self)
        opening.whenComplete { result in
            first.completeWith(result)
            // Where nobody waits any more, nobody else would close it.
            first.futureResult.whenFailure { _ in if case .success(let channel) = result { channel.close(promise: nil) }
            }
        }
        return try await withTaskCancellationHandler {
            try await first.futureResult.get()
        } onCancel: {
            first.fail(CancellationError())
        }
    }

    private static func context(_ url: RedisURL) throws -> NIOSSLContext {
        var settings = TLSConfiguration.makeClientConfiguration()
        // Read here: a file that is missing or no PEM is told at once, and not as a certificate that is not trusted.
        if let file = url.authorities {
            settings.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(file))
        }
        if !url.verifiesName { settings.certificateVerification = .noHostnameVerification }
        if !url.verifies { settings.certificateVerification = .none }
        return try NIOSSLContext(configuration: settings)
    }
}

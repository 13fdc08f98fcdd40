public import Migration
public import Redis
public import Schedules

/// The switches of one pipeline's entries in a source's Redis: one function per script, one typed answer per script.
///
/// Every call may be repeated after a lost answer, so a connection that breaks is made anew and the call repeated, for a while.
public actor RedBeatSwitch {
    /// Where they are.
    public nonisolated let keys: RedBeatKeys
    private let url: RedisURL
    private let patience: Double
    private var connection: RedisConnection?

    /// Switches; connects when first asked.
    ///
    /// - Parameter patience: seconds for which an unreachable Redis is tried again.
    public init(url: RedisURL, keys: RedBeatKeys, patience: Double = 10) {
        self.url = url
        self.keys = keys
        self.patience = patience
    }

    /// Lends some of the entries alone, on a connection of their own.
    nonisolated func withOnly<Value>(_ entries: [[UInt8]], _ work: (RedBeatSwitch) async throws -> Value) async throws
        -> Value
    {
        var keys = keys
        keys.entries = entries
        return try await RedBeatSwitch.use(url, keys: keys, patience: patience, work)
    }

    /// Lends switches for as long as a piece of work goes on; their connection ends with it, whether it succeeds or fails.
    ///
    /// - Throws: what the work throws.
    public static func use<Value>(
        _ url: RedisURL,
        keys: RedBeatKeys,
        patience: Double = 10,
        _ work: (RedBeatSwitch) async throws -> Value
    ) async throws -> Value {
        let redbeat = RedBeatSwitch(url: url, keys: keys, patience: patience)
        do {
            let value = try await work(redbeat)
            await redbeat.disconnect()
            return value
        } catch {
            await redbeat.disconnect()
            throw error
        }
    }

    /// Ends the connection.
    public func disconnect() async {
        await connection?.close()
        connection = nil
    }

    // MARK: Calls

    /// Everything there is to show, read at one instant.
    ///
    /// - Parameter claims: how many claims to show of each entry.
    /// - Throws: `RedisError` or `SwitchError`, as every call.
    public func status(claims: Int = 0) async throws -> SwitchStatus {
        try SwitchStatus(await call(.status, [Array(String(claims).utf8)]), entries: keys.entries.count)
    }

    /// Takes the entries away from legacy's clock, all or none.
    public func close(_ order: CloseOrder) async throws -> CloseReply {
        try CloseReply(await call(.close, order.arguments))
    }

    /// Fixes the first tick of Airflow's window and parks legacy's clock, once the fence has passed.
    ///
    /// - Parameter acceptsGone: whether an entry that no longer exists may be settled.
    public func settle(fence: Int64, acceptsGone: Bool = false, entries: [SettleEntry]) async throws -> SettleReply {
        let first = [Array(String(fence).utf8), Array((acceptsGone ? "accept" : "refuse").utf8)]
        return try SettleReply(await call(.settle, first + entries.flatMap(\.arguments)))
    }

    /// Closes entries again of which something restarted legacy's clock, or wrote the definition anew.
    public func repark(fence: Int64, entries: [ReparkEntry]) async throws -> ReparkReply {
        try ReparkReply(await call(.repark, [Array(String(fence).utf8)] + entries.flatMap(\.arguments)))
    }

    /// Ends Airflow's windows after their newest claims, all or none; legacy's clock stays parked.
    ///
    /// - Parameter lastClaims: the newest claim of each entry, as read.
    public func bound(lastClaims: [Instant?]) async throws -> BoundReply {
        try BoundReply(await call(.bound, lastClaims.map(\.argument)))
    }

    /// Gives legacy its clock again, all or none.
    public func giveBack(_ order: GiveBackOrder) async throws -> GiveBackReply {
        try GiveBackReply(await call(.giveBack, order.arguments))
    }

    /// The gate's question: whose is a tick? If it is Airflow's, the run has claimed it then.
    ///
    /// - Parameters:
    ///   - lateAfter: for the policy `none`, how late a tick is dropped, in microseconds.
    ///   - began: when the run began, by the clock that its ticks come from; the tick itself if left out.
    ///   - installation: which Airflow asks.
    public func claim(
        tick: Instant,
        run: String,
        policy: MissedTickPolicy,
        lateAfter: Int64? = nil,
        began: Instant? = nil,
        installation: String = ""
    ) async throws -> ClaimReply {
        let words = [
            String(tick.microseconds), run, policy.rawValue, lateAfter.map { String($0) } ?? "",
            String((began ?? tick).microseconds), installation, "",
        ]
        return try ClaimReply(await call(.claim, words.map { Array($0.utf8) }), tick: tick)
    }

    /// Gives legacy the clocks of entries that no switch holds any more, all or none.
    public func restore(_ entries: [RestoreEntry]) async throws -> RestoreReply {
        try RestoreReply(await call(.restore, entries.flatMap(\.arguments)))
    }

    /// Marks entries as retiring, so that nothing gives them back any more; or takes the mark away.
    public func retire(fence: Int64, marks: Bool) async throws -> RetireReply {
        try RetireReply(await call(.retire, [Array(String(fence).utf8), Array((marks ? "mark" : "clear").utf8)]))
    }

    /// Takes switches and claims away, for good.
    ///
    /// - Parameters:
    ///   - deletesEntries: whether the legacy entries go too.
    ///   - definitions: the entries' definitions as read; nil for one that is gone.
    public func finish(fence: Int64, deletesEntries: Bool, definitions: [[UInt8]?]) async throws -> RetireReply {
        let first = [Array(String(fence).utf8), Array((deletesEntries ? "delete" : "keep").utf8)]
        return try RetireReply(await call(.finish, first + definitions.map(\.packed)))
    }

    // MARK: Redis

    /// Walks through all keys that a pattern fits, batch by batch, until the body has seen enough.
    ///
    /// - Parameter body: whether to go on.
    /// - Throws: `RedisError`.
    func walk(matching pattern: String, _ body: ([[UInt8]]) async throws -> Bool) async throws {
        var walk = KeyWalk(matching: pattern, count: 5000)
        while let keys = try await walk.next(at: url.address, { try await send($0) }) {
            guard try await body(keys) else { return }
        }
    }

    /// Runs a plain command on the same connection, with the same patience; only for commands that may be repeated.
    public func send(_ command: RedisCommand) async throws -> RedisValue {
        try await patiently { try await $0.send(command) }
    }

    private func call(_ script: SwitchScript, _ arguments: [[UInt8]]) async throws -> SwitchAnswer {
        let value = try await patiently { [keys] connection in
            try await script.script.run(on: connection, keys: keys.all, arguments: arguments)
        }
        return try SwitchAnswer(script, value)
    }

    private func patiently(_ body: (RedisConnection) async throws -> RedisValue) async throws -> RedisValue {
        let clock = ContinuousClock()
        let end = clock.now + .seconds(patience)
        while true {
            do {
                return try await body(try await connected())
            } catch let error as RedisError {
                let retries =
                    error.code == .closed || error.code == .timeout || error.code == .unreachable || error.isLoading
                guard retries, clock.now < end else { throw error }
                await disconnect()
                try await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    private func connected() async throws(RedisError) -> RedisConnection {
        if let connection, connection.isOpen { return connection }
        let made = try await RedisConnection.connect(to: url, timeoutSeconds: 5)
        connection = made
        return made
    }
}

extension RedisError {
    /// Whether a server that has just started is still reading its data.
    var isLoading: Bool { found.contains("LOADING ") }
}

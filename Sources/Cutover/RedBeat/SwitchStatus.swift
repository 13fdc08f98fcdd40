import Legacy
import LosslessJSON
public import Migration
public import Schedules

/// The switches of a group and what their entries hold, read at one instant.
public struct SwitchStatus: Sendable, Hashable {
    /// When it was read, by Redis's clock.
    public var now: Instant
    /// The token of the beat that leads; nil if none does.
    public var lockHolder: String?
    /// When its lock expires.
    public var lockExpiry: Instant?
    /// One per entry, in the group's order.
    public var entries: [EntryStatus]

    /// The state they all have; nil where they disagree.
    public var state: SwitchState? {
        let states = Set(entries.map(\.state))
        return states.count == 1 ? states.first : nil
    }

    init(_ answer: SwitchAnswer, entries count: Int) throws(SwitchError) {
        guard answer.word == "ok", answer.items.count >= 5 else { throw answer.unexpected() }
        now = try answer.instant(1)
        lockHolder = answer.items[2].unpacked.map { String(decoding: $0, as: UTF8.self) }
        lockExpiry = answer.items[3].unpacked.flatMap { Instant(argument: $0) }
        let names = answer.text(4).split(separator: " ").map(String.init)
        var rest = answer.items.dropFirst(5)
        entries = []
        for _ in 0..<count {
            guard rest.count >= names.count + 12 else { throw answer.unexpected() }
            var fields: [String: [UInt8]] = [:]
            for name in names { fields[name] = rest.removeFirst().unpacked }
            entries.append(try EntryStatus(fields, &rest, answer))
        }
    }
}

/// One entry's switch, and what the entry holds.
public struct EntryStatus: Sendable, Hashable {
    /// The switch; nil if there is none, so that legacy owns everything.
    public var record: SwitchRecord?
    /// While it is closing: whether no beat can fire any more what it had loaded.
    public var isFencePassed: Bool
    /// While it is closing: why, or why not.
    public var fenceReason: SettleReply.Why?
    /// Seconds between a beat's load and its last fire, at most.
    public var longestTick: Double
    /// While it is closing: when the fence will have passed, where that is known.
    public var fenceEnds: Instant?
    /// The definition as it is now.
    public var definition: [UInt8]?
    /// The meta as it is now.
    public var meta: [UInt8]?
    /// The score in RedBeat's zset.
    public var score: String?
    /// The newest tick whose gate was told that legacy runs it.
    public var shadowed: Instant?
    /// The first tick whose gate was told so while there was no switch at all.
    public var unowned: Instant?
    /// What legacy had decided when Airflow's present window was opened, kept beside the claims; nil where those are lost too.
    public var decided: Instant?
    /// The newest tick that a run has claimed, of those that are kept, also where there is no switch any more.
    public var newestClaim: Instant?
    /// Who asked here, one mark of each installation of Airflow.
    public var marks: [GateMark]
    /// What the switch keeps of the entry.
    public var kept: Kept

    /// What the switch keeps of the entry, for the time when it is given back.
    public struct Kept: Sendable, Hashable {
        /// The definition to give back.
        public var definition: [UInt8]?
        /// The definition that was planned, if the application has written another since.
        public var planned: [UInt8]?
        /// The same with `enabled` false.
        public var closedDefinition: [UInt8]?
        /// The meta that legacy last wrote.
        public var meta: [UInt8]?
        /// The meta that stops the clock.
        public var parked: [UInt8]?
        /// The keys of all entries that were closed together, the deciding one first.
        public var group: [[UInt8]]
        /// Whether beat looked at it before it was closed.
        public var wasScheduled: Bool
    }

    /// Who decides from now on; without a switch legacy does.
    public var state: SwitchState { record?.state ?? .legacy }
    /// Whether the entry is there.
    public var exists: Bool { definition != nil || meta != nil }
    /// Whether Airflow owns the entry although legacy's clock runs.
    public var isUnparked: Bool { state == .airflow && exists && meta != kept.parked }
    /// Whether its definition is another than the closed one.
    public var isRewritten: Bool { state != .legacy && exists && definition != kept.closedDefinition }

    /// The definition as legacy is to have it back, if the application has written another than was planned.
    ///
    /// - Throws: `RedBeatBytesError` if it is no JSON object.
    func opened() throws(RedBeatBytesError) -> [UInt8] {
        guard let definition else { return [] }
        guard let planned = kept.planned ?? kept.definition else { return definition }
        return try RedBeatBytes.opened(definition, planned: planned)
    }

    init(_ fields: [String: [UInt8]], _ rest: inout ArraySlice<[UInt8]>, _ answer: SwitchAnswer) throws(SwitchError) {
        func text(_ name: String) -> String? { fields[name].map { String(decoding: $0, as: UTF8.self) } }
        func instant(_ name: String) -> Instant? { fields[name].flatMap { Instant(argument: $0) } }
        kept = Kept(
            definition: fields["definition"],
            planned: fields["planned"],
            closedDefinition: fields["closed_definition"],
            meta: fields["meta"],
            parked: fields["parked"],
            group: ((try? JSON(parsing: fields["group"] ?? []))?.array ?? []).compactMap {
                $0.string.map { Array($0.utf8) }
            },
            wasScheduled: text("scheduled") == "1"
        )
        longestTick = text("longest_tick").flatMap { Double($0) }.map { $0 / 1_000_000 } ?? .infinity
        isFencePassed = rest.removeFirst() == Array("passed".utf8)
        fenceReason = SettleReply.Why(rawValue: String(decoding: rest.removeFirst(), as: UTF8.self))
        fenceEnds = Instant(argument: rest.removeFirst())
        definition = rest.removeFirst().unpacked
        meta = rest.removeFirst().unpacked
        score = rest.removeFirst().unpacked.map { String(decoding: $0, as: UTF8.self) }
        shadowed = rest.removeFirst().unpacked.flatMap { Instant(argument: $0) }
        unowned = rest.removeFirst().unpacked.flatMap { Instant(argument: $0) }
        decided = rest.removeFirst().unpacked.flatMap { Instant(argument: $0) }
        marks = GateMark.list(rest.removeFirst())
        let known = Int(String(decoding: rest.removeFirst(), as: UTF8.self)) ?? 0
        let shown = Int(String(decoding: rest.removeFirst(), as: UTF8.self)) ?? 0
        guard (0...rest.count / 2).contains(shown) else { throw answer.unexpected() }
        var claims: [Claim] = []
        for _ in 0..<shown {
            guard let tick = Instant(argument: rest.removeFirst()),
                let json = try? JSON(parsing: rest.removeFirst()), let run = json["run"]?.string,
                let at = json["at"]?.int, let how = json["how"]?.string.flatMap(Claim.How.init(rawValue:))
            else { throw answer.unexpected() }
            claims.append(Claim(tick: tick, run: run, at: Instant(microseconds: Int64(at)), how: how))
        }
        newestClaim = claims.first?.tick
        guard let word = text("state") else { return }
        guard let state = SwitchState(rawValue: word), let fence = text("fence").flatMap({ Int64($0) }) else {
            throw answer.unexpected()
        }
        var record = SwitchRecord(
            state: state,
            fence: fence,
            pipeline: text("pipeline") ?? "",
            by: text("by"),
            drives: text("role") == "driver",
            hasEntryClock: text("clock") == "entry"
        )
        let windows = try? JSON(parsing: fields["windows"] ?? Array("[]".utf8))
        for pair in windows?.array ?? [] {
            guard let from = pair[0]?.string.flatMap({ Int64($0) }) else { throw answer.unexpected() }
            record.windows.append(
                Window(
                    from: Instant(microseconds: from),
                    until: pair[1]?.string.flatMap { Int64($0) }.map { Instant(microseconds: $0) }
                )
            )
        }
        record.claims = claims
        record.claimCount = known
        record.lastClaim = instant("last_claim")
        record.lastLegacy = instant("last_legacy")
        record.lastLive = instant("last_live_at")
        record.closedAt = instant("closed_at")
        record.settledAt = instant("settled_at")
        record.givenBackAt = instant("given_back_at")
        record.redefinedAt = instant("redefined_at")
        record.ticksLeft = text("ticks_left").flatMap { Int($0) }
        record.until = instant("until")
        record.isHealing = text("heal") == "1"
        record.installation = text("installation").flatMap { $0.isEmpty ? nil : $0 }
        record.isRetiring = text("retiring") == "1"
        self.record = record
    }
}

extension Instant {
    /// Microseconds as scripts answer them.
    init?(argument: [UInt8]) {
        guard let value = Int64(String(decoding: argument, as: UTF8.self)) else { return nil }
        self.init(microseconds: value)
    }
}

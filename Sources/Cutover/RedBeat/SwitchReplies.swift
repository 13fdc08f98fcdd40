public import Migration
public import Schedules

/// What of an entry is not as it was read.
public enum SwitchChange: String, Sendable, Hashable {
    case gone, definition, meta, fence, parked
    case lastClaim = "last_claim"
    case lastLegacy = "last_legacy"
}

extension SwitchAnswer {
    fileprivate func change(_ index: Int) throws(SwitchError) -> SwitchChange {
        guard let change = SwitchChange(rawValue: text(index)) else { throw unexpected() }
        return change
    }
}

/// What `close` answered. Entries are counted from 0 here.
public enum CloseReply: Sendable, Hashable {
    /// Closed; `again`: it had been, by this very operation, and the first answer was lost.
    case closed(at: Instant, fence: Int64, again: Bool)
    /// Somebody else's switch stands in the way.
    case held(entry: Int, state: SwitchState, pipeline: String, closedAt: Instant, fence: Int64, by: String)
    /// Something is about to be due.
    case due(now: Instant)
    /// A gate was told that legacy runs this tick, and legacy has not run it yet.
    case shadowed(tick: Instant)
    case changed(entry: Int, SwitchChange)
    /// The clock is parked already, and not by Bailey.
    case parkedByOthers(entry: Int)

    init(_ answer: SwitchAnswer) throws(SwitchError) {
        switch (answer.word, answer.text(2)) {
        case ("ok", _):
            self = .closed(
                at: try answer.instant(1),
                fence: try answer.int(2),
                again: answer.text(3) == "again"
            )
        case ("held", let state):
            guard let state = SwitchState(rawValue: state) else { throw answer.unexpected() }
            self = .held(
                entry: try answer.entry(1),
                state: state,
                pipeline: answer.text(3),
                closedAt: try answer.instant(4),
                fence: try answer.int(5),
                by: answer.text(6)
            )
        case ("due", "not_after"): self = .due(now: try answer.instant(3))
        case ("due", "shadowed"): self = .shadowed(tick: try answer.instant(3))
        case ("changed", _): self = .changed(entry: try answer.entry(1), try answer.change(2))
        case ("denied", "future"): self = .parkedByOthers(entry: try answer.entry(1))
        default: throw answer.unexpected()
        }
    }
}

/// What `settle` answered.
public enum SettleReply: Sendable, Hashable {
    /// Why beat cannot fire any more, or why it cannot be known yet.
    public enum Why: String, Sendable, Hashable {
        case waited, extended, released, expired
        case extending = "extension"
        case longestTick = "longest-tick"
        case grace
    }

    /// Settled; `from`: where each entry's window begins.
    case settled(at: Instant, why: Why, from: [Instant])
    /// Somebody had settled it before.
    case already(at: Instant)
    case waiting(Why, until: Instant?)
    /// A beat's start had enabled an entry; it is closed again, and the fence has begun anew.
    case reopened(entry: Int)
    /// The application has written another definition.
    case redefined(entry: Int, bytes: [UInt8])
    case changed(entry: Int, SwitchChange)
    /// Legacy fired so many of the entries after the close, and not the others.
    case uneven(Int)
    /// Nobody was seen to hold beat's lock and go on, and nothing else shows that RedBeat drives these entries.
    case undriven(Why)
    case gone(entry: Int)
    case parkedByOthers(entry: Int)
    /// Nil: there is no switch.
    case notClosing(entry: Int, state: SwitchState?)

    init(_ answer: SwitchAnswer) throws(SwitchError) {
        switch answer.word {
        case "ok" where answer.text(2) == "already": self = .already(at: try answer.instant(1))
        case "ok":
            guard let why = Why(rawValue: answer.text(2)) else { throw answer.unexpected() }
            var from: [Instant] = []
            for index in answer.items.indices.dropFirst(3) { from.append(try answer.instant(index)) }
            self = .settled(at: try answer.instant(1), why: why, from: from)
        case "waiting":
            guard let why = Why(rawValue: answer.text(1)) else { throw answer.unexpected() }
            self = .waiting(why, until: answer.text(2).isEmpty ? nil : try answer.instant(2))
        case "reopened": self = .reopened(entry: try answer.entry(1))
        case "redefined": self = .redefined(entry: try answer.entry(1), bytes: answer.items.last ?? [])
        case "changed": self = .changed(entry: try answer.entry(1), try answer.change(2))
        case "undriven":
            guard let why = Why(rawValue: answer.text(1)) else { throw answer.unexpected() }
            self = .undriven(why)
        case "uneven": self = .uneven(Int(try answer.int(1)))
        case "gone": self = .gone(entry: try answer.entry(1))
        case "denied": self = .parkedByOthers(entry: try answer.entry(1))
        case "not-closing": self = .notClosing(entry: try answer.entry(1), state: SwitchState(rawValue: answer.text(2)))
        default: throw answer.unexpected()
        }
    }
}

/// What `claim` answered.
public enum ClaimReply: Sendable, Hashable {
    /// The tick is this run's. `again`: it had been before; `over`: it was the last of a bounded window, so give back now.
    case mine(Claim.How, again: Bool, gone: Bool, over: Bool, fence: Int64)
    /// Another run has it; nil where the claim is too old to be kept.
    case skip(Claim?)
    /// The tick is legacy's. `over`: the window has ended and the entry waits to be given back.
    case shadow(why: String, over: Bool, fence: Int64?)
    /// Not decided yet; ask again.
    case closing(since: Instant, fence: Int64)
    /// Something restarted legacy's clock.
    case unparked(entry: Int, fence: Int64)
    /// The group's switches disagree; ask again.
    case mixed(entry: Int)
    /// Legacy's clock stands and no switch says why: nobody's until somebody gives it back; ask again.
    case lost(entry: Int)
    /// The tick is more than a minute ahead.
    case future(now: Instant)

    init(_ answer: SwitchAnswer, tick: Instant) throws(SwitchError) {
        switch answer.word {
        case "live", "coalesced", "dropped":
            guard let how = Claim.How(rawValue: answer.word) else { throw answer.unexpected() }
            self = .mine(
                how,
                again: answer.text(1) == "again",
                gone: answer.text(1) == "gone",
                over: answer.text(2) == "ended",
                fence: try answer.int(3)
            )
        case "skip":
            guard !answer.text(1).isEmpty, let how = Claim.How(rawValue: answer.text(2)) else {
                self = .skip(nil)
                return
            }
            self = .skip(Claim(tick: tick, run: answer.text(1), at: try answer.instant(3), how: how))
        case "shadow":
            self = .shadow(why: answer.text(1), over: answer.text(2) == "ended", fence: Int64(answer.text(3)))
        case "closing": self = .closing(since: try answer.instant(1), fence: try answer.int(2))
        case "unparked": self = .unparked(entry: try answer.entry(1), fence: try answer.int(2))
        case "mixed": self = .mixed(entry: try answer.entry(1))
        case "lost": self = .lost(entry: try answer.entry(1))
        case "denied": self = .future(now: try answer.instant(2))
        default: throw answer.unexpected()
        }
    }
}

/// What `repark` answered.
public enum ReparkReply: Sendable, Hashable {
    /// What was found and done.
    public enum Found: String, Sendable, Hashable {
        /// Nothing was wrong.
        case parked
        /// Definitions had been written anew and are closed again; every clock had stayed parked.
        case tidied
        /// The entries are closing again: settle them.
        case closing
    }

    case done(Found, fence: Int64)
    case changed(entry: Int, SwitchChange)
    /// While it closes for the first time the application has written another definition, which nobody planned.
    case redefined(entry: Int, bytes: [UInt8])
    /// Nil: there is no switch.
    case notMine(entry: Int, state: SwitchState?)

    init(_ answer: SwitchAnswer) throws(SwitchError) {
        switch answer.word {
        case "ok":
            guard let found = Found(rawValue: answer.text(1)) else { throw answer.unexpected() }
            self = .done(found, fence: try answer.int(2))
        case "redefined": self = .redefined(entry: try answer.entry(1), bytes: answer.items.last ?? [])
        case "changed": self = .changed(entry: try answer.entry(1), try answer.change(2))
        case "not-mine": self = .notMine(entry: try answer.entry(1), state: SwitchState(rawValue: answer.text(2)))
        default: throw answer.unexpected()
        }
    }
}

/// What `give_back` answered.
public enum GiveBackReply: Sendable, Hashable {
    /// Given back; the entries that were (counted from 0), and whether each still existed.
    case given(at: Instant, entries: [Int], gone: [Int])
    /// Legacy had its clock already.
    case nothing
    case changed(entry: Int, SwitchChange)
    case gone(entry: Int)
    /// Somebody changed the definition.
    case redefined(entry: Int, bytes: [UInt8])
    /// The entry is being retired.
    case retiring(entry: Int)

    init(_ answer: SwitchAnswer) throws(SwitchError) {
        switch answer.word {
        case "ok" where answer.text(1) == "nothing": self = .nothing
        case "ok":
            var given: [Int] = []
            var gone: [Int] = []
            for index in answer.items.indices.dropFirst(2) {
                let words = answer.text(index).split(separator: " ")
                guard let number = words.first.flatMap({ Int($0) }) else { throw answer.unexpected() }
                given.append(number - 1)
                if words.count > 1 { gone.append(number - 1) }
            }
            self = .given(at: try answer.instant(1), entries: given, gone: gone)
        case "changed": self = .changed(entry: try answer.entry(1), try answer.change(2))
        case "gone": self = .gone(entry: try answer.entry(1))
        case "redefined": self = .redefined(entry: try answer.entry(1), bytes: answer.items.last ?? [])
        case "retiring": self = .retiring(entry: try answer.entry(1))
        default: throw answer.unexpected()
        }
    }
}

/// What `bound` answered.
public enum BoundReply: Sendable, Hashable {
    /// No window has a tick that is not claimed; and, if one was ended for that, when Redis cannot forget it any more. By Redis's clock.
    case bounded(now: Instant, durable: Instant?)
    case changed(entry: Int, SwitchChange)
    /// The entry is being retired.
    case retiring(entry: Int)

    init(_ answer: SwitchAnswer) throws(SwitchError) {
        switch answer.word {
        case "ok":
            self = .bounded(now: try answer.instant(1), durable: answer.text(2).isEmpty ? nil : try answer.instant(2))
        case "changed": self = .changed(entry: try answer.entry(1), try answer.change(2))
        case "retiring": self = .retiring(entry: try answer.entry(1))
        default: throw answer.unexpected()
        }
    }
}

/// What `retire` and `finish` answered.
public enum RetireReply: Sendable, Hashable {
    case done
    /// The window has an end.
    case bounded(entry: Int, until: Instant)
    case changed(entry: Int, SwitchChange)
    case unparked(entry: Int, fence: Int64)
    /// The entry is not marked as retiring.
    case unmarked(entry: Int)
    /// Nil: there is no switch.
    case notMine(entry: Int, state: SwitchState?)

    init(_ answer: SwitchAnswer) throws(SwitchError) {
        switch answer.word {
        case "ok": self = .done
        case "bounded": self = .bounded(entry: try answer.entry(1), until: try answer.instant(2))
        case "changed": self = .changed(entry: try answer.entry(1), try answer.change(2))
        case "unparked": self = .unparked(entry: try answer.entry(1), fence: try answer.int(2))
        case "unmarked": self = .unmarked(entry: try answer.entry(1))
        case "not-mine": self = .notMine(entry: try answer.entry(1), state: SwitchState(rawValue: answer.text(2)))
        default: throw answer.unexpected()
        }
    }

    /// As the journal keeps it.
    var word: String {
        switch self {
        case .done: "done"
        case .bounded: "bounded"
        case .changed: "changed"
        case .unparked: "unparked"
        case .unmarked: "unmarked"
        case .notMine: "not-mine"
        }
    }
}

/// What `restore` answered.
public enum RestoreReply: Sendable, Hashable {
    case restored(at: Instant)
    case changed(entry: Int, SwitchChange)
    /// A switch holds it after all.
    case held(entry: Int)

    init(_ answer: SwitchAnswer) throws(SwitchError) {
        switch answer.word {
        case "ok": self = .restored(at: try answer.instant(1))
        case "changed": self = .changed(entry: try answer.entry(1), try answer.change(2))
        case "held": self = .held(entry: try answer.entry(1))
        default: throw answer.unexpected()
        }
    }
}

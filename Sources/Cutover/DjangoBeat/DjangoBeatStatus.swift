import LosslessJSON
import Migration
import Schedules

/// The switches of some pipelines and what their rows hold, read at one instant.
struct DjangoBeatStatus: Sendable {
    /// When it was read, by the database's clock.
    let now: Instant
    /// When the switch was installed; nil where it is not.
    let installedAt: Instant?
    /// By pipeline.
    let pipelines: [String: Pipeline]

    /// One pipeline.
    struct Pipeline: Sendable {
        /// What the switch says; nil where there is none, so that legacy owns everything.
        var record: SwitchRecord?
        /// Its entries, the deciding one first.
        var entries: [Entry]
        /// Who asked: the newest tick of each installation of Airflow, the latest first.
        var asked: [(installation: String, tick: Instant?)]
        /// Whether a row that Airflow owns is enabled.
        var isStarted = false
        /// Whether its window has ended by its time.
        var isOver = false
        /// How long a beat's loop takes at most, in seconds.
        var longest = 0.0

        var state: SwitchState { record?.state ?? .legacy }
    }

    /// One entry.
    struct Entry: Sendable {
        var name: String
        /// Whether its row is there.
        var exists: Bool
        /// Whether the application has written another definition since.
        var isRedefined: Bool
        /// Whether somebody has disabled its row since it was given back, and it is so still.
        var isDisabled: Bool
        /// What the row says of its last run.
        var lastRun: Instant?
        /// What legacy last ran before Airflow's window.
        var lastLegacy: Instant?
    }

    /// That of a database without a switch.
    init(now: Instant) {
        self.now = now
        installedAt = nil
        pipelines = [:]
    }

    init(_ answer: JSON) {
        now = answer["now"].instant ?? .earliest
        installedAt = answer["installed_at"].instant
        var found: [String: Pipeline] = [:]
        for member in answer["pipelines"]?.object?.members ?? [] {
            found[member.key] = Pipeline(member.key, member.value)
        }
        pipelines = found
    }
}

extension DjangoBeatStatus.Pipeline {
    fileprivate init(_ name: String, _ answer: JSON) {
        entries = (answer["entries"]?.array ?? []).map { entry in
            DjangoBeatStatus.Entry(
                name: entry["name"]?.string ?? "",
                exists: entry["row"]?.object != nil,
                isRedefined: entry["redefined"]?.bool ?? false,
                isDisabled: entry["disabled"]?.bool ?? false,
                lastRun: entry["last_run"].instant,
                lastLegacy: entry["last_legacy"].instant
            )
        }
        asked = (answer["asked"]?.array ?? []).map { ($0["installation"]?.string ?? "", $0["tick"].instant) }
        guard let kept = answer["switch"], let state = kept["state"]?.string.flatMap({ SwitchState(rawValue: $0) })
        else { return }
        isStarted = kept["started"]?.bool ?? false
        isOver = kept["over"]?.bool ?? false
        longest = kept["longest"]?.double ?? 0
        var record = SwitchRecord(
            state: state,
            fence: Int64(kept["fence"]?.int ?? 0),
            pipeline: name,
            by: kept["by"]?.string,
            drives: kept["clock"]?.string == "entry",
            hasEntryClock: kept["clock"]?.string == "entry"
        )
        record.windows = (answer["windows"]?.array ?? []).compactMap { pair in
            pair[0].instant.map { Window(from: $0, until: pair[1].instant) }
        }
        record.claims = (answer["claims"]?.array ?? []).compactMap { claim in
            guard let tick = claim["tick"].instant, let at = claim["at"].instant,
                let how = claim["how"]?.string.flatMap({ Claim.How(rawValue: $0) })
            else { return nil }
            return Claim(tick: tick, run: claim["run"]?.string ?? "", at: at, how: how)
        }
        record.claimCount = record.claims.count
        record.lastClaim = kept["last_claim"].instant
        record.lastLegacy = kept["last_legacy"].instant
        record.lastLive = kept["last_live_at"].instant
        record.closedAt = kept["closed_at"].instant
        record.settledAt = kept["settled_at"].instant
        record.givenBackAt = kept["given_back_at"].instant
        record.ticksLeft = kept["ticks_left"]?.int
        record.until = kept["until"].instant
        record.isHealing = kept["heal"]?.bool ?? false
        record.installation = kept["installation"]?.string.flatMap { $0.isEmpty ? nil : $0 }
        record.isRetiring = kept["retiring"]?.bool ?? false
        self.record = record
    }
}

extension Optional<JSON> {
    /// Microseconds as the functions give them.
    var instant: Instant? { self?.int.map { Instant(microseconds: Int64($0)) } }
}

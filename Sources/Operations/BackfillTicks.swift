import Airflow
import Cutover
import LosslessJSON
import Migration
package import Schedules
import Store

/// What is to become of one tick of the past.
package struct BackfillTick: Sendable {
    /// What that is.
    package enum Fate: Sendable, Hashable {
        /// A run is made for it.
        case run
        /// Its trial, or shadow, is run anew.
        case again(run: String)
        /// Its trial, or shadow, which a person started, is deleted, and a run made in its place. Whatever that run is told afterwards, its gate
        /// would answer what the person chose, and the person's parameters are not the tick's.
        case replace(run: String)
        /// A live run has it already.
        case claimed(run: String)
        /// It is not run.
        case refused(why: String)
    }

    package var tick: Instant
    package var fate: Fate
    /// The run that has it, once there is one.
    package var run: String?
    /// How that ended: `success`, `failed`, or what the gate said instead of letting it run; nil while it is under way.
    package var ended: String?

    /// Whether it is to run.
    package var runs: Bool {
        switch fate {
        case .run, .again, .replace: true
        case .claimed, .refused: false
        }
    }
}

/// Says of ticks of the past whose they are.
struct BackfillJudge {
    let pipeline: PlannedPipeline
    /// The switch of a pipeline with a legacy side; nil where there is none, so that all of its ticks are legacy's.
    let record: SwitchRecord?
    /// Legacy's last run by its own clock.
    let legacysLast: Instant?
    /// Legacy's runs that were seen, by tick.
    let fires: [Instant: String]
    /// Ticks that a person names: they are run although legacy ran them, or may have.
    let named: Set<Instant>

    /// What is to become of a tick.
    ///
    /// - Parameter found: its run in Airflow.
    func fate(_ tick: Instant, _ found: LaunchState.Run?) -> BackfillTick.Fate {
        let legacys = legacy(tick)
        if let found {
            if !found.run.isOver { return .refused(why: "its run \(found.run.id) is under way") }
            if found.mode == "live" { return .claimed(run: found.run.id) }
            if found.run.configuration["bailey"] != nil {
                return .refused(
                    why:
                        "its run \(found.run.id) is Bailey's own, which shadows a recorded run or kept the scheduler from one; delete it in Airflow first"
                )
            }
        }
        if let legacys { return .refused(why: legacys) }
        if let claim = record?.claims.first(where: { $0.tick == tick }), claim.how == .live {
            return .claimed(run: claim.run)
        }
        guard let run = found?.run else { return .run }
        return run.isByHand ? .replace(run: run.id) : .again(run: run.id)
    }

    /// Why a tick that was legacy's is not run; nil if it was not, or a person names it.
    private func legacy(_ tick: Instant) -> String? {
        guard !Workspace.isOwn(pipeline.dag), record?.window(of: tick) == nil else { return nil }
        if record?.state ?? .legacy == .legacy, legacysLast.map({ $0 < tick }) ?? true {
            return "it is legacy's, which may still run it"
        }
        if named.contains(tick) { return nil }
        if let run = fires[tick] { return "legacy ran it (\(run)); --although-legacy \(tick.iso8601) names it" }
        return
            "it was legacy's, and whether legacy ran it was not seen; --although-legacy \(tick.iso8601) names it"
    }
}

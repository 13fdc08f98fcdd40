import LosslessJSON
public import Migration
import Processes
public import Schedules

/// Shadows on this machine.
public struct EmbeddedShadow: ShadowEngine {
    private let engine: EmbeddedEngine
    private let zones: ZoneDatabase

    /// Shadows on an engine.
    ///
    /// - Parameter zones: where the zones of pipelines are found.
    public init(_ engine: EmbeddedEngine, zones: ZoneDatabase = ZoneDatabase()) {
        self.engine = engine
        self.zones = zones
    }

    public func shadow(_ legacy: Outcome, as part: ShadowPart) async throws -> ShadowAnswer {
        let zone = (try? zones.zone(part.dag.clock.timezone)) ?? .utc
        var facts = RunFacts(part.dag, tick: legacy.key.tick, zone: zone)
        if part.isWorkflow {
            for member in legacy.arguments.object?.members ?? [] {
                facts.give(member.key, member.value, of: part.dag.parameters)
            }
        }
        let run = try await engine.run(
            part.tasks,
            payload: part.isJob ? legacy.arguments : nil,
            facts: facts,
            run: "\(part.dag.id)-\(legacy.run)"
        )
        guard let ended = run.tasks.first(where: { $0.task == part.standing.id }) else {
            return .nothing(.broken, reason: "the engine did not run the task “\(part.standing.id)”")
        }
        if let error = run.tasks.compactMap(\.error).first(where: { $0.type == SandboxedBody.refusal }) {
            return .nothing(.broken, reason: error.message)
        }
        for case .failure(let error)? in run.tasks.map(\.rows) {
            return .nothing(.broken, reason: error.description)
        }
        var outcome = Outcome(
            key: legacy.key,
            side: .shadow,
            task: part.standing.id,
            run: "shadow/\(part.dag.id)/\(legacy.run)",
            state: state(ended, run, part.isWhole)
        )
        outcome.arguments = arguments(part.standing, ended, legacy: legacy)
        outcome.take(kindOf: legacy, isGiven: outcome.arguments.isSame(as: legacy.arguments))
        outcome.start = run.tasks.compactMap(\.start).min()
        outcome.end = run.tasks.compactMap(\.end).max()
        outcome.attempts = ended.attempts == 0 ? nil : ended.attempts
        outcome.result = part.isWhole ? nil : ended.result
        if part.isWorkflow { take(run, part.dag, &outcome) }
        outcome.error = ended.error ?? run.tasks.first { $0.error != nil }?.error
        outcome.isolation = isolation(run)
        var findings = effects(run, of: part.tasks, legacy, zone, &outcome)
        for case .success(let rows)? in run.tasks.map(\.rows) { findings.add(rows) }
        return .outcome(outcome, effects: findings)
    }

    /// What sandboxed bodies changed, beside what legacy's run did.
    private func effects(
        _ run: EmbeddedEngine.DAGRun,
        of tasks: [TaskDefinition],
        _ legacy: Outcome,
        _ zone: Zone,
        _ outcome: inout Outcome
    ) -> EffectFindings {
        var findings = EffectFindings()
        var written: [JSON] = []
        var called: [JSON] = []
        var isRecorded = false
        for task in tasks {
            guard let ended = run.tasks.first(where: { $0.task == task.id }), let box = ended.box else { continue }
            let files = FileEffects(sandbox: box.sandbox, legacy: legacy, zone: zone)
            written += files.written().array ?? []
            findings.add(files.compare(task.effects.files))
            guard let recorder = box.recorder else { continue }
            let calls = CallEffects(calls: recorder.calls, dropped: recorder.dropped, legacy: legacy, zone: zone)
            findings.add(calls.compare(task.effects.legacyCalls))
            called += calls.calls
            isRecorded = true
        }
        if run.tasks.contains(where: { $0.box != nil }) {
            outcome.effects = ["files": .array(written), "http": isRecorded ? .array(called) : .null]
        }
        return findings
    }

    /// What kept the bodies that ran from having effects.
    private func isolation(_ run: EmbeddedEngine.DAGRun) -> String? {
        let boxes = run.tasks.compactMap(\.box)
        guard let first = boxes.first else { return nil }
        let ran = run.tasks.count { !$0.observedOnly && $0.attempts > 0 }
        let others = ran > boxes.count ? "; \(ran - boxes.count) of \(ran) bodies ran without" : ""
        let refused = Set(boxes.flatMap { $0.sandbox.report().refused }).sorted()
        let told =
            refused.prefix(5).joined(separator: ", ") + (refused.count > 5 ? " and \(refused.count - 5) more" : "")
        return "\(first.choice)" + others + (refused.isEmpty ? "" : "; refused: \(told)")
    }

    /// Takes what the stages of a workflow returned, in their order: of a request, the JSON that was answered.
    private func take(_ run: EmbeddedEngine.DAGRun, _ dag: DAGDefinition, _ outcome: inout Outcome) {
        let stages = (dag.workflow?.stages ?? []).compactMap { id in run.tasks.first { $0.task == id } }
        if stages.contains(where: \.observedOnly) {
            outcome.state = .observed
        } else if !stages.allSatisfy({ $0.state == .success }) {
            outcome.state = .failed
        }
        guard outcome.state == .success else {
            outcome.result = nil
            return
        }
        outcome.result = .array(
            stages.map { stage in
                guard case .http? = dag[stage.task]?.body else { return stage.result ?? .null }
                return stage.result?["json"] ?? .null
            }
        )
    }

    private func state(_ ended: EmbeddedEngine.TaskRun, _ run: EmbeddedEngine.DAGRun, _ whole: Bool) -> RunState {
        if whole {
            if run.tasks.allSatisfy(\.observedOnly) { return .observed }
            return run.succeeded ? .success : .failed
        }
        if ended.observedOnly { return .observed }
        switch ended.state {
        case .success: return .success
        case .skipped: return .skipped
        default: return .failed
        }
    }

    /// What the shadow task was called with, in the legacy outcome's shape.
    private func arguments(_ task: TaskDefinition, _ ended: EmbeddedEngine.TaskRun, legacy: Outcome) -> JSON {
        func call(_ args: JSON, _ kwargs: JSON) -> JSON {
            ["args": args.isNull ? [] : args, "kwargs": kwargs.isNull ? [:] : kwargs]
        }
        if !task.inputs.isEmpty {
            // Where one of them is not known, there is nothing to compare.
            guard task.entry != nil, let args = ended.input?["args"] else { return legacy.arguments }
            return call(args, ended.input?["kwargs"] ?? .null)
        }
        switch task.body {
        case .celery(let celery): return call(celery.args, celery.kwargs)
        case .python(let python): return task.entry == nil ? legacy.arguments : call(python.args, python.kwargs)
        case .queue, .command, .own, .untranslatable, .sql, .copy, .http, .wait: return legacy.arguments
        }
    }
}

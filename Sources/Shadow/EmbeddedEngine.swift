public import LosslessJSON
public import Migration
public import Schedules

/// Runs pipelines' DAG definitions on this machine.
public struct EmbeddedEngine: Sendable {
    private let runner: BodyRunner
    private let slots: Slots
    private let pools: [String: Slots]
    private let bodySeconds: Double
    private let effects: EffectsComparison
    private let now: @Sendable () -> Instant
    private let sleep: @Sendable (Double) async throws -> Void

    /// An engine.
    ///
    /// - Parameters:
    ///   - parallelism: how many bodies run at once.
    ///   - pools: the slots of pools, of which a running body takes as many as its task says; a pool that is not named has no limit of its own.
    ///   - bodySeconds: how long an attempt may take whose task has no timeout.
    ///   - effectsFolder: where the keys of rows that differ are written, many as they may be; nil for nowhere.
    ///   - now: the clock.
    ///   - sleep: waits so many seconds before a retry.
    public init(
        runner: BodyRunner,
        parallelism: Int,
        pools: [String: Int] = [:],
        bodySeconds: Double = 3600,
        effectsFolder: String? = nil,
        now: @escaping @Sendable () -> Instant,
        sleep: @escaping @Sendable (Double) async throws -> Void
    ) {
        self.runner = runner
        slots = Slots(parallelism)
        self.pools = pools.mapValues { Slots($0) }
        self.bodySeconds = bodySeconds
        effects = EffectsComparison(connections: runner.connections, folder: effectsFolder)
        self.now = now
        self.sleep = sleep
    }

    /// How one task of a run ended.
    public struct TaskRun: Sendable {
        /// The task's id.
        public var task: String
        /// Where it ended.
        public var state: RunState
        /// Whether a body ran; in mode `observe` none does.
        public var observedOnly: Bool
        /// What it returned.
        public var result: JSON?
        /// Why it failed.
        public var error: RunError?
        /// When its first attempt began.
        public var start: Instant?
        /// When its last attempt ended.
        public var end: Instant?
        /// How many attempts it took.
        public var attempts: Int
        /// What it was called with, where its inputs were filled in.
        public var input: JSON?
        /// What its last attempt was kept in.
        var box: SandboxedBody?
        /// How the rows that it changed compare with legacy's; nil where that is not asked, or it failed.
        public var rows: Result<EffectFindings, EffectsUnknown>?
    }

    /// A whole run.
    public struct DAGRun: Sendable {
        /// The tasks, in the definition's order.
        public var tasks: [TaskRun]
        /// Whether it succeeded as a whole.
        public var succeeded: Bool
    }

    /// Runs tasks in the order of their dependencies.
    ///
    /// - Parameters:
    ///   - tasks: the tasks; those they wait for must be among them.
    ///   - payload: the job's payload, for job types.
    ///   - facts: what the run knows of itself.
    ///   - run: its id.
    /// - Throws: `CancellationError`; by then no child process is left.
    public func run(
        _ tasks: [TaskDefinition],
        payload: JSON?,
        facts: RunFacts = RunFacts(),
        run id: String = "run"
    ) async throws -> DAGRun {
        var progress = DAGProgress(tasks)
        var runs: [String: TaskRun] = [:]
        let urgencies = tasks.urgencies
        let ids = Set(tasks.map(\.id))
        try await withThrowingTaskGroup(of: TaskRun.self) { group in
            func startReady() {
                var ready = progress.ready[...]
                while let task = ready.popFirst() {
                    let urgency = urgencies[task.id] ?? task.priority
                    switch decision(task, runs, facts, among: ids) {
                    case .run(let filled) where filled.rows.isEmpty || filled.shadow == .observe:
                        group.addTask { try await attempt(filled, urgency, payload: payload, in: .init()) }
                    case .run(let filled):
                        group.addTask {
                            try await effects.around(filled, facts, run: id) { place in
                                try await attempt(filled, urgency, payload: payload, in: place)
                            }
                        }
                    case .each(let filled):
                        group.addTask { try await attempts(task, filled, urgency) }
                    case .observe:
                        var observed = task
                        observed.shadow = .observe
                        observed.inputs = []
                        group.addTask { [observed] in
                            try await attempt(observed, urgency, payload: payload, in: .init())
                        }
                    case .refuse(let error):
                        // Nothing that a repetition would mend.
                        let moment = now()
                        group.addTask {
                            TaskRun(
                                task: task.id,
                                state: .failed,
                                observedOnly: false,
                                error: RunError(type: "input", message: error.description),
                                start: moment,
                                end: moment,
                                attempts: 1
                            )
                        }
                    case .skip:
                        progress.end(task.id, .skipped)
                        // That may let others start.
                        ready = progress.ready[...]
                        continue
                    }
                    progress.start(task.id)
                }
            }
            startReady()
            while let run = try await group.next() {
                runs[run.task] = run
                progress.end(run.task, run.state, observed: run.observedOnly)
                startReady()
            }
        }
        let all = tasks.map { task in
            runs[task.id]
                ?? TaskRun(
                    task: task.id,
                    state: progress.states[task.id] ?? .queued,
                    observedOnly: task.shadow == .observe,
                    attempts: 0
                )
        }
        return DAGRun(tasks: all, succeeded: progress.succeeded)
    }

    private enum Decision {
        case run(TaskDefinition)
        /// The task as it is for each of the items that it runs for.
        case each([TaskDefinition])
        case observe
        case skip
        case refuse(TaskInputError)
    }

    /// What a task's conditions and inputs make of it: where an earlier task was only observed, or is no part of the run, nobody can tell.
    private func decision(
        _ task: TaskDefinition,
        _ runs: [String: TaskRun],
        _ facts: RunFacts,
        among ids: Set<String>
    ) -> Decision {
        var isUnknown = false
        for choice in task.conditions {
            let answer = choice.answer { name in
                let earlier = runs[name]
                if earlier?.observedOnly == true { return .undecided }
                return .known(earlier?.state == .success ? earlier?.result : nil)
            }
            switch answer {
            case .holds: continue
            case .undecided: isUnknown = true
            case .fails: return .skip
            }
        }
        if task.inputs.isEmpty, task.items == nil { return isUnknown ? .observe : .run(task) }
        var results: [String: JSON] = [:]
        for name in Set(task.inputs.compactMap(\.task) + [task.items?.task].compactMap { $0 }) {
            // A task that ran and returned nothing has null for its result, as in Airflow.
            if let earlier = runs[name], !earlier.observedOnly, earlier.state == .success {
                results[name] = earlier.result ?? .null
            }
            isUnknown = isUnknown || runs[name]?.observedOnly == true || !ids.contains(name)
        }
        if isUnknown { return .observe }
        do throws(TaskInputError) {
            func filled(_ item: JSON?) throws(TaskInputError) -> TaskDefinition {
                var filled = task
                filled.body = try task.filledBody(facts, results: results, item: item)
                return filled
            }
            guard let list = task.items else { return .run(try filled(nil)) }
            guard let result = results[list.task] else {
                throw TaskInputError("“\(list.task)” has no result: it did not succeed, or returned nothing")
            }
            var each: [TaskDefinition] = []
            for item in try list.items(in: result) { each.append(try filled(item)) }
            return each.isEmpty ? .skip : .each(each)
        } catch {
            return .refuse(error)
        }
    }

    /// Runs a task once for each item; it ends as Airflow tells of mapped tasks, failed where one has.
    private func attempts(_ task: TaskDefinition, _ each: [TaskDefinition], _ urgency: Int) async throws -> TaskRun {
        let runs = try await withThrowingTaskGroup(of: (Int, TaskRun).self) { group in
            for (number, one) in each.enumerated() {
                group.addTask { (number, try await attempt(one, urgency, payload: nil, in: .init())) }
            }
            var runs: [Int: TaskRun] = [:]
            for try await (number, run) in group { runs[number] = run }
            return each.indices.compactMap { runs[$0] }
        }
        var whole = TaskRun(
            task: task.id,
            state: runs.first { $0.state != .success }?.state ?? .success,
            observedOnly: task.shadow == .observe,
            attempts: runs.map(\.attempts).max() ?? 0
        )
        whole.result = .array(runs.map { $0.result ?? .null })
        whole.error = runs.compactMap(\.error).first
        whole.start = runs.compactMap(\.start).min()
        whole.end = runs.compactMap(\.end).max()
        return whole
    }

    private func attempt(
        _ task: TaskDefinition,
        _ urgency: Int,
        payload: JSON?,
        in place: EffectsComparison.Place
    ) async throws -> TaskRun {
        var run = TaskRun(task: task.id, state: .success, observedOnly: task.shadow == .observe, attempts: 0)
        if !task.inputs.isEmpty { run.input = task.body.input }
        guard !run.observedOnly else { return run }
        while true {
            let ending = try await placed(task, urgency) {
                if task.shadow == .sandbox {
                    do throws(SandboxedBody.Refused) { run.box = try await runner.box(task) } catch {
                        return .refusal(error.error)
                    }
                }
                if run.start == nil { run.start = now() }
                return try await runner.run(
                    task.body,
                    payload: payload,
                    redirect: task.redirect.merging(place.variables) { $1 },
                    timeout: task.timeout ?? bodySeconds,
                    in: run.box,
                    effects: place
                )
            }
            run.attempts += 1
            run.end = now()
            switch ending {
            case .success(let result):
                run.state = .success
                run.result = result
                run.error = nil
                return run
            case .failure(let error):
                run.state = .failed
                run.error = error
                guard run.attempts <= task.retry.retries else { return run }
                try await sleep(task.retry.wait(afterAttempt: run.attempts))
            case .refusal(let error):
                run.state = .failed
                run.error = error
                return run
            }
        }
    }

    /// Runs a body in its pool's slots and in a place of the engine.
    private func placed(_ task: TaskDefinition, _ urgency: Int, _ body: () async throws -> BodyRunner.Ending)
        async throws -> BodyRunner.Ending
    {
        guard let pool = pools[task.pool ?? Pool.standard] else {
            return try await slots.with(priority: urgency, body)
        }
        return try await pool.with(priority: urgency, places: task.slotsTaken) {
            try await slots.with(priority: urgency, body)
        }
    }
}

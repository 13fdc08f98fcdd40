import Airflow
package import Alerts
import Cutover
import Foundation
import Legacy
import LosslessJSON
import Migration
import Redis
import Schedules
package import Settings
import Store

/// Looks after the switches of a workspace. Everything it does is decided by what is true at that moment, so that it may die at any time,
/// and several may run at once.
package actor Watchman {
    package let workspace: Workspace
    private let sender: AlertSender
    /// Events that were told, where Bailey's own state cannot remember them.
    private var told: Set<String> = []
    /// Alerts that no way took, where Bailey's own state cannot keep them.
    private var unsent: [Alert] = []
    /// What Celery's results said when they were last read, by source.
    var results: [String: (at: Instant, outcomes: [Outcome])] = [:]
    /// Since when a source cannot be read.
    private var silent: [String: Instant] = [:]
    /// Since when Bailey's own state or the plan cannot be read.
    var blindSince: Instant?

    package init(_ workspace: Workspace) {
        self.workspace = workspace
        sender = AlertSender(channels: workspace.alertChannels, secrets: workspace.secrets)
    }

    /// Looks once at everything and does what is to be done.
    ///
    /// - Returns: what happened, each event once.
    package func look() async -> [Alert] {
        let survey = await Survey(workspace)
        await sendAgain(survey.store)
        var events = blinded(survey)
        for source in workspace.redBeatSources {
            if let why = survey.blind[source.name] {
                events.append(unreachable(source, why))
            } else {
                events += reachable(source)
                await sweep(source)
            }
        }
        let found = await withTaskGroup(of: [Alert].self) { group in
            for (pipeline, part) in survey.taken where !Rehearsing.isCopy(pipeline) {
                group.addTask { await self.care(pipeline, part.keys, part.source, survey) }
            }
            for source in workspace.settings.sources where source.kind == "queue" {
                group.addTask { await self.care(source, survey) }
            }
            var all: [Alert] = []
            for await some in group { all += some }
            return all
        }
        events += survey.lostClocks.map { clock in
            alert(
                "lost",
                "\(clock.source) \(clock.key)",
                .urgent,
                clock.pipeline,
                "\(clock.text.prefix(1).uppercased())\(clock.text.dropFirst())."
            )
        }
        events += found.sorted { ($0.pipeline ?? "", $0.identity) < ($1.pipeline ?? "", $1.identity) }
        var fresh: [Alert] = []
        for event in events where await tell(event, survey.store) { fresh.append(event) }
        return fresh
    }

    /// That a source cannot be read; the same event for as long as it lasts.
    package func unreachable(_ source: SourceSettings, _ why: String) -> Alert {
        let since = silent[source.name] ?? workspace.surroundings.now()
        silent[source.name] = since
        let text = "The source \(source.name) cannot be read since \(since.iso8601): \(why)."
        return alert("unreachable", "\(source.name) \(since.iso8601)", .warning, nil, text)
    }

    /// That a source can be read again, if it could not before.
    package func reachable(_ source: SourceSettings) -> [Alert] {
        guard let since = silent.removeValue(forKey: source.name) else { return [] }
        let text = "The source \(source.name) can be read again."
        return [alert("reachable", "\(source.name) \(since.iso8601)", .info, nil, text)]
    }

    /// What is to be done for one pipeline; an operator who is at work on it is left alone.
    private func care(_ pipeline: String, _ keys: RedBeatKeys, _ source: SourceSettings, _ survey: Survey) async
        -> [Alert]
    {
        do {
            let status = try await RedBeatSwitch.use(try RedisURL(source.url), keys: keys, patience: 3) {
                try await $0.status(claims: 200)
            }
            if let events = try await forgotten(pipeline, keys, source, status, survey) { return events }
            guard status.entries.contains(where: { $0.state != .legacy }), let record = status.entries.first?.record
            else { return [] }
            var events: [Alert] = []
            let isClosing = status.entries.contains { $0.state == .closing }
            if isClosing || status.entries.contains(where: { $0.isUnparked || $0.isRewritten }) {
                // A person's cutover that is under way settles itself; this only returns once the fence has passed.
                if let event = try await heal(pipeline, keys, source, record, survey) { events.append(event) }
            }
            events += try await disorders(pipeline, keys, source, survey)
            if let why = ended(record, status.now, survey.timetable(of: pipeline, lead: status.entries.first)) {
                events += try await giveBack(pipeline, keys, source, survey, "window-ended", record, why, .info)
                return events
            }
            let policy = survey.policy(of: pipeline)
            if let alarm = await legacyAlarm(pipeline, record, source, status.now, survey) {
                events.append(alarm)
                if policy.rollback.onLegacyRun {
                    let why = "by policy: legacy ran too"
                    events += try await giveBack(pipeline, keys, source, survey, "rolled-back", record, why, .urgent)
                    return events
                }
            }
            // While it is retired its DAG claims nothing, which is no delay.
            guard !isClosing, !record.isRetiring, !policy.rollback.isEmpty else { return events }
            let live = await evidence(pipeline, record, status, survey)
            if let reason = policy.rollbackReasons(live).first {
                let why = "by policy: \(reason.text)"
                events += try await giveBack(pipeline, keys, source, survey, "rolled-back", record, why, .urgent)
            }
            return events
        } catch let refusal as Refusal where refusal.reason == .atWork {
            return []
        } catch is CancellationError {
            return []
        } catch {
            let text = "It could not be looked after: \(error)."
            return [alert("trouble", "\(pipeline) \(error)", .warning, pipeline, text)]
        }
    }

    private func heal(
        _ pipeline: String,
        _ keys: RedBeatKeys,
        _ source: SourceSettings,
        _ record: SwitchRecord,
        _ survey: Survey
    ) async throws -> Alert? {
        let healed = try await workspace.session(pipeline, "watch", store: try survey.journalStore()).run {
            [workspace] journal in
            let tell: @Sendable (CutoverProgress) -> Void = { progress in
                if let line = progress.line { workspace.tell("\(pipeline): \(line)") }
            }
            return try await workspace.withEngine(source, keys: keys, journal: journal, tell: tell) {
                try await $0.heal()
            }
        }
        let identity = "\(pipeline) \(record.fence) \(record.closedAt?.iso8601 ?? "")"
        switch healed {
        case .sound, .notMine: return nil
        case .undone:
            let text = "A cutover that was broken off could not be completed; legacy has its clock again."
            return alert("undone", identity, .warning, pipeline, text)
        case .tidied:
            let text = "Something wrote the entry's definition anew; it is closed again. Its clock had stayed parked."
            // A definition is tidied without a new fence: each time counts.
            return alert("healed", "\(identity) \(workspace.surroundings.now().iso8601)", .info, pipeline, text)
        case .parked where record.state == .closing && !record.isHealing:
            return alert(
                "settled",
                identity,
                .info,
                pipeline,
                "A cutover that was broken off is completed: Airflow owns the ticks."
            )
        case .parked:
            let text =
                "Something had restarted legacy's clock while Airflow owned the entry; it is parked again. What legacy fired meanwhile stays its own."
            return alert("healed", identity, .warning, pipeline, text)
        }
    }

    /// Why a bounded window is to be given back now; nil if it is not.
    private func ended(_ record: SwitchRecord, _ now: Instant, _ timetable: AirflowTimetable?) -> String? {
        guard record.state == .airflow else { return nil }
        if record.isOver { return "its bounded window has ended with the tick \(record.lastClaim?.iso8601 ?? "?")" }
        guard let until = record.until, until <= now else { return nil }
        // A gate that starts late still gets its tick, within the patience that gates are given.
        let last = record.windows.last?.from ?? until
        let start = max(record.lastClaim ?? last.adding(microseconds: -1), last.adding(microseconds: -1))
        let open = timetable?.ticks(after: start).first { _ in true }
        if let open, open < until, now < until.adding(seconds: CutoverPolicy.gatePatience) { return nil }
        return "its window ended at \(until.iso8601)"
    }

    func giveBack(
        _ pipeline: String,
        _ keys: RedBeatKeys,
        _ source: SourceSettings,
        _ survey: Survey,
        _ event: String,
        _ record: SwitchRecord,
        _ why: String,
        _ level: Alert.Level
    ) async throws -> [Alert] {
        let outcome = try await workspace.session(pipeline, "rollback", store: try survey.journalStore()).run {
            [workspace] journal in
            try journal.write(.watch, .after, ["why": .string(why)])
            return try await workspace.withEngine(source, keys: keys, journal: journal) { engine in
                // Between the look and the lock somebody may have given it back and cut it over anew: that is another fence.
                let now = try await engine.redbeat.status().entries.first?.record
                guard now?.fence == record.fence else { return RollbackOperation.Outcome.nothing }
                return try await RollbackOperation(engine: engine).run()
            }
        }
        guard case .done(let at, let gone, _) = outcome else { return [] }
        let lost =
            gone.isEmpty
            ? "" : " The application had deleted \(gone.count) of its entries, so legacy does not run those."
        let text = "Given back to legacy at \(at.iso8601), \(why).\(lost)"
        return [alert(event, "\(pipeline) \(record.fence) \(at.iso8601)", level, pipeline, text)]
    }

    // MARK: What is known of live runs

    private func evidence(_ pipeline: String, _ record: SwitchRecord, _ status: SwitchStatus, _ survey: Survey) async
        -> LiveEvidence
    {
        let now = status.now
        let window = record.windows.last
        let claims = record.claims.filter { window?.contains($0.tick) == true }
        let states = await workspace.runStates(claims.filter { $0.how == .live }.map(\.run))
        var due: [Instant] = []
        if let timetable = survey.timetable(of: pipeline, lead: status.entries.first), let window {
            // Ticks before the newest claim do not matter: it stands for them.
            let start = max(window.from.adding(microseconds: -1), record.lastClaim ?? .earliest)
            for tick in timetable.ticks(after: start).prefix(1000) {
                if tick > now || window.until.map({ tick >= $0 }) == true { break }
                due.append(tick)
            }
        }
        let since = record.settledAt ?? now
        let comparisons = Workspace.stored(survey.store) {
            try $0.comparisons(pipeline: pipeline, since: since, verdicts: [.mismatch])
        }
        return LiveEvidence(
            pipeline: pipeline,
            now: now,
            due: due,
            ticks: claims.map { claim in
                LiveTick(
                    tick: claim.tick,
                    run: claim.run,
                    claimedAt: claim.at,
                    ranTasks: claim.how == .live,
                    state: states[claim.run] ?? .unknown("nobody asked Airflow")
                )
            },
            comparisons: comparisons.value ?? []
        )
    }

    /// Takes away what killed rehearsals left.
    private func sweep(_ source: SourceSettings) async {
        guard let url = try? RedisURL(source.url) else { return }
        let place = workspace.place(source)
        let before = workspace.surroundings.now().adding(seconds: -Rehearsing.patience(source))
        let removed = try? await RedBeatSwitch.use(url, keys: place.keys([]), patience: 2) {
            try await RehearsalCopy.sweep($0, place: place, pipeline: nil, before: before)
        }
        if let removed, removed > 0 {
            workspace.tell("\(source.name): removed \(removed) keys that a broken-off rehearsal had left")
        }
    }

    // MARK: Alerts

    func alert(_ event: String, _ identity: String, _ level: Alert.Level, _ pipeline: String?, _ text: String)
        -> Alert
    {
        Alert(
            event: event,
            identity: "\(event) \(identity)",
            level: level,
            pipeline: pipeline,
            text: text,
            at: workspace.surroundings.now()
        )
    }

    /// Tells people of an event, once. Returns whether it was new. What no way took is kept, and sent at a later look.
    private func tell(_ event: Alert, _ store: Known<StateStore>) async -> Bool {
        let inState = Workspace.stored(store) { try $0.tellsFirst(event.identity, at: event.at) }.value
        let isFirst = told.insert(event.identity).inserted
        guard inState ?? isFirst else { return false }
        if await !send(event),
            Workspace.stored(store, { try $0.keepUnsent(event.json, identity: event.identity) }).value == nil
        {
            unsent.append(event)
        }
        return true
    }

    /// Sends what no way took before. An event that is over is not seen again, but people should know of it.
    private func sendAgain(_ store: Known<StateStore>) async {
        let rows = Workspace.stored(store) { try $0.unsentAlerts() }.value ?? []
        for (identity, document) in rows {
            if let alert = Alert(document, identity: identity), await !send(alert) { continue }
            _ = Workspace.stored(store) { try $0.forgetUnsent(identity) }
        }
        for alert in unsent where await send(alert) { unsent.removeAll { $0.identity == alert.identity } }
    }

    /// Sends an alert all the ways there are. Whether one of them took it.
    private func send(_ alert: Alert) async -> Bool {
        let failures = await sender.send(alert)
        for failure in failures { workspace.tell("\(failure)") }
        return failures.count < workspace.alertChannels.count || workspace.alertChannels.isEmpty
    }
}

extension Survey {
    /// Where the journal goes: Bailey's own state, or a substitute where that cannot be opened.
    func journalStore() throws -> StateStore { try store.value ?? workspace.storeOrSubstitute() }
}

extension Workspace {
    /// The ways of alerts.
    var alertChannels: [AlertChannel] {
        settings.alerts.map { channel in
            switch channel {
            case .webhook(let url): .webhook(url)
            case .email(let host, let port, let from, let to):
                .email(MailRelay(host: host, port: port, from: from, to: to))
            case .command(let words, let variables): .command(words, variables: variables)
            }
        }
    }

    /// Texts that must never leave: passwords of sources, of Airflow, and webhooks.
    package var secrets: [String] {
        var secrets = systems.flatMap(\.secrets)
        if let password = settings.airflow.password { secrets.append(password) }
        for case .webhook(let url) in settings.alerts { secrets.append(url) }
        for case .command(_, let variables) in settings.alerts { secrets += variables.values }
        // What the file takes from the environment may be a password; what it says in clear is none.
        for environment in settings.environments.values {
            secrets += environment.variables.filter { environment.templates[$0.key] != $0.value }.values
        }
        return secrets
    }

    /// How DAG runs went, by `<dag_id>/<run_id>`; what is not known is left out, or says why.
    func runStates(_ runs: [String]) async -> [String: Known<RunState>] {
        func all(_ why: String) -> [String: Known<RunState>] {
            Dictionary(runs.map { ($0, .unknown(why)) }, uniquingKeysWith: { $1 })
        }
        do {
            guard try airflowAccess() != nil else { return all("no Airflow is configured (target.airflow.url)") }
            return try await withAirflow("the state of live runs") { client in
                var states: [String: Known<RunState>] = [:]
                for run in runs {
                    let parts = run.split(separator: "/", maxSplits: 1).map(String.init)
                    guard parts.count == 2, let found = try await client.run(parts[0], parts[1]) else {
                        states[run] = .unknown("Airflow has no run \(run)")
                        continue
                    }
                    states[run] = found.liveState
                }
                return states
            }
        } catch {
            return all("\(error)")
        }
    }
}

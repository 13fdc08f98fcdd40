import Airflow
package import Alerts
import Cutover
import Foundation
import Legacy
import LosslessJSON
import Migration
import Postgres
import Schedules
import Settings
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
        for bridge in survey.bridges where bridge.cargo == .ticks {
            if let why = survey.blind[bridge.source] {
                events.append(unreachable(bridge.source, why))
            } else {
                events += reachable(bridge.source)
            }
        }
        let found = await withTaskGroup(of: [Alert].self) { group in
            for bridge in survey.bridges where survey.blind[bridge.source] == nil {
                group.addTask { await self.care(bridge, survey) }
            }
            var all: [Alert] = []
            for await some in group { all += some }
            return all
        }
        events += survey.lost.map { work in
            let text = "\(work.text.prefix(1).uppercased())\(work.text.dropFirst())."
            return alert("lost", "\(work.source) \(work.key)", .urgent, work.pipeline, text)
        }
        events += await late(survey)
        events += found.sorted { ($0.pipeline ?? "", $0.identity) < ($1.pipeline ?? "", $1.identity) }
        var fresh: [Alert] = []
        for event in events where await tell(event, survey.store) { fresh.append(event) }
        return fresh
    }

    /// That a source cannot be read; the same event for as long as it lasts.
    package func unreachable(_ source: String, _ why: String) -> Alert {
        let since = silent[source] ?? workspace.surroundings.now()
        silent[source] = since
        let text = "The source \(source) cannot be read since \(since.iso8601): \(why)."
        return alert("unreachable", "\(source) \(since.iso8601)", .warning, nil, text)
    }

    /// That a source can be read again, if it could not before.
    package func reachable(_ source: String) -> [Alert] {
        guard let since = silent.removeValue(forKey: source) else { return [] }
        let text = "The source \(source) can be read again."
        return [alert("reachable", "\(source) \(since.iso8601)", .info, nil, text)]
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

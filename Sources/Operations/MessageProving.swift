import Airflow
import Cutover
import Legacy
import LosslessJSON
import Migration
import Schedules
import Settings

/// Compares what beat sends for the entries of a pipeline with what its DAG sends: the same copy of each is fired by the real beat into a queue
/// that nobody consumes and sent by the DAG's own sender into another. Where that cannot be done safely, as much is compared as can be offline.
struct MessageProving: Sendable {
    let workspace: Workspace
    let source: String
    let pipeline: String
    let rehearsal: any CrossingRehearsal
    let senders: CelerySenders
    /// Whether beat may fire copies.
    let fires: Bool

    /// What both messages are waited for and compared by.
    private struct Pair: Sendable {
        var copy: any FiredCopy
        var sender: CelerySenders.Sender
        var program: CeleryProgram
        var request: JSONObject
        var found: MessageComparison
        /// Whether beat has a copy to fire.
        var isUnderway = false
    }

    /// Does it, and takes away what it made, also when it is interrupted.
    ///
    /// - Throws: `CancellationError`, or what the source's Redis refuses.
    func run(at instant: Instant, patience: Double) async throws -> [MessageComparison] {
        var pairs: [Pair] = []
        var comparisons: [MessageComparison] = []
        do {
            for (number, sender) in senders.senders.enumerated() {
                guard let entry = sender.entry, entry.id.source == source else { continue }
                var found = MessageComparison(
                    task: sender.task,
                    entry: entry.id,
                    form: sender.form,
                    verdict: .failed,
                    words: ""
                )
                let copy = rehearsal.copy(number: number)
                do {
                    let pair = Pair(
                        copy: copy,
                        sender: sender,
                        program: try await senders.program(sender.call),
                        request: try senders.request(sender.call),
                        found: found
                    )
                    pairs.append(pair)
                    try await begin(&pairs[pairs.count - 1], entry)
                } catch let error as CancellationError {
                    throw error
                } catch {
                    found.words = "\(error)"
                    if pairs.last?.copy.name == copy.name {
                        pairs[pairs.count - 1].found = found
                    } else {
                        comparisons.append(found)
                    }
                }
            }
            try await waitForBeat(&pairs, patience: patience)
            for index in pairs.indices where pairs[index].isUnderway {
                try await compare(&pairs[index], since: instant)
            }
        } catch {
            let left = pairs
            // Also when it was interrupted: nothing stays behind.
            let removing = Task { await remove(left) }
            await removing.value
            throw error
        }
        await remove(pairs)
        return comparisons + pairs.map(\.found)
    }

    /// Sends the DAG's message, and gives beat its copy.
    private func begin(_ pair: inout Pair, _ entry: LegacyEntry) async throws {
        let stored = entry.options
        var request = pair.request
        request["do"] = fires ? "begin" : "offline"
        request["stored"] = .string((stored.isNull ? [:] : stored).text())
        request["beat_place"] = .string(pair.copy.name)
        request["dag_place"] = .string(pair.copy.ours)
        pair.request = request
        let reply = try await pair.program.answer(.object(request), seconds: 120)
        pair.found.to = CelerySenders.words(reply["to"])
        if let theirs = reply["stored_to"] {
            pair.found.differences.append(
                MessageComparison.Difference(
                    property: "to",
                    beat: CelerySenders.words(theirs),
                    dag: pair.found.to
                )
            )
        }
        if let obstacle = fires
            ? reply["obstacle"]?.string : "the policy wants no copies (message_parity: {copies: false})"
        {
            pair.found.differences += offline(entry, pair.sender.call)
            pair.found.verdict = pair.found.differences.isEmpty ? .offline : .different
            pair.found.words = "\(obstacle); task, arguments, options and route are compared offline"
            return
        }
        guard let text = reply["copy"]?.string, let options = try? JSON(parsing: Array(text.utf8)) else {
            throw OperationFailure(.defect, "the sender named no options for the copy")
        }
        pair.isUnderway = true
        try await pair.copy.make(of: entry, options: options)
    }

    /// What the DAG's call says otherwise than the entry, found without sending anything.
    private func offline(_ entry: LegacyEntry, _ call: CeleryCall) -> [MessageComparison.Difference] {
        func shown(_ json: JSON) -> String {
            let text = json.text()
            return text.count > 200 ? "\(text.prefix(200))…" : text
        }
        let pairs: [(String, JSON, JSON)] = [
            ("task", .string(entry.task), .string(call.task)),
            ("args", entry.args.isNull ? [] : entry.args, call.args),
            ("kwargs", entry.kwargs.isNull ? [:] : entry.kwargs, call.kwargs),
        ]
        return pairs.filter { $0.1 != $0.2 }.map {
            MessageComparison.Difference(property: $0.0, beat: shown($0.1), dag: shown($0.2))
        }
    }

    private func waitForBeat(_ pairs: inout [Pair], patience: Double) async throws {
        let end = ContinuousClock.now + .seconds(patience)
        while ContinuousClock.now < end {
            var isWaiting = false
            for pair in pairs where pair.isUnderway {
                if try await !pair.copy.hasFired() { isWaiting = true }
            }
            if !isWaiting { return }
            try await workspace.surroundings.sleep(0.2)
        }
        let silence = try await rehearsal.silence()
        for index in pairs.indices where pairs[index].isUnderway {
            guard try await !pairs[index].copy.hasFired() else { continue }
            pairs[index].isUnderway = false
            pairs[index].found.words =
                silence ?? "beat did not fire its copy within \(Int(patience)) s; see beat's log"
        }
    }

    private func compare(_ pair: inout Pair, since: Instant) async throws {
        var request = pair.request
        request["do"] = "compare"
        request["since"] = .number(JSONNumber(Double(since.microseconds) / 1_000_000))
        do {
            let reply = try await pair.program.answer(.object(request), seconds: 120)
            if let missing = reply["missing"]?.string {
                pair.found.words =
                    missing == "beat"
                    ? "beat fired its copy, and no message of it came where it was led: the application sends by code of its own, or beat's log tells an error"
                    : "the DAG's own message is gone from its queue: somebody consumes \(pair.copy.ours)"
                return
            }
            pair.found.same = reply["same"]?.array?.compactMap(\.string) ?? []
            pair.found.body = reply["sha256"]?.string
            for item in reply["differences"]?.array ?? [] {
                pair.found.differences.append(
                    MessageComparison.Difference(
                        property: item["property"]?.string ?? "?",
                        beat: item["beat"]?.string ?? "?",
                        dag: item["dag"]?.string ?? "?"
                    )
                )
            }
            pair.found.verdict = pair.found.differences.isEmpty ? .same : .different
            let bytes = reply["bytes"]?.int ?? 0
            pair.found.words = "\(pair.found.same.count) properties are equal, and \(bytes) bytes of body among them"
        } catch let error as CancellationError {
            throw error
        } catch {
            pair.found.words = "\(error)"
        }
    }

    /// Takes away what was made. Names of what cannot be are told.
    private func remove(_ pairs: [Pair]) async {
        for pair in pairs {
            do {
                try await pair.copy.remove()
                guard pair.request["beat_place"] != nil else { continue }
                var request = pair.request
                request["do"] = "remove"
                request["names"] = [.string(pair.copy.name), .string(pair.copy.ours)]
                _ = try await pair.program.answer(.object(request), seconds: 60)
            } catch {
                workspace.tell(
                    "\(pipeline): \(pair.copy.name) and \(pair.copy.ours) could not be removed (\(error)); delete queues and exchanges of these names at the broker"
                )
            }
        }
    }
}

import Migration
import Shadow
import Testing

@Suite("Trigger rules") struct DAGProgressTests {
    /// What becomes of a task once those before it have ended as given: the table of Airflow 3.3's documentation and of its `TriggerRuleDep`.
    @Test func rulesDecideAsAirflowDoes() {
        let s = RunState.success
        let f = RunState.failed
        let k = RunState.skipped
        let u = RunState.upstreamFailed
        let ready = RunState.queued  // not settled: it may start
        let ends: [[RunState]] = [
            [s, s], [s, f], [f, f], [s, k], [k, k], [f, k], [u, s], [u, u], [u, k],
        ]
        let table: [(TriggerRule, [RunState])] = [
            (.allSuccess, [ready, u, u, k, k, u, u, u, u]),
            (.allFailed, [k, k, ready, k, k, k, k, ready, k]),
            (.allDone, [ready, ready, ready, ready, ready, ready, ready, ready, ready]),
            (.oneSuccess, [ready, ready, u, ready, k, u, ready, u, u]),
            (.oneFailed, [k, ready, ready, k, k, ready, ready, ready, ready]),
            (.oneDone, [ready, ready, ready, ready, k, ready, ready, k, k]),
            (.noneFailed, [ready, u, u, ready, ready, u, u, u, u]),
            (.noneSkipped, [ready, ready, ready, k, k, k, ready, ready, k]),
            (.noneFailedMinOneSuccess, [ready, u, u, ready, k, u, u, u, u]),
            (.always, [ready, ready, ready, ready, ready, ready, ready, ready, ready]),
        ]
        for (rule, expected) in table {
            for (before, expectation) in zip(ends, expected) {
                var task = TaskDefinition(id: "it", body: .untranslatable(reason: ""), after: ["a", "b"])
                task.triggerRule = rule
                let bodies = ["a", "b"].map { TaskDefinition(id: $0, body: .untranslatable(reason: "")) }
                var progress = DAGProgress(bodies + [task])
                for (id, state) in zip(["a", "b"], before) { progress.end(id, state) }
                #expect(progress.states["it"] == expectation, "\(rule.rawValue) after \(before)")
                #expect(
                    progress.ready.contains { $0.id == "it" } == (expectation == ready),
                    "\(rule.rawValue) \(before)"
                )
            }
        }
    }

    @Test func aFailureReachesThoseFarBehind() {
        func task(_ id: String, _ after: [String]) -> TaskDefinition {
            TaskDefinition(id: id, body: .untranslatable(reason: ""), after: after)
        }
        var progress = DAGProgress([task("c", ["b"]), task("b", ["a"]), task("a", [])])
        progress.start("a")
        #expect(progress.ready.isEmpty)
        progress.end("a", .failed)
        #expect(progress.states == ["a": .failed, "b": .upstreamFailed, "c": .upstreamFailed])
        #expect(!progress.succeeded)
    }

    @Test func higherPriorityStartsFirst() {
        let tasks = [("a", 1), ("b", 9), ("c", 5)].map {
            TaskDefinition(id: $0.0, body: .untranslatable(reason: ""), priority: $0.1)
        }
        #expect(DAGProgress(tasks).ready.map(\.id) == ["b", "c", "a"])
    }
}

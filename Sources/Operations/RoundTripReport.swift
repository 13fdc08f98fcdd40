package import LosslessJSON
package import Migration

/// What `doctor --round-trip` did or would do.
package struct RoundTripReport: Sendable {
    /// A pipeline's tasks that send, and what came of each.
    package struct Line: Sendable {
        package var pipeline: String
        package var task: String
        package var celery: String
        /// What came of it; nil where nothing was sent.
        package var trip: RoundTrip?
    }

    package private(set) var executed: Bool
    package private(set) var lines: [Line] = []

    /// Sends the way of each Celery task of some pipelines; all if none is named.
    ///
    /// - Throws: `OperationFailure`, or `CancellationError`.
    package init(_ workspace: Workspace, _ pipelines: [String], execute: Bool) async throws {
        executed = execute
        let inventory = try workspace.inventory()
        let plan = try workspace.plan(inventory)
        for name in pipelines where !plan.pipelines.contains(where: { $0.dag.id == name }) {
            throw OperationFailure(.usage, "there is no pipeline “\(name)”")
        }
        for planned in plan.pipelines where pipelines.isEmpty || pipelines.contains(planned.dag.id) {
            let senders = CelerySenders(workspace, planned.dag, inventory)
            let trips = execute ? try await senders.roundTrips() : []
            for sender in senders.senders {
                lines.append(
                    Line(
                        pipeline: planned.dag.id,
                        task: sender.task,
                        celery: sender.call.task,
                        trip: trips.first { $0.task == sender.task }
                    )
                )
            }
        }
    }

    /// Whether everything came back that was sent.
    package var holds: Bool { !executed || lines.allSatisfy { $0.trip?.cameBack == true } }

    /// For people.
    package var textLines: [String] {
        guard executed else {
            return lines.map { "Would send celery.accumulate the way of “\($0.celery)” (\($0.pipeline))" } + [
                lines.isEmpty
                    ? "No pipeline has a Celery task." : "Nothing was sent. Run it with --execute to do it."
            ]
        }
        return lines.map { "\($0.pipeline) \($0.task): \($0.trip?.text ?? "")" }
    }

    /// The document; see docs/json.md.
    package var json: JSON {
        [
            "bailey": "doctor", "version": 1, "executed": .bool(executed), "holds": .bool(holds),
            "round_trips": .array(
                lines.map { line in
                    var object: JSONObject = [
                        "pipeline": .string(line.pipeline), "task": .string(line.task),
                        "celery_task": .string(line.celery),
                    ]
                    for member in line.trip?.json.object?.members ?? [] where object[member.key] == nil {
                        object[member.key] = member.value
                    }
                    return .object(object)
                }
            ),
        ]
    }
}

public import LosslessJSON
import Schedules

extension Rehearsal {
    /// The rehearsal in reports and in Bailey's state; see docs/json.md.
    public var json: JSON {
        [
            "pipeline": .string(pipeline), "at": JSON(at), "passed": .bool(passed),
            "steps": .array(
                steps.map { step in
                    [
                        "name": .string(step.name), "seconds": JSON(step.seconds), "passed": .bool(step.passed),
                        "detail": .string(step.detail),
                    ]
                }
            ),
            "messages": .array(messages.map(\.json)), "round_trips": .array(roundTrips.map(\.json)),
        ]
    }

    /// Reads that JSON.
    ///
    /// - Throws: `StoredJSONError`.
    public init(json: JSON) throws(StoredJSONError) {
        let object = try StoredObject(json, "rehearsal")
        self.init(pipeline: try object.string("pipeline"), at: try object.instant("at"), steps: [])
        for item in object.items("steps") {
            let step = try StoredObject(item, "step")
            steps.append(
                Step(
                    name: try step.string("name"),
                    seconds: try step.value("seconds", "a number") { $0.double },
                    passed: try step.bool("passed"),
                    detail: try step.string("detail")
                )
            )
        }
        for item in object.items("messages") { messages.append(try MessageComparison(json: item)) }
        for item in object.items("round_trips") { roundTrips.append(try RoundTrip(json: item)) }
    }
}

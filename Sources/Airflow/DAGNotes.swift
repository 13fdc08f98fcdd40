import LosslessJSON

/// What DAG files need of their Airflow, as files beside them.
public struct DAGNotes: Sendable {
    /// The slots of a pool that is made: what a pool guards may bear more, which only people know.
    public static let poolSlots = 1

    private let files: [DAGFile]

    /// The needs of some files.
    public init(files: [DAGFile]) { self.files = files }

    /// The notes by file name: Python requirements, pools in the form of `airflow pools import`,
    /// connections, and the environment variables of workers.
    public var texts: [(name: String, text: String)] {
        let requirements = files.reduce(into: Set<String>()) { $0.formUnion($1.requirements) }.sorted()
        let pools = files.reduce(into: Set<String>()) { $0.formUnion($1.pools) }.sorted()
        var connections: [String: String] = [:]
        for file in files { connections.merge(file.connections) { first, _ in first } }
        let variables = files.reduce(into: Set<String>()) { $0.formUnion($1.workerVariables) }.sorted()
        let poolJSON = JSON.object(
            JSONObject(
                pools.map {
                    (
                        $0,
                        [
                            "slots": .number(JSONNumber(DAGNotes.poolSlots)),
                            "description": "used by pipelines that Bailey generated",
                        ]
                    )
                }
            )
        )
        let lines = connections.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        return [
            ("bailey-requirements.txt", requirements.map { $0 + "\n" }.joined()),
            ("bailey-pools.json", poolJSON.text(.pretty) + "\n"),
            ("bailey-connections.txt", lines.map { $0 + "\n" }.joined()),
            ("bailey-variables.txt", variables.map { $0 + "\n" }.joined()),
        ]
    }
}

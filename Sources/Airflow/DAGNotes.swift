import LosslessJSON
public import Migration

/// What DAG files need of their Airflow, as files beside them.
public struct DAGNotes: Sendable {
    private let files: [DAGFile]
    private let declared: [Pool]

    /// The needs of some files; of their pools those are noted that are declared, for of others nobody knows the slots.
    public init(files: [DAGFile], pools: [Pool]) {
        self.files = files
        declared = pools
    }

    /// What Airflow shows beside a pool that Bailey makes.
    public static func note(_ pool: Pool) -> String { pool.summary ?? "used by pipelines that Bailey generated" }

    /// A line for `pip install -r`. Bailey's own package is on no index: pip would take whatever somebody puts there under its name.
    private static func requirement(_ name: String) -> String {
        name == "bailey-runtime"
            ? "# bailey-runtime: the wheel that “make dist” builds in Bailey's checkout; it is on no package index"
            : name
    }

    /// The notes by file name: Python requirements, pools in the form of `airflow pools import`,
    /// connections, and the environment variables of workers.
    public var texts: [(name: String, text: String)] {
        let requirements = files.reduce(into: Set<String>()) { $0.formUnion($1.requirements) }.sorted()
        let used = files.reduce(into: Set<String>()) { $0.formUnion($1.pools) }
        var connections: [String: String] = [:]
        for file in files { connections.merge(file.connections) { first, _ in first } }
        let variables = files.reduce(into: Set<String>()) { $0.formUnion($1.workerVariables) }.sorted()
        let poolJSON = JSON.object(
            JSONObject(
                declared.filter { used.contains($0.name) }.map {
                    (
                        $0.name,
                        ["slots": .number(JSONNumber($0.slots)), "description": .string(DAGNotes.note($0))]
                    )
                }
            )
        )
        let lines = connections.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        return [
            ("bailey-requirements.txt", requirements.map { DAGNotes.requirement($0) + "\n" }.joined()),
            ("bailey-pools.json", poolJSON.text(.pretty) + "\n"),
            ("bailey-connections.txt", lines.map { $0 + "\n" }.joined()),
            ("bailey-variables.txt", variables.map { $0 + "\n" }.joined()),
        ]
    }
}

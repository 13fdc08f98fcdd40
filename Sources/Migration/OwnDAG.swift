/// A DAG file that a person has written, and that stands in the place of a generated one.
public struct OwnDAG: Sendable, Hashable {
    /// Its path from the mapping's folder.
    public var file: String
    /// Its text.
    public var text: String
    /// The text of the file that takes its place once the pipeline is retired: the same without its gate; nil where there is none yet.
    public var withoutGate: String?
    /// The environment of `bailey.yaml` whose interpreter has what Airflow's has: the file is read there before it is brought.
    public var environment: String

    /// Makes one.
    public init(file: String, text: String, withoutGate: String? = nil, environment: String) {
        (self.file, self.text, self.withoutGate, self.environment) = (file, text, withoutGate, environment)
    }
}

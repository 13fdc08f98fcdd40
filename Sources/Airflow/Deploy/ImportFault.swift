import LosslessJSON
public import Migration

/// Why Airflow could not import a generated file, in Bailey's terms.
public struct ImportFault: Sendable, Hashable {
    /// The finding it is.
    public let code: FindingCode
    /// What was found and what to do.
    public let text: String

    /// Reads a Python traceback.
    public init(trace: String) {
        let lines = trace.split(separator: "\n").map { $0.trimmingPrefix { $0 == " " } }.filter { !$0.isEmpty }
        let last = lines.last.map { String($0.prefix(400)) } ?? "no reason was given"
        if let module = last.firstMatch(of: /No module named '([^']+)'/)?.output.1
            ?? last.firstMatch(of: /cannot import name .* from '([^']+)'/)?.output.1
        {
            let name = String(module)
            if name == "bailey_runtime" || name.hasPrefix("bailey_runtime.") {
                code = .runtimeMissing
                text =
                    "\(last). Install the wheel of this version (bailey-runtime; “make dist” builds it) where Airflow's DAG processor, scheduler, workers and triggerer run."
            } else if let provider = ProviderNeeds.package(ofModule: name) {
                code = .moduleMissing
                text = "\(last). Install \(provider) where Airflow runs."
            } else {
                code = .moduleMissing
                text = "\(last). Install what provides it where Airflow runs."
            }
        } else if trace.contains("is not registered"), trace.contains("imetable") {
            code = .timetableUnknown
            text = "\(last). Copy Bailey's plugin into Airflow's plugins folder and restart all of its processes."
        } else if trace.contains("AirflowDagDuplicatedIdException") {
            code = .dagIDTaken
            text = "\(last). Another file defines the same DAG id; rename the pipeline, or remove that file."
        } else {
            code = .importError
            text = last + (last.hasSuffix(".") ? "" : ".")
        }
    }
}

/// The providers that a generated file needs.
public enum ProviderNeeds {
    /// The package of a provider's module: `airflow.providers.common.sql.hooks.sql` → `apache-airflow-providers-common-sql`.
    static func package(ofModule module: String) -> String? {
        let words = module.split(separator: ".").map(String.init)
        guard words.count > 2, words[0] == "airflow", words[1] == "providers" else { return nil }
        // Some providers have a name of two parts; the second is never one of the folders that providers are made of.
        let folders = ["hooks", "operators", "sensors", "triggers", "decorators", "transfers", "utils", "timetables"]
        let families = ["common", "apache", "microsoft", "cncf", "dbt", "atlassian"]
        let name = words[2...].prefix { !folders.contains($0) }.prefix(families.contains(words[2]) ? 2 : 1)
        return "apache-airflow-providers-" + name.joined(separator: "-").replacing("_", with: "-")
    }

    /// The provider packages that a pipeline's file needs: those it imports, and that of the queues it takes jobs from.
    public static func packages(file text: String, dag: DAGDefinition) -> Set<String> {
        var found: Set<String> = []
        for match in text.matches(of: /(?m)^\s*(?:from|import)\s+(airflow\.providers\.[\w.]+)/) {
            if let package = package(ofModule: String(match.output.1)) { found.insert(package) }
        }
        if dag.tasks.contains(where: { if case .queue = $0.body { true } else { false } }),
            text.contains("bailey_runtime")
        {
            found.insert("apache-airflow-providers-postgres")
        }
        return found
    }
}

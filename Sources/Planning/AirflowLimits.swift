import Migration

/// What Airflow's tables and checks refuse: a file that breaks one of these is refused when it is parsed, or only when its first run is made.
///
/// Lengths and ranges are those of the columns of Airflow 2.11 and 3.3 (`models/dag.py`, `models/taskinstance.py`, `models/pool.py`,
/// `models/asset.py`, `utils/helpers.py`).
enum AirflowLimits {
    /// The most characters of a DAG or task id.
    static let longestID = 250
    /// The most characters of a task group's id.
    static let longestGroup = 200
    /// The most characters of a tag.
    static let longestTag = 100
    /// The most characters of a pool's or an executor queue's name.
    static let longestPlace = 256
    /// The most characters of an owner.
    static let longestOwner = 2000

    /// What a mapping says that Airflow would not take.
    static func findings(_ mapping: Mapping) -> [Finding] {
        var findings: [Finding] = []
        func find(_ location: SourceLocation, _ text: String) {
            findings.append(Finding(.airflowLimit, pipeline: mapping.pipeline, location: location, text: text))
        }
        func short(_ what: String, _ text: String, _ most: Int, _ location: SourceLocation) {
            guard text.unicodeScalars.count > most else { return }
            find(
                location,
                "\(what) “\(text.prefix(40))…” has \(text.unicodeScalars.count) characters; Airflow keeps at most \(most)."
            )
        }
        func small(_ what: String, _ value: Int, _ range: ClosedRange<Int>, _ location: SourceLocation) {
            guard !range.contains(value) else { return }
            find(location, "\(what) is \(value); Airflow takes \(range.lowerBound) to \(range.upperBound).")
        }
        let numbers = Int(Int32.min)...Int(Int32.max)
        short("The id", mapping.pipeline, longestID, mapping.location)
        for (id, location) in [(mapping.pipeline, mapping.location)]
            + mapping.tasks.map({ ($0.definition.id, $0.location) })
        where id.contains("..") {
            find(location, "The id “\(id)” has two dots in a row, which Airflow refuses.")
        }
        short("The owner", mapping.owner, longestOwner, mapping.location)
        for tag in mapping.tags { short("The tag", tag, longestTag, mapping.location) }
        small("max_active_runs", mapping.maxActiveRuns, 1...Int(Int32.max), mapping.location)
        for task in mapping.tasks {
            let definition = task.definition
            short("The task id", definition.id, longestID, task.location)
            if let pool = definition.pool { short("The pool", pool, longestPlace, task.location) }
            if let queue = definition.queue { short("The queue", queue, longestPlace, task.location) }
            small("priority", definition.priority, numbers, task.location)
            for uri in definition.produces {
                if let why = refused(asset: uri) { find(task.location, "The asset “\(shown(uri))” \(why).") }
            }
            small("retries", definition.retry.retries, 0...Int(Int32.max), task.location)
            if let group = definition.group {
                short("The group", group, longestGroup, task.location)
                let fits = group.unicodeScalars.allSatisfy {
                    $0.properties.isAlphabetic || ("0"..."9").contains($0) || "_-".unicodeScalars.contains($0)
                }
                if !fits || group.isEmpty {
                    find(
                        task.location,
                        "The group “\(group.prefix(40))” may hold only letters, digits, “_” and “-”, and not be empty."
                    )
                }
                if mapping.tasks.contains(where: { $0.definition.id == group }) {
                    find(task.location, "The group “\(group)” has the id of a task; ids in a DAG are unique.")
                }
            }
        }
        return findings
    }

    /// An asset's URI without a user and a password.
    private static func shown(_ uri: String) -> String {
        guard let scheme = uri.firstRange(of: "://"), let end = uri.lastIndex(of: "@"), scheme.upperBound <= end else {
            return String(uri.prefix(60))
        }
        return "\(uri[..<scheme.upperBound])…\(uri[end...].prefix(60))"
    }

    /// Why Airflow, or the provider of the scheme, does not take an asset's URI as it is; nil if it does.
    static func refused(asset uri: String) -> String? {
        guard let scheme = uri.firstRange(of: "://") else { return nil }
        let rest = uri[scheme.upperBound...]
        let place = rest.prefix { $0 != "/" }
        if place.contains("@") {
            return "holds a user or a password, which Airflow drops and everybody could read in the DAG's file"
        }
        let name = uri[..<scheme.lowerBound].lowercased()
        if name == "airflow" { return "has Airflow's own scheme, which is reserved" }
        let parts = rest.drop { $0 != "/" }.split(separator: "/", omittingEmptySubsequences: true)
        switch name {
        case "postgres", "postgresql", "mysql", "trino":
            let wanted = name == "mysql" ? 2 : 3
            guard parts.count != wanted || place.isEmpty else { return nil }
            let form = name == "mysql" ? "host/database/table" : "host/database/schema/table"
            return "must be \(name)://\(form), or the provider of that scheme refuses it"
        default: return nil
        }
    }

    /// Pipelines whose ids are one to a database or a folder that does not tell capitals from small letters.
    static func likeIDs(_ pipelines: [PlannedPipeline]) -> [Finding] {
        Dictionary(grouping: pipelines.map(\.dag.id)) { $0.lowercased() }.values.filter { $0.count > 1 }
            .flatMap { ids in
                let sorted = ids.sorted()
                return sorted.dropFirst().map { id in
                    Finding(
                        .airflowLimit,
                        pipeline: id,
                        text:
                            "The ids “\(sorted[0])” and “\(id)” differ in capitals only: they are one DAG to Airflow on MySQL, and one file in some folders. Give one of them a mapping with another dag_id."
                    )
                }
            }
    }
}

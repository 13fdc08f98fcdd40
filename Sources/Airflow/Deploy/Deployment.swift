public import Migration
public import Schedules

/// Brings pipelines into one Airflow, and makes sure that what it runs is what was planned.
public struct Deployment: Sendable {
    /// One pipeline and its file.
    public struct Item: Sendable {
        /// The pipeline.
        public var dag: DAGDefinition
        /// The file as it is to be read by Airflow.
        public var file: DAGDelivery.File
        /// Whether the file begins with a gate.
        public var gated: Bool

        /// A pipeline to bring.
        public init(dag: DAGDefinition, file: DAGDelivery.File, gated: Bool) {
            self.dag = dag
            self.file = file
            self.gated = gated
        }
    }

    /// What an Airflow has under a pipeline's DAG id.
    public enum Standing: String, Sendable, Hashable {
        /// Nothing.
        case new
        /// A DAG of Bailey's, made from this very text.
        case same
        /// A DAG of Bailey's, made from another text.
        case other
        /// Somebody else's DAG.
        case foreign
    }

    let client: AirflowClient
    let progress: @Sendable (String) -> Void

    /// A deployment.
    ///
    /// - Parameter progress: takes lines for people.
    public init(client: AirflowClient, progress: @escaping @Sendable (String) -> Void) {
        self.client = client
        self.progress = progress
    }

    // MARK: Before

    /// What this Airflow has under the pipelines' ids, and what stands against bringing them.
    ///
    /// - Parameter target: the Airflow that the files are written for: `3` or `2.11`.
    public func survey(_ items: [Item], target: DAGFile.Target) async throws -> (
        standings: [String: Standing], findings: [Finding]
    ) {
        var findings = versionFindings(target)
        var standings: [String: Standing] = [:]
        for item in items {
            let standing = try await standing(item)
            standings[item.dag.id] = standing
            if standing == .foreign {
                findings.append(
                    Finding(
                        .dagIDTaken,
                        pipeline: item.dag.id,
                        text:
                            "Airflow has a DAG “\(item.dag.id)” that is not Bailey's. It is never overwritten: rename the pipeline in its mapping, or remove that DAG and its file."
                    )
                )
            }
        }
        findings += try await needs(items)
        if client.version.numbers.starts(with: [3, 0]) { findings += items.compactMap(unseenLateness) }
        return (standings, findings)
    }

    /// A DAG is ours if it has our tag and its source our first line; what cannot be told is not ours.
    private func standing(_ item: Item) async throws -> Standing {
        guard let dag = try await client.dag(item.dag.id) else { return .new }
        guard dag.tags.contains("bailey"), let source = try await client.source(of: dag),
            DAGFile.origin(of: source) != .foreign
        else { return .foreign }
        return source == item.file.text ? .same : .other
    }

    /// That nobody looks at the times of a pipeline: there are deadlines from Airflow 3.1 on.
    private func unseenLateness(_ item: Item) -> Finding? {
        guard item.gated, item.dag.sla != nil || item.dag.tasks.contains(where: { $0.sla != nil }) else { return nil }
        return Finding(
            .latenessUnseen,
            pipeline: item.dag.id,
            text:
                "This is Airflow \(client.version), which knows no deadlines, and so tells nobody when a run or a task of it is not done within its sla; bailey watch does. Airflow 3.1 and later look at that; the file need not change."
        )
    }

    private func versionFindings(_ target: DAGFile.Target) -> [Finding] {
        var findings: [Finding] = []
        if client.version.standing == .untested {
            findings.append(
                Finding(
                    .airflowUntested,
                    text:
                        "This is Airflow \(client.version); Bailey's tests run 2.11 and 3.0 to 3.3. What deploy checks is checked here too."
                )
            )
        }
        switch (target, client.version.isThree) {
        case (.airflow3, false):
            findings.append(
                Finding(
                    .airflowUntested,
                    severity: .error,
                    text:
                        "The files are written for Airflow 3 and this is \(client.version), which cannot import them. Set target.airflow.version to 2.11 and generate again."
                )
            )
        case (.airflow211, true):
            findings.append(
                Finding(
                    .airflowUntested,
                    text:
                        "The files are written for Airflow 2.11 and this is \(client.version). Set target.airflow.version to 3 and generate again."
                )
            )
        default: break
        }
        return findings
    }

    /// What is not installed there, as far as the API tells.
    private func needs(_ items: [Item]) async throws -> [Finding] {
        var findings: [Finding] = []
        let installed = Set(try await client.providers().keys)
        let usesTimetable = items.filter { $0.file.text.contains("BaileyTimetable") }
        let hasPlugin = usesTimetable.isEmpty ? true : try await client.plugins().contains("bailey")
        for item in items {
            for package in ProviderNeeds.packages(file: item.file.text, dag: item.dag).sorted()
            where !installed.contains(package) {
                findings.append(
                    Finding(
                        .moduleMissing,
                        pipeline: item.dag.id,
                        text: "It needs \(package), which is not installed there. Install it where Airflow runs."
                    )
                )
            }
        }
        for item in usesTimetable where !hasPlugin {
            findings.append(
                Finding(
                    .timetableUnknown,
                    pipeline: item.dag.id,
                    text:
                        "It needs Bailey's timetable, and Airflow has no plugin “bailey”. Copy shadow/plugins/bailey_plugin.py into its plugins folder, install the wheel of this version (bailey-runtime; “make dist” builds it), and restart all of its processes."
                )
            )
        }
        return findings
    }

    // MARK: After

    /// How Airflow read a pipeline's file.
    public enum Reading: Sendable {
        /// It made the DAG from exactly this text.
        case exact(AirflowDAG)
        /// It could not import it.
        case fault(ImportFault)
        /// It has not read this text yet.
        case unread
    }

    /// The import errors there are, by the file's name.
    public func importTraces(_ items: [Item]) async throws -> [String: AirflowImportError] {
        let errors = try await client.importErrors()
        return items.reduce(into: [:]) { found, item in
            found[item.file.name] = errors.first { ($0.file.split(separator: "/").last ?? "") == item.file.name }
        }
    }

    /// Waits until Airflow has read exactly these texts, or could not import them.
    ///
    /// - Parameters:
    ///   - put: when the files were in place, by this machine's clock.
    ///   - before: the import errors that there were before.
    ///   - unchanged: names of files that were there already: an older error counts for them.
    ///   - seconds: the limit.
    public func readings(
        _ items: [Item],
        put: Instant,
        before: [String: AirflowImportError],
        unchanged: Set<String>,
        seconds: Double
    ) async throws -> [String: Reading] {
        var readings: [String: Reading] = [:]
        var hastened: Set<String> = []
        var looked: [String: Instant] = [:]
        // Cut to the second, the difference of the clocks may be a second too small.
        let putThere = put.adding(microseconds: Int64((client.clockAhead ?? 0) * 1_000_000))
        var told = 0
        _ = try await client.poll(seconds: seconds, pause: 1) { () -> Bool? in
            let dags = Dictionary(try await client.dags(tag: "bailey").map { ($0.id, $0) }, uniquingKeysWith: { $1 })
            let traces = try await importTraces(items)
            for item in items where readings[item.dag.id] == nil {
                if let error = traces[item.file.name] {
                    let isNew =
                        unchanged.contains(item.file.name)
                        || ((error.at ?? .earliest) > putThere && error.trace != before[item.file.name]?.trace)
                    if isNew {
                        readings[item.dag.id] = .fault(ImportFault(trace: error.trace))
                        continue
                    }
                }
                guard let dag = dags[item.dag.id], !dag.isStale, let parsed = dag.lastParsed else { continue }
                if looked[dag.id] != parsed {
                    looked[dag.id] = parsed
                    if !dag.hasImportErrors, try await client.source(of: dag) == item.file.text {
                        readings[dag.id] = .exact(dag)
                        continue
                    }
                }
                if hastened.insert(dag.id).inserted { try await client.parse(dag) }
            }
            if readings.count > told {
                told = readings.count
                progress("\(told) of \(items.count) files parsed")
            }
            return readings.count == items.count ? true : nil
        }
        let traces = readings.count < items.count ? try await importTraces(items) : [:]
        for item in items where readings[item.dag.id] == nil {
            // The limit has passed: the same error as before is now this text's.
            readings[item.dag.id] = traces[item.file.name].map { .fault(ImportFault(trace: $0.trace)) } ?? .unread
        }
        return readings
    }

    /// For how long the API may tell of the tasks of a text that was replaced: it keeps a version of a DAG that has no runs yet under the same id,
    /// and looks for changes of it every core.min_serialized_dag_update_interval (30 s).
    public static let staleness = 90.0

    /// What is wrong with a file as Airflow read it, and with the DAG it made.
    ///
    /// - Parameters:
    ///   - seconds: for how long the text was waited for.
    ///   - stale: for how long a structure that differs may be that of the text before.
    public func check(_ item: Item, _ reading: Reading, seconds: Double, stale: Double) async throws -> [Finding] {
        switch reading {
        case .fault(let fault): return [Finding(fault.code, pipeline: item.dag.id, text: fault.text)]
        case .unread:
            return [
                Finding(
                    .notParsed,
                    pipeline: item.dag.id,
                    text:
                        "Airflow had not read this text of \(item.file.name) after \(Int(seconds)) s. Does its DAG processor run, and does it read that place? A new file is noticed after dag_processor.refresh_interval (5 minutes by default)."
                )
            ]
        case .exact(let dag):
            var found: [String] = []
            _ = try await client.poll(seconds: stale, pause: 1) { () -> Bool? in
                found =
                    StructureComparison(
                        item.dag,
                        reported: try await client.tasks(dag.id),
                        gated: item.gated
                    ).differences
                return found.isEmpty ? true : nil
            }
            if item.dag.clock.timetable != nil, dag.nextTick == nil {
                found.append("it has a schedule, and Airflow has no next run for it")
            }
            guard !found.isEmpty else { return [] }
            return [
                Finding(
                    .structureDiffers,
                    pipeline: dag.id,
                    text: "The DAG that Airflow made is not the planned one: \(found.joined(separator: "; "))."
                )
            ]
        }
    }
}

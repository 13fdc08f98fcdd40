import Airflow
package import Migration
import Processes
import Settings

extension Workspace {
    /// How long a DAG file that a person has written may take to be read.
    private static let readingSeconds = 120.0

    /// Reads the files that people have written for some pipelines in the interpreters that they name, and makes sure that each has its gate, and
    /// is the pipeline that was planned.
    ///
    /// - Parameter ungated: the pipelines whose DAGs get no gate.
    /// - Throws: `OperationFailure` for the first that is not.
    package func checkOwnDAGs(_ pipelines: [PlannedPipeline], ungated: Set<String>) async throws {
        for pipeline in pipelines {
            guard let own = pipeline.dag.own else { continue }
            try await check(own, of: pipeline.dag, gated: !ungated.contains(pipeline.dag.id))
        }
    }

    /// Reads one of them.
    ///
    /// - Throws: `OperationFailure` with everything that does not hold.
    func check(_ own: OwnDAG, of dag: DAGDefinition, gated: Bool) async throws {
        guard gated || own.withoutGate != nil else {
            throw OperationFailure(
                .doesNotHold,
                "\(dag.id) has a DAG file of its own and none without a gate: write one, and name it with “without_gate” under “dag” of its mapping"
            )
        }
        guard let environment = settings.environments[own.environment] else {
            throw OperationFailure(.usage, "there is no environment “\(own.environment)” in \(settings.file)")
        }
        // What the file raises may hold what its environment was given.
        let secrets = environment.variables.values.filter { $0.contains("://") || $0.count > 12 }
        func hidden(_ words: String) -> String { Credentials.hidden(in: words, secrets: secrets) }
        let child = PythonChild(
            interpreter: environment.python,
            path: environment.path.map(absolute),
            variables: environment.variables,
            folder: absolute("."),
            guardProgram: BodyGuard.program
        )
        tell("\(dag.id): reading \(own.file) in the environment \(own.environment) …")
        let text = dagFile(dag, words: "", findings: [], gated: gated).text
        let answer: String
        do {
            answer = try await child.answer(
                of: OwnDAGSight.program,
                to: OwnDAGSight.request(name: dag.id + ".py", text: text),
                seconds: Workspace.readingSeconds
            )
        } catch let failure as PythonChild.Failure {
            throw OperationFailure(.doesNotHold, "\(own.file) of \(dag.id) cannot be read: \(hidden("\(failure)"))")
        }
        guard let sight = OwnDAGSight(answer: answer) else {
            throw OperationFailure(
                .doesNotHold,
                "\(own.file) of \(dag.id) cannot be read: \(own.environment) gave no answer"
            )
        }
        let faults = OwnDAGCheck(dag, sight, gated: gated, sources: dagSources, now: surroundings.now()).faults
        guard faults.isEmpty else {
            throw OperationFailure(
                .doesNotHold,
                "\(own.file) is not what the mapping of \(dag.id) says: \(hidden(faults.joined(separator: "; ")))"
            )
        }
    }
}

import Airflow
import Foundation
import LosslessJSON
import Migration
import Processes
import Reports
import Schedules
import Settings
import Store

/// The names of a bundle's parts.
enum BundlePart {
    static let head = "bundle.json"
    static let inventory = "inventory.json"
    static let plan = "plan.json"
    static let mappings = "mappings/"
    static let dags = "dags/"
    static let dagDigests = "dags.json"
    static let journal = "journal.jsonl"
    /// Every other part's SHA-256, as `sha256sum -c` reads it.
    static let manifest = "MANIFEST.sha256"

    static func report(_ pipeline: String) -> String { "pipelines/\(pipeline)/report.json" }
    static func policy(_ pipeline: String) -> String { "pipelines/\(pipeline)/policy.json" }
    static func comparisons(_ pipeline: String) -> String { "pipelines/\(pipeline)/comparisons.jsonl" }
}

/// What a bundle holds, told when it was made.
package struct BundleMade: Sendable {
    /// How many parts there are beside the manifest.
    package var parts: Int
    /// The pipelines.
    package var pipelines: [String]
    /// The SHA-256 of the manifest, which stands for everything in it.
    package var digest: String
}

extension Workspace {
    /// Writes everything that speaks for and against moving pipelines into one tar file, with the SHA-256 of each part.
    ///
    /// - Parameters:
    ///   - pipeline: the only one; all if nil.
    ///   - version: Bailey's own.
    /// - Throws: `OperationFailure`; nothing is at the path then that was not there before.
    package func writeBundle(_ path: String, pipeline: String?, version: String) async throws -> BundleMade {
        let path = WrittenPath.linked(path)
        var found = stat()
        if stat(path, &found) == 0, found.st_mode & S_IFMT != S_IFREG {
            throw OperationFailure(.usage, "\(path) is no file that a bundle could take the place of; name one")
        }
        let draft = path + ".part-\(UUID().uuidString)"
        let report = try await shadowReport(pipeline: pipeline, shown: ShownComparisons(limit: 0))
        let survey = await Survey(self)
        let ids = report.rows.map(\.id)
        var evaluations: [String: PolicyEvaluation] = [:]
        let launches = await launches(survey.planned(ids))
        for status in await survey.statuses(ids, deployments: await deployments(ids), launches: launches) {
            evaluations[status.pipeline] = status.policy
        }
        do {
            guard FileManager.default.createFile(atPath: draft, contents: nil, attributes: [.posixPermissions: 0o600])
            else { throw TarFault(description: "the file cannot be made") }
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: draft))
            defer { try? file.close() }
            let made = try write(report, evaluations, version, TarWriter(file))
            try file.synchronize()
            guard rename(draft, path) == 0 else { throw TarFault(description: String(cString: strerror(errno))) }
            return made
        } catch let error as OperationFailure {
            unlink(draft)
            throw error
        } catch let error as StoreError {
            unlink(draft)
            throw error
        } catch {
            unlink(draft)
            throw OperationFailure(
                .usage,
                "writing the bundle \(path): \(error). See whether the folder is there and writable, and the disk not full"
            )
        }
    }

    private func write(
        _ report: ShadowReport,
        _ evaluations: [String: PolicyEvaluation],
        _ version: String,
        _ writer: TarWriter
    ) throws -> BundleMade {
        var tar = writer
        let inventory = try inventory()
        let plan = try plan(inventory)
        let store = try store()
        func document(_ json: JSON) -> [UInt8] { Array((json.text(.pretty) + "\n").utf8) }
        let only = report.rows.count == 1 ? report.rows[0].id : nil
        try tar.add(
            BundlePart.head,
            document([
                "bailey": "bundle", "version": 1, "made_at": .string(surroundings.now().iso8601),
                "by": .string(version),
                "pipelines": .array(report.rows.map { .string($0.id) }), "target": .string(target.rawValue),
                "sources": .array(
                    inventory.sources.map {
                        [
                            "name": .string($0.name), "kind": .string($0.kind), "system": .string($0.system),
                            "address": .string($0.address),
                        ]
                    }
                ),
            ])
        )
        try tar.add(BundlePart.inventory, document(inventory.json))
        try tar.add(BundlePart.plan, document(plan.document.json))
        for (name, text) in try mappingFiles() {
            try tar.add(BundlePart.mappings + URL(fileURLWithPath: name).lastPathComponent, text.utf8)
        }
        try addDAGs(report, plan, inventory, to: &tar)
        let rows = report.json["pipelines"]?.array ?? []
        for (row, json) in zip(report.rows, rows) {
            try addComparisons(row, store, to: &tar)
            try tar.add(BundlePart.report(row.id), document(json))
            let planned = plan.pipelines.first { $0.dag.id == row.id }
            try tar.add(
                BundlePart.policy(row.id),
                document([
                    "evaluation": evaluations[row.id]?.json ?? .null, "approvals": planned?.policy.approved ?? .null,
                ])
            )
        }
        try tar.add(BundlePart.journal) { write in
            var last: Int64 = 0
            while true {
                let lines = try store.journal(after: last, pipeline: only)
                guard let newest = lines.last else { break }
                for line in lines { try write(Array((line.json.text() + "\n").utf8)) }
                last = newest.id
            }
        }
        let manifest = tar.digests.map { "\($0.digest)  \($0.name)\n" }.joined()
        let parts = tar.digests.count
        try tar.add(BundlePart.manifest, manifest.utf8)
        try tar.end()
        return BundleMade(parts: parts, pipelines: report.rows.map(\.id), digest: SHA256.hex(manifest.utf8))
    }

    /// The DAG files as they are generated now, and beside them what stands in the DAG folder.
    private func addDAGs(_ report: ShadowReport, _ plan: Plan, _ inventory: Inventory, to tar: inout TarWriter) throws {
        let findings = plan.findingsByPipeline()
        let retired = try retired(inventory: inventory)
        let folder = absolute(settings.airflow.dagsFolder)
        var digests: [JSON] = []
        for planned in plan.pipelines where report.rows.contains(where: { $0.id == planned.dag.id }) {
            let file = dagFile(planned, findings: findings, gated: !retired.contains(planned.dag.id))
            try tar.add(BundlePart.dags + file.name, file.text.utf8)
            let there = FileManager.default.contents(atPath: folder + "/" + file.name)
            digests.append([
                "pipeline": .string(planned.dag.id), "file": .string(file.name), "form": .string(planned.dag.form),
                "sha256": .string(SHA256.hex(file.text.utf8)),
                "in_folder": there.map { .string(SHA256.hex($0)) } ?? .null,
            ])
        }
        try tar.add(BundlePart.dagDigests, (JSON.array(digests).text(.pretty) + "\n").utf8)
    }

    /// Every comparison of a pipeline, a line each.
    private func addComparisons(_ row: ShadowReport.Row, _ store: StateStore, to tar: inout TarWriter) throws {
        let form = try row.dag?.form ?? store.latestForm(pipeline: row.id)
        var counts: [Comparison.Verdict: Int] = [:]
        try tar.add(BundlePart.comparisons(row.id)) { write in
            var last: Int64 = 0
            while true {
                let kept = try store.history(pipeline: row.id, after: last)
                guard let newest = kept.last else { break }
                for comparison in kept {
                    if comparison.isCounted, !comparison.isReplaced, comparison.form == form {
                        counts[comparison.verdict, default: 0] += 1
                    }
                    try write(Array((comparison.line(form) + "\n").utf8))
                }
                last = newest.id
            }
        }
        guard counts == row.summary.verdicts.filter({ $0.value > 0 }) else {
            throw OperationFailure(
                .doesNotHold,
                "\(row.id) was being compared while the bundle was made; wait until bailey shadow has ended, and try again"
            )
        }
    }
}

extension KeptComparison {
    /// Its line: what the state knows of it before the comparison itself.
    fileprivate func line(_ form: String) -> String {
        let head: JSON = [
            "id": .number(JSONNumber(Int(id))), "form": .string(self.form), "compared_at": .string(comparedAt.iso8601),
            "verdict": .string(verdict.rawValue), "replaced": .bool(isReplaced),
            "counts": .bool(isCounted && !isReplaced && self.form == form),
        ]
        var object = head.object ?? JSONObject([])
        object["comparison"] = document
        return JSON.object(object).text()
    }
}

extension JournalLine {
    fileprivate var json: JSON {
        [
            "id": .number(JSONNumber(Int(id))), "at": .string(at.iso8601), "pipeline": .string(pipeline),
            "operation": .string(operation), "token": .string(token), "step": .string(step.rawValue),
            "phase": .string(phase.rawValue), "by": .string(by), "detail": detail,
        ]
    }
}

extension CutoverPolicy {
    /// What named persons approved, and why.
    fileprivate var approved: JSON {
        func approval(_ what: String, _ approval: Approval) -> JSON {
            ["what": .string(what), "approver": .string(approval.approver), "because": .string(approval.because)]
        }
        var all = approvals.sorted { $0.key < $1.key }.map { approval("\($0.key) runs by another clock", $0.value) }
        for rule in tolerated {
            all.append(
                approval(
                    "differences of \(rule.kind.rawValue) at \(rule.path ?? "any path") are tolerated",
                    rule.approval
                )
            )
        }
        if let observedCounts { all.append(approval("what is only observed counts as compared", observedCounts)) }
        return .array(all)
    }
}

package import Migration
package import Reports
package import Schedules
import Store

/// Which comparisons a report shows. What it counts and its verdicts do not depend on it.
package struct ShownComparisons: Sendable {
    /// Whether the page draws them: then when each ran and how it ended is known of them, and not what it returned, of which examples are shown.
    package var isDrawn = true
    /// The most of each pipeline.
    package var limit: Int
    /// The most of each where there are many pipelines: what their documents draw, so that memory does not grow with what nobody sees.
    package var limitOfMany: Int?
    /// Only those made since then.
    package var since: Instant?
    /// Only those with one of these verdicts.
    package var verdicts = Comparison.Verdict.allCases

    /// The newest of each pipeline.
    package init(limit: Int = 500) { self.limit = limit }
}

extension Workspace {
    /// What shadowing showed of all pipelines, or of one, whose page also says whether it may move.
    ///
    /// - Throws: `OperationFailure` if there is no such pipeline; `StoreError`.
    package func shadowReport(pipeline: String?, shown: ShownComparisons) async throws -> ShadowReport {
        let inventory = try inventory()
        let plan = try plan(inventory)
        let store = try store()
        let known = try store.comparedPipelines()
        let index = EvidenceIndex(self, plan: plan, inventory: inventory, store: .known(store))
        let ids = Set(known).union(plan.pipelines.map(\.dag.id)).filter { pipeline == nil || $0 == pipeline }.sorted()
        if let pipeline, ids.isEmpty { throw OperationFailure(.usage, "there is no pipeline “\(pipeline)”") }
        var rows: [ShadowReport.Row] = []
        var shown = shown
        if let limit = shown.limitOfMany, ids.count > 20 { shown.limit = min(shown.limit, limit) }
        for id in ids {
            rows.append(try row(id, index.pipeline(id), inventory, store, shown))
        }
        if pipeline != nil, let id = ids.first, plan.pipelines.contains(where: { $0.dag.id == id }) {
            let survey = await Survey(self)
            let status = await survey.statuses(
                [id],
                deployments: await deployments([id]),
                launches: await launches(survey.planned([id]))
            ).first
            rows[0].policy = status?.policy
            rows[0].ticks = status?.ticks ?? []
        }
        return ShadowReport(rows: rows, madeAt: surroundings.now())
    }

    private func row(
        _ id: String,
        _ planned: PlannedPipeline?,
        _ inventory: Inventory,
        _ store: StateStore,
        _ shown: ShownComparisons
    ) throws -> ShadowReport.Row {
        // Of a pipeline that is in no plan any more, what was compared last counts.
        let form = try planned?.dag.form ?? store.latestForm(pipeline: id)
        var rules: [EntryID: [String]] = [:]
        for task in planned?.dag.tasks ?? [] {
            if let entry = task.entry { rules[entry, default: []] += task.compare.names }
        }
        let stoodFor = (planned?.dag.tasks.compactMap(\.entry) ?? []) + [planned?.dag.workflow?.entry].compactMap { $0 }
        let entries = Set(stoodFor).compactMap { inventory[$0] }
        let coverage = try entries.sorted { $0.id.description < $1.id.description }.compactMap { entry in
            try planned.map { try self.coverage(entry, $0.dag, store) }
        }
        let summary = try store.summary(pipeline: id, form: form, rules: rules)
        var comparisons: [Comparison] = []
        if shown.isDrawn {
            try each(of: id, form: form, store, shown) { comparisons.append($0.outline) }
        }
        return ShadowReport.Row(
            planned,
            id: id,
            summary: summary,
            comparisons: comparisons,
            total: summary.compared,
            coverage: coverage
        )
    }

    private func each(
        of id: String,
        form: String,
        _ store: StateStore,
        _ shown: ShownComparisons,
        _ body: (Comparison) throws -> Void
    ) throws {
        try store.eachComparison(
            pipeline: id,
            form: form,
            since: shown.since,
            verdicts: shown.verdicts,
            counting: true,
            limitPerPipeline: shown.limit,
            body
        )
    }

    /// Writes the report as one document of JSON, a comparison after another.
    ///
    /// - Throws: `StoreError`; what writing throws.
    package func write(
        _ report: ShadowReport,
        shown: ShownComparisons,
        to write: @escaping (String) throws -> Void
    ) throws {
        let store = try store()
        try report.writeJSON(to: write) { row, body in
            let form = try row.dag?.form ?? store.latestForm(pipeline: row.id)
            try each(of: row.id, form: form, store, shown, body)
        }
    }
}

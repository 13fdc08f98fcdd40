import Migration
import Schedules
import Settings

/// What is wrong in mappings taken together and against the inventory; each finding names file and line.
struct MappingChecker {
    let inventory: Inventory
    let environments: Set<String>
    let zones: ZoneDatabase

    /// The entries a mapping speaks of: the clock, those absorbed, those of its tasks.
    static func entries(of mapping: Mapping) -> [EntryID] {
        var seen: Set<EntryID> = []
        let all = [mapping.clock].compactMap { $0 } + mapping.absorbs + mapping.tasks.compactMap(\.definition.entry)
        return all.filter { seen.insert($0).inserted }
    }

    func check(_ mappings: [Mapping]) -> [Finding] {
        var findings: [Finding] = []
        var pipelines: [String: SourceLocation] = [:]
        var owners: [EntryID: Mapping] = [:]
        for mapping in mappings {
            if let first = pipelines[mapping.pipeline] {
                findings.append(
                    Finding(
                        .duplicateIdentity,
                        pipeline: mapping.pipeline,
                        location: mapping.location,
                        text: "The pipeline “\(mapping.pipeline)” stands in \(first) too; ids are unique."
                    )
                )
            }
            pipelines[mapping.pipeline] = pipelines[mapping.pipeline] ?? mapping.location
            for entry in MappingChecker.entries(of: mapping) + [mapping.workflow?.entry].compactMap({ $0 }) {
                if let other = owners[entry], other.pipeline != mapping.pipeline {
                    findings.append(
                        Finding(
                            .entryMappedTwice,
                            entry: entry,
                            pipeline: mapping.pipeline,
                            location: mapping.location,
                            text:
                                "The entry is in pipeline “\(other.pipeline)” (\(other.location)) too; it can have one owner."
                        )
                    )
                }
                owners[entry] = owners[entry] ?? mapping
            }
            findings += check(mapping)
            findings += AirflowLimits.findings(mapping)
        }
        return findings
    }

    private func check(_ mapping: Mapping) -> [Finding] {
        var findings: [Finding] = []
        func find(_ code: FindingCode, _ location: SourceLocation, _ text: String) {
            findings.append(Finding(code, pipeline: mapping.pipeline, location: location, text: text))
        }
        let places = Dictionary(
            mapping.tasks.compactMap { task in task.definition.entry.map { ($0, task.location) } },
            uniquingKeysWith: { a, _ in a }
        )
        for entry in MappingChecker.entries(of: mapping) where inventory[entry] == nil {
            let near = nearest(to: entry.description, of: inventory.entries.map(\.id.description))
            find(
                .unknownEntry,
                places[entry] ?? mapping.location,
                "There is no entry “\(entry)” in the inventory\(near.map { "; did you mean “\($0)”?" } ?? ".") Run bailey import if it is new."
            )
        }
        let ids = mapping.tasks.map(\.definition.id)
        for task in mapping.tasks {
            for before in task.definition.after where !ids.contains(before) {
                let near = nearest(to: before, of: ids)
                find(
                    .unknownTask,
                    task.location,
                    "Task “\(task.definition.id)” is to run after “\(before)”, which is no task of this pipeline\(near.map { "; did you mean “\($0)”?" } ?? ".")"
                )
            }
            let isOfJobs = task.definition.entry.map { inventory[$0].map { $0.kind == .jobType } ?? true } ?? false
            if task.hasLimit, !isOfJobs {
                find(
                    .invalidMapping,
                    task.location,
                    "“limit” says how many jobs one run takes, and “\(task.definition.id)” takes none: it stands for no job type. Leave it out."
                )
            }
            if let name = task.definition.body.environment, !environments.contains(name) {
                find(
                    .unknownEnvironment,
                    task.location,
                    "The environment “\(name)” is not among “environments” of bailey.yaml (\(environments.sorted().joined(separator: ", ")))."
                )
            }
        }
        if mapping.schedule != nil {
            // Without one the ticks would be those of UTC, and nobody would know.
            do throws(ScheduleError) { _ = try zones.zone(mapping.timezone) } catch {
                find(.invalidMapping, mapping.location, sentence(error.message))
            }
        }
        if let own = mapping.own { check(own, of: mapping, find) }
        checkInputs(mapping, find)
        if let workflow = mapping.workflow {
            do throws(WorkflowStandError) { _ = try workflow.completed(mapping, inventory[workflow.entry]) } catch {
                let code: FindingCode = inventory[workflow.entry] == nil ? .unknownEntry : .invalidMapping
                find(code, mapping.location, sentence(error.message))
            }
        }
        for task in mapping.tasks {
            guard let entry = task.definition.entry, inventory[entry]?.kind == .workflow else { continue }
            find(
                .invalidMapping,
                task.location,
                "The entry “\(entry)” is a workflow, for which a whole pipeline stands: write “workflow: \(entry)” beside “tasks”."
            )
        }
        if let cycle = cycle(mapping) {
            let location = mapping.tasks.first { $0.definition.id == cycle[0] }?.location ?? mapping.location
            find(
                .dependencyCycle,
                location,
                "The tasks wait for each other in a circle: \((cycle + [cycle[0]]).joined(separator: " → "))."
            )
        }
        if let starter = mapping.starter {
            let why =
                mapping.isManual
                ? "“manual: true” says that only people start the pipeline" : "\(starter) start the pipeline"
            if mapping.jobsEvery != nil { findings += JobsStartChecker(inventory: inventory).findings(mapping) }
            for task in mapping.tasks {
                guard let entry = task.definition.entry, inventory[entry]?.schedule != nil else { continue }
                find(
                    .clockAmbiguous,
                    task.location,
                    "The entry “\(entry)” has a schedule, and \(why): nobody would run its ticks."
                )
            }
        } else if mapping.clock == nil, mapping.schedule == nil {
            let scheduled = Set(mapping.tasks.compactMap(\.definition.entry).filter { inventory[$0]?.schedule != nil })
            if scheduled.count > 1 {
                find(
                    .clockAmbiguous,
                    mapping.location,
                    "Several of its entries have a schedule; say with “clock” which one drives the pipeline."
                )
            } else if scheduled.isEmpty {
                find(
                    .clockAmbiguous,
                    mapping.location,
                    "Nothing says when it is due: give “clock” (an entry), “schedule” (of assets or jobs, too), or “manual: true”."
                )
            }
        }
        if let clock = mapping.clock, let entry = inventory[clock], entry.schedule == nil {
            find(
                .clockAmbiguous,
                mapping.location,
                "The clock “\(clock)” is a job type, which has no schedule; give “schedule” instead."
            )
        }
        return findings
    }

    /// What a file that a person has written can stand for.
    private func check(_ own: OwnDAG, of mapping: Mapping, _ find: (FindingCode, SourceLocation, String) -> Void) {
        if !environments.contains(own.environment) {
            find(
                .unknownEnvironment,
                mapping.location,
                "The environment “\(own.environment)” is not among “environments” of bailey.yaml (\(environments.sorted().joined(separator: ", "))); “\(own.file)” is read in it, so it must have Airflow."
            )
        }
        for task in mapping.tasks {
            guard let entry = task.definition.entry, inventory[entry]?.kind == .jobType else { continue }
            find(
                .invalidMapping,
                task.location,
                "“\(entry)” is a job type, and jobs are taken by the tasks of a generated file alone: leave “dag” out."
            )
        }
    }

    /// What inputs refer to must be there, and known when the task runs.
    private func checkInputs(_ mapping: Mapping, _ find: (FindingCode, SourceLocation, String) -> Void) {
        let names = mapping.parameters.map(\.name)
        if !mapping.isManual {
            for parameter in mapping.parameters where parameter.standard == nil {
                find(
                    .invalidMapping,
                    mapping.location,
                    "The parameter “\(parameter.name)” is required, and nobody gives it where the pipeline is due by itself: give it a default, or say “manual: true”."
                )
            }
        }
        for task in mapping.tasks {
            let definition = task.definition
            if !definition.inputs.isEmpty, let entry = definition.entry, inventory[entry]?.kind == .jobType {
                find(
                    .invalidMapping,
                    task.location,
                    "Task “\(definition.id)” runs for each job and gets the job's payload: its arguments can refer to nothing."
                )
            }
            let earlier = definition.inputs.isEmpty ? [] : ancestors(of: definition.id, mapping)
            let asked = definition.conditions.flatMap(\.any).map(\.task) + definition.inputs.compactMap(\.task)
            for other in Set(asked + [definition.items?.task].compactMap { $0 }).sorted()
            where mapping.tasks.contains(where: { $0.definition.id == other && $0.definition.items != nil }) {
                find(
                    .invalidMapping,
                    task.location,
                    "Task “\(definition.id)” asks for the result of “\(other)”, which runs once for each item and has none of its own."
                )
            }
            for input in definition.inputs {
                switch input.source {
                case .result(let other, _) where !earlier.contains(other):
                    let near = nearest(to: other, of: earlier)
                    find(
                        .unknownTask,
                        task.location,
                        "Task “\(definition.id)” takes the result of “\(other)”, which does not run before it\(near.map { "; did you mean “\($0)”?" } ?? ".") Put it under “after”."
                    )
                case .parameter(let name) where !names.contains(name):
                    let near = nearest(to: name, of: names)
                    find(
                        .invalidMapping,
                        task.location,
                        "Task “\(definition.id)” takes the parameter “\(name)”, which is not among “params”\(near.map { "; did you mean “\($0)”?" } ?? ".")"
                    )
                case .previousTick where mapping.starter != nil,
                    .window where mapping.starter != nil,
                    .tick where mapping.starter != nil && !mapping.isManual:
                    find(
                        .invalidMapping,
                        task.location,
                        "Task “\(definition.id)” takes a tick or the previous tick, and a pipeline that \(mapping.starter ?? "") start has none."
                    )
                default: break
                }
            }
        }
    }

    /// The ids of all tasks that end before a task begins.
    private func ancestors(of id: String, _ mapping: Mapping) -> Set<String> {
        let after = Dictionary(
            mapping.tasks.map { ($0.definition.id, $0.definition.after) },
            uniquingKeysWith: { first, _ in first }
        )
        var found: Set<String> = []
        var waiting = after[id] ?? []
        while let next = waiting.popLast() {
            if after[next] != nil, found.insert(next).inserted { waiting += after[next] ?? [] }
        }
        return found
    }

    /// Tasks that wait for each other, in order; nil if there are none.
    private func cycle(_ mapping: Mapping) -> [String]? {
        let after = Dictionary(
            mapping.tasks.map { ($0.definition.id, $0.definition.after) },
            uniquingKeysWith: { a, _ in a }
        )
        var finished: Set<String> = []
        var path: [String] = []
        func visit(_ id: String) -> [String]? {
            if let start = path.firstIndex(of: id) { return Array(path[start...]) }
            guard !finished.contains(id) else { return nil }
            path.append(id)
            for before in after[id] ?? [] {
                if let found = visit(before) { return found }
            }
            path.removeLast()
            finished.insert(id)
            return nil
        }
        for task in mapping.tasks {
            // The walk went against the order of running; the circle is shown from its first task on.
            if let found = visit(task.definition.id) { return Array(found.prefix(1)) + found.dropFirst().reversed() }
        }
        return nil
    }
}

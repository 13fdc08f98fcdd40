import Migration

/// By which names mappings may speak of entries: those that they have, and those that they had.
struct EntryNames {
    private let renamed: [EntryID: EntryID]

    init(_ inventory: Inventory) { renamed = inventory.renamed }

    /// The mappings with the entries' present names, and a finding for each name that is one of before.
    func present(in mappings: [Mapping]) -> ([Mapping], [Finding]) {
        if renamed.isEmpty { return (mappings, []) }
        var findings: [Finding] = []
        let present = mappings.map { mapping in
            var mapping = mapping
            for entry in MappingChecker.entries(of: mapping) {
                guard let now = renamed[entry] else { continue }
                findings.append(
                    Finding(
                        .renamedEntry,
                        entry: now,
                        pipeline: mapping.pipeline,
                        location: mapping.location,
                        text: "The mapping calls it “\(entry)”, as legacy did; it is “\(now)” now."
                    )
                )
            }
            mapping.clock = mapping.clock.map { renamed[$0] ?? $0 }
            if let entry = mapping.workflow?.entry { mapping.workflow?.entry = renamed[entry] ?? entry }
            mapping.absorbs = mapping.absorbs.map { renamed[$0] ?? $0 }
            for index in mapping.tasks.indices {
                let entry = mapping.tasks[index].definition.entry
                mapping.tasks[index].definition.entry = entry.map { renamed[$0] ?? $0 }
            }
            return mapping
        }
        return (present, findings)
    }
}

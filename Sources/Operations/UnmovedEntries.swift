import Legacy
import Migration
import Settings

extension Workspace {
    /// Why the entries of a pipeline cannot be taken over by anybody, in words; nil where none of them is of a source without a switch.
    func unmoved(_ dag: DAGDefinition) -> String? {
        let names = Set(dag.entries.map(\.source))
        for source in settings.sources where names.contains(source.name) {
            let words =
                if let why = system(source.name)?.unverified {
                    why
                } else if SystemKind.all.contains(where: { $0.settings.name == source.kind && $0.bridge == nil }) {
                    "no switch moves entries of kind \(source.kind) yet"
                } else {
                    nil as String?
                }
            if let words {
                return
                    "the pipeline \(dag.id) cannot be taken over: its entries are of source \(source.name), and \(words). They can be planned, generated and shadowed"
            }
        }
        return nil
    }
}

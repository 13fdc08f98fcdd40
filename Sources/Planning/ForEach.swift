import Migration
public import Settings

extension Mapping {
    /// The mappings of a file's text: one, or with `for_each` one for each item of a list.
    ///
    /// - Parameter read: gives the text of a file that the mapping names, by its path from the mapping's folder; nil if there is none.
    /// - Throws: `SettingsError` with every problem, each with its line.
    public static func all(
        yaml text: String,
        file: String,
        reading read: @escaping (String) -> String? = { _ in nil }
    ) throws(SettingsError) -> [Mapping] {
        let problems = Problems()
        let files = MappingFiles(read: read, problems: problems)
        // Keys that begin with x- hold what anchors repeat.
        let root = try YAMLNode(yaml: text, file: file).without(prefix: "x-")
        guard let list = root.child("for_each") else { return [try Mapping(root, files)] }
        let items = try items(list, files)
        let template = root.without(prefix: "for_each")
        let names = ["dag_id", "pipeline"].compactMap { template.child($0) }
        if let name = names.first, !name.refersToItem {
            problems.note(
                name,
                "each pipeline of “for_each” has an id of its own: write ${item} or ${item.name} into it"
            )
        }
        var mappings: [Mapping] = []
        var found: [Problem] = problems.all
        for item in items {
            let inner = Problems()
            let node = template.filled(with: item, inner)
            do {
                mappings.append(try Mapping(node, MappingFiles(read: read, problems: Problems())))
            } catch {
                error.problems.forEach(inner.note)
            }
            for problem in inner.all where !found.contains(problem) { found.append(problem) }
        }
        guard found.isEmpty else { throw SettingsError(found) }
        return mappings
    }

    /// The items: those that stand there, or those of a file.
    private static func items(_ list: YAMLNode, _ files: MappingFiles) throws(SettingsError) -> [YAMLNode] {
        var list = list
        if case .mapping = list.content, let fields = YAMLFields(list, known: ["file"], problems: files.problems) {
            guard let path = fields.required("file"), let text = files.contents(path, list) else {
                throw SettingsError(files.problems.all)
            }
            let folder = list.file.split(separator: "/", omittingEmptySubsequences: false).dropLast()
            list = try YAMLNode(yaml: text, file: (folder + [path[...]]).joined(separator: "/"))
        }
        guard case .sequence(let items) = list.content, !items.isEmpty else {
            throw SettingsError([
                Problem(
                    file: list.file,
                    line: list.line,
                    "“for_each” is a list of items, or {file: …} with such a list; this is \(list.kind)"
                )
            ])
        }
        return items
    }
}

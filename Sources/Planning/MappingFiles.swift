import Settings

/// The files that mappings name.
struct MappingFiles {
    let read: (String) -> String?
    let problems: Problems

    /// The text that stands under `text`, or in the file under `file`; nil, with a problem noted, if there is none.
    func text(_ fields: YAMLFields, _ what: String) -> String? {
        switch (fields.node("text"), fields.node("file")) {
        case (_?, nil): return fields.string("text")
        case (nil, let node?): return fields.string("file").flatMap { contents($0, node) }
        case (nil, nil), (_?, _?):
            problems.note(fields.node, "\(what) has a “text” or a “file”")
            return nil
        }
    }

    /// What a file holds, by its path from the mapping's folder.
    func contents(_ path: String, _ node: YAMLNode) -> String? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        if path.isEmpty || path.hasPrefix("/") || parts.contains("..") {
            problems.note(node, "“\(path)” must be the path of a file in the mapping's folder or below it")
            return nil
        }
        guard let text = read(path) else {
            problems.note(node, "the file “\(path)” cannot be read; its path starts from the mapping's folder")
            return nil
        }
        return text
    }
}

import LosslessJSON
import Migration
import Settings

extension CompareRules {
    init(_ node: YAMLNode, _ problems: Problems) {
        self.init()
        let known = ["ignore", "tolerance", "unordered", "pattern", "slowest_ratio"]
        guard let fields = YAMLFields(node, known: known, problems: problems) else { return }
        // Where each rule that was read stands, by its section.
        var places: [String: [YAMLNode]] = [:]
        for item in fields.items("ignore") ?? [] {
            guard let inner = YAMLFields(item, known: ["name", "path", "because"], problems: problems),
                let name = inner.required("name"),
                let path = inner.required("path"), let because = inner.required("because")
            else { continue }
            ignore.append(IgnoreRule(name: name, path: path, because: because))
            places["ignore", default: []].append(item)
        }
        for item in fields.items("tolerance") ?? [] {
            guard let inner = YAMLFields(item, known: ["path", "relative", "absolute"], problems: problems),
                let path = inner.required("path")
            else { continue }
            tolerances.append(
                Tolerance(path: path, relative: inner.double("relative"), absolute: inner.double("absolute"))
            )
            places["tolerance", default: []].append(item)
        }
        for item in fields.items("pattern") ?? [] {
            guard let inner = YAMLFields(item, known: ["path", "pattern"], problems: problems),
                let path = inner.required("path"),
                let pattern = inner.required("pattern")
            else { continue }
            patterns.append(PatternRule(path: path, pattern: pattern))
            places["pattern", default: []].append(item)
        }
        unordered = fields.strings("unordered") ?? []
        if let list = fields.node("unordered"), case .sequence(let items) = list.content { places["unordered"] = items }
        slowestRatio = fields.double("slowest_ratio")
        if let ratio = fields.node("slowest_ratio") { places["slowest_ratio"] = [ratio] }
        for problem in self.problems {
            let found = places[problem.section] ?? []
            let place = found.indices.contains(problem.number) ? found[problem.number] : node
            problems.note(place, "“\(problem.section)”: \(problem.text)")
        }
    }
}

import LosslessJSON
import Migration

/// A DAG as an SVG picture: tasks in columns by how far they are from the start, arrows for dependencies.
enum DAGDrawing {
    private static let (box, height, gapX, gapY) = (150, 34, 46, 12)

    static func svg(_ dag: DAGDefinition) -> String {
        let columns = layers(dag)
        let tallest = columns.map(\.count).max() ?? 1
        let width = columns.count * (box + gapX) - gapX + 4
        let total = tallest * (height + gapY) - gapY + 4
        var places: [String: (x: Int, y: Int)] = [:]
        for (column, tasks) in columns.enumerated() {
            let top = (total - (tasks.count * (height + gapY) - gapY)) / 2
            for (row, task) in tasks.enumerated() {
                places[task.id] = (column * (box + gapX) + 2, top + row * (height + gapY))
            }
        }
        var parts = [
            "<svg class=\"dag\" viewBox=\"0 0 \(width) \(total)\" width=\"\(width)\" height=\"\(total)\" role=\"img\" aria-label=\"DAG of \(html(dag.id))\">"
        ]
        for task in dag.tasks {
            guard let to = places[task.id] else { continue }
            for before in task.after {
                guard let from = places[before] else { continue }
                let (x1, y1, x2, y2) = (from.x + box, from.y + height / 2, to.x, to.y + height / 2)
                parts.append(
                    "<path class=\"arrow\" d=\"M\(x1) \(y1) C\(x1 + gapX / 2) \(y1) \(x2 - gapX / 2) \(y2) \(x2 - 4) \(y2)\"/>"
                )
                parts.append("<path class=\"head\" d=\"M\(x2 - 6) \(y2 - 4) L\(x2) \(y2) L\(x2 - 6) \(y2 + 4) Z\"/>")
            }
        }
        for task in dag.tasks {
            guard let place = places[task.id] else { continue }
            let name = task.id.count > 20 ? task.id.prefix(19) + "…" : task.id
            parts.append(
                "<g class=\"task \(task.body.kind)\"><title>\(html(task.id)): \(task.body.kind), shadow \(task.shadow.rawValue)</title>"
                    + "<rect x=\"\(place.x)\" y=\"\(place.y)\" width=\"\(box)\" height=\"\(height)\" rx=\"5\"/>"
                    + "<text x=\"\(place.x + 8)\" y=\"\(place.y + 14)\">\(html(name))</text>"
                    + "<text class=\"small\" x=\"\(place.x + 8)\" y=\"\(place.y + 27)\">\(task.body.kind) · \(task.shadow.rawValue)</text></g>"
            )
        }
        return parts.joined() + "</svg>"
    }

    /// The tasks by their distance from the start.
    private static func layers(_ dag: DAGDefinition) -> [[TaskDefinition]] {
        var depth: [String: Int] = [:]
        for _ in dag.tasks {
            for task in dag.tasks { depth[task.id] = task.after.compactMap { depth[$0] }.map { $0 + 1 }.max() ?? 0 }
        }
        let last = depth.values.max() ?? 0
        return (0...last).map { layer in dag.tasks.filter { depth[$0.id] == layer } }
    }
}

/// A text for use in HTML, attribute values included.
func html(_ text: some StringProtocol) -> String {
    var result = ""
    // In <pre> its own line ends and tabs mean something; nothing else of the sort may.
    let shown = String(text).split(separator: "\n", omittingEmptySubsequences: false)
        .map {
            $0.split(separator: "\t", omittingEmptySubsequences: false).map { String($0).visible }.joined(
                separator: "\t"
            )
        }
        .joined(separator: "\n")
    for character in shown.unicodeScalars {
        switch character {
        case "&": result += "&amp;"
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        case "\"": result += "&quot;"
        case "'": result += "&#39;"
        default: result.unicodeScalars.append(character)
        }
    }
    return result
}

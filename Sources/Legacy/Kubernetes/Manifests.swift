import LosslessJSON
import Settings

/// The CronJobs of manifests: YAML of one or many documents, lists among them, as files or as `kubectl get cronjobs -o yaml` prints them.
struct Manifests {
    /// A CronJob, or a document in which one may stand that nobody can read.
    enum Found {
        case job(JSON, place: String)
        case unread(place: String, reason: String, detail: String)
    }

    private(set) var found: [Found] = []

    /// Adds what a file holds; a document that cannot be read is one of its own.
    mutating func add(_ text: String, file: String) {
        for (line, document) in Manifests.documents(text) {
            let place = "\(file):\(line)"
            // Most documents of a folder are other things, templates among them.
            guard document.contains("CronJob") else { continue }
            do throws(SettingsError) {
                // A tag or an anchor of a template's is as good as any other error.
                let root = try YAMLNode(yaml: document, file: file).json
                add(root, kind: nil, place)
            } catch {
                let isTemplate = document.contains("{{")
                found.append(
                    .unread(
                        place: place,
                        reason: isTemplate ? "helm-template" : "no-yaml",
                        detail: isTemplate
                            ? "a template, which only Helm can fill in; give what helm template prints"
                            : error.problems.first.map { "line \(line + max(0, $0.line - 1)): \($0.message)" }
                                ?? "it is no YAML"
                    )
                )
            }
        }
    }

    private mutating func add(_ json: JSON, kind inherited: String?, _ place: String) {
        guard json.object != nil else { return }
        switch json["kind"]?.string ?? inherited {
        case "List"?, "CronJobList"?:
            let kind = json["kind"]?.string == "CronJobList" ? "CronJob" : nil
            for (index, item) in (json["items"]?.array ?? []).enumerated() {
                add(item, kind: kind, "\(place) items[\(index)]")
            }
        case "CronJob"?: found.append(.job(json, place: place))
        default: break
        }
    }

    /// The documents of a text, each with the line it begins at.
    private static func documents(_ text: String) -> [(line: Int, text: String)] {
        var documents: [(Int, String)] = []
        var lines: [Substring] = []
        var start = 1
        func isEnd(_ line: Substring) -> Bool {
            line == "---" || line == "---\r" || line.hasPrefix("--- ") || line.hasPrefix("---\t") || line == "..."
        }
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard isEnd(line) else {
                lines.append(line)
                continue
            }
            documents.append((start, lines.joined(separator: "\n")))
            (lines, start) = ([], index + 2)
        }
        return documents + [(start, lines.joined(separator: "\n"))]
    }
}

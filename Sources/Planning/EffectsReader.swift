import Migration
import Settings

extension EffectRules {
    /// What a task's `effects` says.
    init(_ node: YAMLNode, isSandboxed: Bool, _ problems: Problems) {
        self.init()
        guard
            let fields = YAMLFields(
                node,
                known: ["files", "http", "http_legacy", "tables", "copy"],
                problems: problems
            )
        else {
            return
        }
        if !isSandboxed, ["files", "http", "http_legacy"].contains(where: { fields.node($0) != nil }) {
            problems.note(
                node,
                "“files”, “http” and “http_legacy” of “effects” are those of a body in a sandbox: say “shadow: sandbox”"
            )
        }
        for item in fields.items("files") ?? [] {
            guard let inner = YAMLFields(item, known: ["written", "legacy", "compare"], problems: problems),
                let written = inner.required("written"), let legacy = inner.required("legacy")
            else { continue }
            if written.hasPrefix("/") || written.split(separator: "/").contains("..") {
                problems.note(
                    item,
                    "“written” is “\(written)”; write it from the sandbox's folder on, such as out/report.csv"
                )
            }
            if !legacy.hasPrefix("/") {
                problems.note(item, "“legacy” is “\(legacy)”; write the whole path of this machine")
            }
            for path in [written, legacy] where !EffectRules.isPattern(path) {
                problems.note(item, "in “\(path)” a “%” stands before none of Y, m, d, H, M and S, the parts of a tick")
            }
            let compare = inner.node("compare").map { CompareRules($0, problems) }
            files.append(File(written: written, legacy: legacy, compare: compare ?? CompareRules()))
        }
        legacyCalls = fields.string("http_legacy")
        if let legacyCalls {
            if !legacyCalls.hasPrefix("/") || !EffectRules.isPattern(legacyCalls) {
                problems.note(
                    node,
                    "“http_legacy” is “\(legacyCalls)”; write the whole path of this machine, with the parts of a tick (%Y, %m, %d, %H, %M, %S) or {job}"
                )
            }
            if fields.node("http") == nil {
                problems.note(node, "“http_legacy” says nothing without “http” ([] as well), which has calls recorded")
            }
        }
        guard fields.node("http") != nil else { return }
        http = []
        for item in fields.items("http") ?? [] {
            let known = ["method", "url", "status", "json"]
            guard let inner = YAMLFields(item, known: known, problems: problems), let url = inner.required("url") else {
                continue
            }
            let status = inner.int("status") ?? 200
            if !(200...599).contains(status) { problems.note(item, "“status” is \(status); write 200 to 599") }
            if !url.hasPrefix("http://") {
                problems.note(
                    item,
                    "“url” is “\(url)”; what is answered begins with http:// (of https only the host is seen, and refused)"
                )
            }
            http?.append(
                Answer(
                    method: (inner.string("method") ?? "GET").uppercased(),
                    url: url,
                    status: status,
                    body: inner.json("json")
                )
            )
        }
    }

    private static func isPattern(_ path: String) -> Bool {
        path.split(separator: "%", omittingEmptySubsequences: false).dropFirst().allSatisfy {
            $0.first.map("YmdHMS".contains) ?? false
        }
    }
}

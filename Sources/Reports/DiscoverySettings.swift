import LosslessJSON
public import Migration

/// The `bailey.yaml` that reads what was found.
extension Discovery {
    /// The file's text. What cannot be read as it stands is a comment that says why; without any source it is a comment as a whole.
    public var settings: String {
        var lines = [
            "# What bailey discover found. Editors complete this file with mappings/schema/bailey.schema.json.",
            "version: 1",
        ]
        var names: Set<String> = crontabs.isEmpty ? [] : ["crontab"]
        var sources: [String] = []
        var blocked: [String] = []
        for system in systems {
            guard let kind = system.kind, let settings = system.settings else { continue }
            let url = system.query.map {
                system.reference + (system.reference.contains("?") ? "&" : "?") + Discovery.plain($0)
            }
            // Only a URL names a variable; what a key or a table is called is foreign, and would have one of Bailey's filled in.
            let members =
                [("kind", kind), ("url", url ?? system.reference)]
                + settings.map { setting in
                    let isURL = DiscoveredSystem.Setting.urls.contains(setting.key)
                    return (setting.key, isURL ? setting.value : Discovery.plain(setting.value))
                }
            let block =
                ["  \(Discovery.name(system, kind, &names)):"]
                + members.map { "    \($0.0): \(Discovery.quoted($0.1))" }
            if let reason = system.blocked {
                blocked += ["  # \(oneLine(system.place)): \(oneLine(reason))"] + block.map { "  # " + $0.dropFirst(2) }
            } else {
                sources += block
            }
        }
        if !crontabs.isEmpty {
            // What a path holds is foreign, as the names of tables are.
            let files = crontabs.map { Discovery.quoted(Discovery.plain($0)) }.joined(separator: ", ")
            sources += ["  crontab:", "    kind: \"crontab\"", "    files: [\(files)]"]
        }
        if sources.isEmpty {
            lines.append("# No source: nothing was found that a source reads.")
            lines.append("sources: {}")
        } else {
            lines.append("sources:")
            lines += sources
        }
        lines += blocked
        lines += [
            "target:", "  airflow:", "    version: \"3\"", "    dags_folder: dags", "state:",
            "  path: .bailey/state.sqlite", "mappings: mappings",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    /// Whether a source is among the settings that can be read.
    public var hasSources: Bool {
        !crontabs.isEmpty || systems.contains { $0.kind != nil && $0.settings != nil && $0.blocked == nil }
    }

    /// Variables of the settings that nobody has set: URLs with passwords that were given in words.
    public var unsetVariables: [String] {
        let urls = systems.flatMap { system in
            [system.reference]
                + (system.settings ?? []).filter { DiscoveredSystem.Setting.urls.contains($0.key) }.map(\.value)
        }
        return Set(
            urls.filter { $0.hasPrefix("${BAILEY_URL_") }.map { String($0.dropFirst(2).prefix { $0 != "}" }) }
        )
        .sorted()
    }

    /// A name that no other source has.
    private static func name(_ system: DiscoveredSystem, _ kind: String, _ names: inout Set<String>) -> String {
        let base: String
        switch kind {
        case "redbeat": base = "scheduler"
        case "celery": base = "celery"
        case "django_celery_beat": base = "django"
        case "pg_cron": base = "pg-cron"
        default:
            let table = system.place.split(separator: ".").last.map(String.init) ?? kind
            let plain = table.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
            let trimmed = String(plain.prefix(40)).split(separator: "-").joined(separator: "-")
            base = trimmed.isEmpty ? "jobs" : trimmed
        }
        var name = base
        var number = 2
        while !names.insert(name).inserted {
            name = "\(base)-\(number)"
            number += 1
        }
        return name
    }

    /// A text as YAML, which reads JSON's.
    private static func plain(_ text: String) -> String { text.replacing("${", with: "$${") }

    private static func quoted(_ text: String) -> String { JSON.string(text).text() }

    private func oneLine(_ text: String) -> String { text.visible }
}

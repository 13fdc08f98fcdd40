import Cutover
import Legacy
package import LosslessJSON
import Migration

/// The least rights that each command needs on each source, as lines for an administrator.
package struct RightsReport: Sendable {
    /// What some commands need on one source.
    package struct Need: Sendable {
        package var source: String
        package var commands: String
        package var lines: [String]
    }

    package private(set) var needs: [Need] = []

    /// Writes the lines; asks nobody.
    ///
    /// - Throws: what is wrong with a URL or a profile.
    package init(_ workspace: Workspace) throws {
        // Where the journal is does not matter to what is needed.
        let bridges = workspace.bridges(known: .unknown("not asked"), journal: { try workspace.store() })
        for system in workspace.systems {
            let moving = try bridges.filter { $0.source == system.name }.flatMap { try $0.rights() }
            for need in try system.rights() + moving {
                needs.append(Need(source: system.name, commands: need.commands, lines: need.lines))
            }
        }
    }

    /// For a terminal.
    package var textLines: [String] {
        needs.flatMap { ["# \($0.source): \($0.commands)"] + $0.lines + [""] }
    }

    /// The document; see docs/json.md.
    package var json: JSON {
        [
            "bailey": "rights", "version": 1,
            "needs": .array(
                needs.map { need in
                    [
                        "source": .string(need.source), "commands": .string(need.commands),
                        "lines": .array(need.lines.map { .string($0) }),
                    ]
                }
            ),
        ]
    }
}

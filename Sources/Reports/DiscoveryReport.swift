public import LosslessJSON
public import Migration
import Schedules

/// What a look at servers found, as a document, for a terminal, and as the settings that read it.
extension Discovery {
    /// The document; see docs/json.md.
    public var json: JSON {
        [
            "bailey": "discovery", "version": 1, "at": .string(at.iso8601), "whole": .bool(isWhole),
            "holds": .bool(holds),
            "servers": .array(
                servers.map { server in
                    [
                        "address": .string(server.address), "product": text(server.product),
                        "trouble": text(server.trouble), "unseen": texts(server.unseen),
                        "contents": texts(server.contents),
                    ]
                }
            ),
            "systems": .array(systems.map(\.json)), "crontab": .array(lines.map(\.json)),
            "idle": texts(idle),
            "findings": .array(findings.map(\.json)), "settings": .string(settings),
        ]
    }

    /// For a terminal.
    public func textLines() -> [String] {
        var found: [String] = []
        for server in servers {
            found.append("\(server.address): \(server.trouble.map { "NOT SEEN: \($0)" } ?? server.product ?? "")")
            found += server.unseen.map { "  not seen: \($0)" }
        }
        for system in systems { found += [""] + system.textLines }
        if systems.isEmpty, servers.contains(where: { $0.trouble == nil }) {
            found += ["", "Nothing that schedules or queues work was seen. What was seen instead:"]
            for server in servers where server.trouble == nil {
                let contents = server.contents.isEmpty ? "nothing" : server.contents.joined(separator: "; ")
                found.append("  \(server.address): \(contents)")
            }
            found.append(
                "See whether these are the right servers and databases, and whether this user may see what is there."
            )
        }
        found += idle.map { "\($0): no line of it runs anything. See whether it is the right file" }
        if !lines.isEmpty {
            found.append("")
            var table = TextTable(["LINE", "VERDICT", "WHEN", "RUNS A DAY", "COMMAND"])
            for line in lines {
                table.add([
                    line.location.description, line.verdict.rawValue, line.words ?? line.schedule,
                    line.perDay.map(decimal) ?? "–", line.command,
                ])
            }
            found += table.lines(width: 200)
            let reasons = lines.filter { $0.verdict != .migrate }
            found += reasons.map { "  \($0.location): \($0.verdict.rawValue): \($0.reason)" }
        }
        if !findings.isEmpty {
            found.append("")
            for finding in findings {
                found.append(
                    "\(finding.severity.rawValue) \(finding.code) \(finding.location?.description ?? ""): \(finding.text)"
                )
            }
        }
        return found
    }
}

extension DiscoveredSystem {
    fileprivate var json: JSON {
        [
            "what": .string(what), "kind": text(kind), "address": .string(address), "place": .string(place),
            "certainty": .string(certainty.rawValue), "evidence": texts(evidence),
            "amount": amount.map { .number(JSONNumber($0)) } ?? .null, "unit": .string(unit),
            "writers": texts(writers), "outlook": .string(outlook.rawValue), "advice": .string(advice),
            "keep": .array(
                keeps.map { kept in
                    [
                        "name": .string(kept.name), "per_day": .number(JSONNumber(kept.perDay)),
                        "seconds": kept.seconds.map { .number(JSONNumber($0)) } ?? .null,
                        "reason": .string(kept.reason),
                    ]
                }
            ),
            "blocked": text(blocked),
        ]
    }

    /// `entry` of `entries`.
    private static func one(of unit: String) -> String {
        unit.hasSuffix("ies") ? unit.dropLast(3) + "y" : unit.hasSuffix("s") ? String(unit.dropLast()) : unit
    }

    fileprivate var textLines: [String] {
        let many =
            amount.map { "\($0) \($0 == 1 ? DiscoveredSystem.one(of: unit) : unit)" } ?? "an unknown number of \(unit)"
        let outlook =
            switch outlook {
            case .moves: "moves"
            case .readOnly: "is read, does not move"
            case .notRead: "is not read"
            }
        var lines = ["\(what) at \(address), \(place): \(certainty.rawValue), \(many), \(outlook)"]
        lines += evidence.map { "  seen: \($0)" }
        if !writers.isEmpty { lines.append("  written by: \(writers.joined(separator: ", "))") }
        for kept in keeps.prefix(10) {
            let length = kept.seconds.map { ", \(seconds($0)) each" } ?? ""
            lines.append("  keep: \(kept.name): \(decimal(kept.perDay)) runs a day\(length): \(kept.reason)")
        }
        if keeps.count > 10 { lines.append("  keep: and \(keeps.count - 10) more") }
        if let blocked { lines.append("  not in bailey.yaml: \(blocked)") }
        return lines + ["  \(advice)"]
    }
}

extension JudgedLine {
    fileprivate var json: JSON {
        [
            "place": .string(location.description), "schedule": .string(schedule), "command": .string(command),
            "user": text(user), "words": text(words), "timezone": text(timezone),
            "per_day": perDay.map { .number(JSONNumber($0)) } ?? .null,
            "next_ticks": .array(nextTicks.map { .string($0.iso8601) }), "verdict": .string(verdict.rawValue),
            "reason": .string(reason),
        ]
    }
}

private func text(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }

private func texts(_ texts: [String]) -> JSON { .array(texts.map { .string($0) }) }

import Foundation
import LosslessJSON
import Migration
import Schedules

/// Compares the calls over HTTP that a body tried with those that legacy's own run made, where those are written down: a line of JSON each, with
/// `method` and `url`, and as far as it is known `sha256` and `bytes` of the body and `run`, the id of the run that made it.
struct CallEffects {
    /// What the body tried.
    let calls: [JSON]
    /// How many more it tried than are kept.
    let dropped: Int
    let legacy: Outcome
    let zone: Zone

    /// What is called: of `https` only host and port are seen in shadow.
    private struct Place: Hashable, Comparable {
        var method: String
        var url: String
        /// A tunnel carries any number of calls.
        var isTunnel: Bool

        init(_ method: String, _ url: String) {
            let parts = URLComponents(string: url)
            let isTunnel = parts?.scheme?.lowercased() == "https"
            let host = "\(parts?.host?.lowercased() ?? ""):\(parts?.port ?? (isTunnel ? 443 : 80))"
            self.isTunnel = isTunnel
            self.method = isTunnel ? "CONNECT" : method.uppercased()
            guard let parts, parts.host != nil else {
                self.url = url
                return
            }
            let path = parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath
            let query = parts.percentEncodedQuery.map { "?\($0)" } ?? ""
            self.url = isTunnel ? "https://\(host)" : "http://\(host)\(path)\(query)"
        }

        /// Where it is in reports, where calls that differ in their queries alone are one cause.
        var path: String { "\(method) \(url.prefix { $0 != "?" }.prefix(300))" }

        static func < (a: Place, b: Place) -> Bool { (a.url, a.method) < (b.url, b.method) }
    }

    /// Compares them with the record that a path leads to; without one they are only counted.
    func compare(_ pattern: String?) -> EffectFindings {
        var findings = EffectFindings()
        guard let pattern else {
            findings.uncomparedCalls = calls.count + dropped
            return findings
        }
        guard dropped == 0 else {
            findings.unknown.append("the body made \(calls.count + dropped) calls, and only \(calls.count) are kept")
            return findings
        }
        let its: [JSON]
        do throws(Unreadable) { its = try recorded(pattern) } catch {
            findings.unknown.append(error.words)
            return findings
        }
        let (mine, theirs) = (CallEffects.byPlace(calls), CallEffects.byPlace(its))
        var unseen = 0
        for place in Set(mine.keys).union(theirs.keys).sorted() {
            let (a, b) = (theirs[place] ?? [], mine[place] ?? [])
            let (made, tried) = place.isTunnel ? (min(a.count, 1), min(b.count, 1)) : (a.count, b.count)
            guard made == tried else {
                findings.differ(
                    place.path,
                    .number(JSONNumber(made)),
                    .number(JSONNumber(tried)),
                    "\(place.method) \(place.url.prefix(500)): legacy made \(made) calls, the body in shadow \(tried)"
                )
                continue
            }
            unseen += bodies(place, a, b, &findings)
        }
        if findings.differences.isEmpty { findings.told = ["\(calls.count) calls over HTTP, made alike"] }
        if unseen > 0 { findings.told.append("of \(unseen) calls the bodies were not compared") }
        return findings
    }

    /// Compares the bodies of calls to one place, whatever their order; how many could not be.
    private func bodies(_ place: Place, _ a: [JSON], _ b: [JSON], _ findings: inout EffectFindings) -> Int {
        func digests(_ calls: [JSON]) -> [String]? {
            let all = calls.compactMap { $0["sha256"]?.string?.lowercased() }
            return all.count == calls.count ? all : nil
        }
        guard !place.isTunnel, let theirs = digests(a), let mine = digests(b) else { return b.count }
        var left = theirs
        var odd: [String] = []
        for digest in mine {
            if let index = left.firstIndex(of: digest) { left.remove(at: index) } else { odd.append(digest) }
        }
        guard let one = left.first, let other = odd.first else { return 0 }
        func told(_ calls: [JSON], _ digest: String) -> JSON {
            let call = calls.first { $0["sha256"]?.string?.lowercased() == digest }
            return ["bytes": call?["bytes"] ?? .null, "sha256": .string(digest)]
        }
        findings.differ(
            place.path,
            told(a, one),
            told(b, other),
            "\(place.method) \(place.url.prefix(500)): \(odd.count) of \(mine.count) calls have another body"
        )
        return 0
    }

    private static func byPlace(_ calls: [JSON]) -> [Place: [JSON]] {
        Dictionary(grouping: calls) { Place($0["method"]?.string ?? "?", $0["url"]?.string ?? "?") }
    }

    private struct Unreadable: Error {
        let words: String
    }

    /// Legacy's calls of this run.
    private func recorded(_ pattern: String) throws(Unreadable) -> [JSON] {
        guard let path = EffectRules.path(pattern, of: legacy.key, in: zone) else {
            throw Unreadable(words: "\(pattern) is of a tick or a job, and this run has none")
        }
        guard let bytes = FileEffects.bytes(path), let text = String(validating: bytes, as: UTF8.self) else {
            throw Unreadable(words: "legacy's calls over HTTP are not in \(path), or it cannot be read")
        }
        let isOfOneRun = path != pattern
        var found: [JSON] = []
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard !line.allSatisfy(\.isWhitespace) else { continue }
            guard let call = try? JSON(parsing: line.utf8), let method = call["method"]?.string, !method.isEmpty,
                let url = call["url"]?.string, !url.isEmpty
            else { throw Unreadable(words: "line \(number + 1) of \(path) is no call with “method” and “url”") }
            let run = call["run"].flatMap { $0.isNull ? nil : $0.string ?? $0.text() }
            guard run != nil || isOfOneRun else {
                throw Unreadable(words: "line \(number + 1) of \(path) does not say whose call it is (“run”)")
            }
            if run == nil || run == legacy.run || run == legacy.key.job { found.append(call) }
        }
        return found
    }
}

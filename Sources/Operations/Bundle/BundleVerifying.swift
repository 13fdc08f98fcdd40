import Foundation
package import LosslessJSON
import Processes

/// What looking through a bundle showed.
package struct BundleVerdict: Sendable {
    /// What is wrong, one sentence each; nothing where all of it is as it was written.
    package var faults: [String]
    /// How many parts were looked at, beside the manifest.
    package var parts: Int
    /// The SHA-256 of the manifest; nil where there is none.
    package var digest: String?
    /// When it was made, and by which Bailey, by its own word.
    package var madeAt: String?
    package var by: String?
    /// The pipelines that it speaks of.
    package var pipelines: [String]

    /// Whether nothing is wrong.
    package var holds: Bool { faults.isEmpty }

    /// The document that `bailey verify-bundle --json` prints; see docs/json.md.
    package var json: JSON {
        [
            "bailey": "verify-bundle", "version": 1, "holds": .bool(holds), "parts": .number(JSONNumber(parts)),
            "digest": digest.map { .string($0) } ?? .null, "made_at": madeAt.map { .string($0) } ?? .null,
            "by": by.map { .string($0) } ?? .null, "pipelines": .array(pipelines.map { .string($0) }),
            "faults": .array(faults.map { .string($0) }),
        ]
    }

    /// The verdict for a terminal.
    package var textLines: [String] {
        var lines = faults.isEmpty ? ["\(parts) parts are as they were written."] : faults
        if let madeAt, let by { lines.append("Made \(madeAt) by Bailey \(by), of \(pipelines.count) pipelines.") }
        if let digest { lines.append("SHA-256 of the manifest: \(digest)") }
        return lines
    }
}

/// Looks through a bundle: that each part has the hash that the manifest says, that there is no part more or less, and that the parts agree with one
/// another. Whoever changes a part can change its hash too; that shows by the manifest's own hash, which is to be kept elsewhere.
package struct BundleVerification {
    private var found: [String: String] = [:]
    private var order: [String] = []
    private var kept: [String: [UInt8]] = [:]
    private var counts: [String: [String: Int]] = [:]
    private var forms: [String: Set<String>] = [:]
    private var faults = BundleFaults()

    /// The longest document that is read whole, and how long all together may be.
    private static let (most, mostTogether) = (256 << 20, 512 << 20)

    /// Looks through the file at a path.
    ///
    /// - Parameter digest: the SHA-256 that the manifest must have, as it was told when the bundle was made; nil if nobody kept it.
    /// - Throws: `OperationFailure` if there is no such file.
    package static func verify(_ path: String, digest: String?) throws -> BundleVerdict {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw OperationFailure(.usage, "there is no file \(path) that can be read")
        }
        defer { try? file.close() }
        var verification = BundleVerification()
        do { try verification.read(TarReader(file)) } catch {
            verification.faults.append("\(path) is no bundle, or a damaged one: \(error)")
        }
        return verification.verdict(digest)
    }

    private final class Part {
        var header: TarHeader
        var hash = SHA256()
        var bytes: [UInt8] = []
        init(_ header: TarHeader) { self.header = header }
    }

    private mutating func read(_ tar: TarReader) throws {
        var part: Part?
        let taken = BundleLines()
        var together: UInt64 = 0
        try tar.each { header in
            let next = Part(header)
            part = next
            let isLines = header.name.hasSuffix(".jsonl")
            guard isLines || header.size <= UInt64(BundleVerification.most) else {
                throw TarFault(description: "\(header.name) is too long")
            }
            if !isLines { together += header.size }
            guard together <= UInt64(BundleVerification.mostTogether) else {
                throw TarFault(description: "its documents are longer than 512 MiB together, at \(header.name)")
            }
            return { piece in
                next.hash.update(piece)
                if isLines { try taken.take(piece, of: header.name) } else { next.bytes += piece }
            }
        } end: {
            guard let part else { return }
            let name = part.header.name
            if found.updateValue(part.hash.hex(), forKey: name) != nil { faults.append("\(name) is there twice") }
            order.append(name)
            if !name.hasSuffix(".jsonl") { kept[name] = part.bytes }
            try taken.end(name)
        }
        counts = taken.counts
        forms = taken.forms
        faults.append(taken.faults)
    }

    // MARK: Judging

    private func document(_ name: String) -> JSON? { kept[name].flatMap { try? JSON(parsing: $0) } }

    private mutating func verdict(_ digest: String?) -> BundleVerdict {
        let manifest = kept[BundlePart.manifest]
        judgeManifest(manifest, digest)
        let head = document(BundlePart.head)
        let pipelines = head?["pipelines"]?.array?.compactMap(\.string) ?? []
        if head?["bailey"]?.string != "bundle" || head?["version"]?.int != 1 {
            faults.append("\(BundlePart.head) is missing, or is that of no bundle that this version knows")
        } else {
            judgeParts(pipelines)
            judgeDAGs()
            for pipeline in pipelines { judgeReport(pipeline) }
        }
        return BundleVerdict(
            faults: faults.all,
            parts: found.keys.filter { $0 != BundlePart.manifest }.count,
            digest: manifest.map { SHA256.hex($0) },
            madeAt: head?["made_at"]?.string,
            by: head?["by"]?.string,
            pipelines: pipelines
        )
    }

    private mutating func judgeManifest(_ manifest: [UInt8]?, _ digest: String?) {
        guard let manifest, order.last == BundlePart.manifest else {
            faults.append("there is no \(BundlePart.manifest) at its end, so that nobody knows what must be there")
            return
        }
        if let digest, SHA256.hex(manifest) != digest.lowercased() {
            faults.append("the manifest is another one than that whose SHA-256 is \(digest)")
        }
        var wanted: [String: String] = [:]
        var lines = String(decoding: manifest, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last?.isEmpty != true { faults.append("the manifest ends within a line") } else { lines.removeLast() }
        for line in lines {
            let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
            guard words.count == 2, words[0].utf8.count == 64, words[1].hasPrefix(" ") else {
                faults.append("the manifest has a line that says nothing: “\(line.prefix(100))”")
                continue
            }
            wanted[String(words[1].dropFirst())] = String(words[0])
        }
        for (name, hash) in wanted.sorted(by: { $0.key < $1.key }) {
            switch found[name] {
            case nil: faults.append("\(name) is in the manifest and not there")
            case hash?: break
            case _?: faults.append("\(name) is not as it was written: its hash is another one")
            }
        }
        for name in order where wanted[name] == nil && name != BundlePart.manifest {
            faults.append("\(name) is there and not in the manifest")
        }
    }

    private mutating func judgeParts(_ pipelines: [String]) {
        var wanted = [BundlePart.inventory, BundlePart.plan, BundlePart.dagDigests, BundlePart.journal]
        for pipeline in pipelines {
            wanted += [
                BundlePart.report(pipeline), BundlePart.policy(pipeline), BundlePart.comparisons(pipeline),
            ]
        }
        for name in wanted {
            if found[name] == nil {
                faults.append("\(name) is missing")
            } else if name.hasSuffix(".json"), document(name) == nil {
                faults.append("\(name) is no JSON")
            }
        }
    }

    private mutating func judgeDAGs() {
        guard let dags = document(BundlePart.dagDigests)?.array else { return }
        let listed = Set(dags.compactMap { $0["file"]?.string.map { BundlePart.dags + $0 } })
        for name in order where name.hasPrefix(BundlePart.dags) && !listed.contains(name) {
            faults.append("\(name) is no pipeline's of \(BundlePart.dagDigests)")
        }
        for dag in dags {
            let file = BundlePart.dags + (dag["file"]?.string ?? "?")
            if found[file] != dag["sha256"]?.string {
                faults.append("\(file) is missing, or not the one whose hash stands in \(BundlePart.dagDigests)")
            }
            // What counts was compared under the form of the mapping that the DAG was made of.
            if let pipeline = dag["pipeline"]?.string, let form = dag["form"]?.string,
                let other = forms[pipeline]?.first(where: { $0 != form })
            {
                faults.append(
                    "comparisons of \(pipeline) count although they were made under the form \(other) of its mapping and its DAG has \(form)"
                )
            }
        }
    }

    private mutating func judgeReport(_ pipeline: String) {
        guard let report = document(BundlePart.report(pipeline)) else { return }
        let counted = counts[pipeline] ?? [:]
        for (key, verdict) in [
            ("match", "match"), ("mismatch", "mismatch"), ("not_enough_data", "not-enough-data"),
            ("observer_broken", "observer-broken"),
        ] where (report[key]?.int ?? 0) != counted[verdict, default: 0] {
            faults.append(
                "the report of \(pipeline) says \(report[key]?.int ?? 0) \(verdict), and \(counted[verdict, default: 0]) of its comparisons are"
            )
        }
        let worst = ["observer-broken", "mismatch", "match"].first { counted[$0, default: 0] > 0 } ?? "not-enough-data"
        if report["verdict"]?.string != worst {
            faults.append(
                "the report of \(pipeline) says \(report["verdict"]?.string ?? "nothing"), and its comparisons say \(worst)"
            )
        }
        if let evaluation = document(BundlePart.policy(pipeline))?["evaluation"], !evaluation.isNull {
            let isMet = evaluation["lines"]?.array?.allSatisfy { $0["verdict"]?.string == "pass" } ?? false
            if evaluation["holds"]?.bool != isMet {
                faults.append("the policy of \(pipeline) does not say what its lines say")
            }
        }
    }
}

/// The parts of a bundle that are lines, taken a line after another.
private final class BundleLines {
    private(set) var counts: [String: [String: Int]] = [:]
    private(set) var forms: [String: Set<String>] = [:]
    private(set) var faults = BundleFaults()
    private var rest: [UInt8] = []
    private var number = 0
    private var last = 0

    /// The longest line.
    private static let most = 256 << 20

    func take(_ piece: [UInt8], of name: String) throws {
        var start = piece.startIndex
        while let end = piece[start...].firstIndex(of: UInt8(ascii: "\n")) {
            rest += piece[start..<end]
            line(name)
            rest.removeAll(keepingCapacity: true)
            start = end + 1
        }
        rest += piece[start...]
        guard rest.count <= BundleLines.most else { throw TarFault(description: "a line of \(name) is too long") }
    }

    func end(_ name: String) throws {
        if !rest.isEmpty { faults.append("\(name) ends within a line") }
        (rest, number, last) = ([], 0, 0)
    }

    private func line(_ name: String) {
        number += 1
        guard let json = try? JSON(parsing: rest), let id = json["id"]?.int, id > last else {
            faults.append("\(name), line \(number): it is no line of ours, or out of order")
            return
        }
        last = id
        let parts = name.split(separator: "/")
        guard parts.count == 3, parts[2] == "comparisons.jsonl" else { return }
        let pipeline = String(parts[1])
        let verdict = json["verdict"]?.string ?? "?"
        if json["comparison"]?["verdict"]?.string != verdict || json["comparison"]?["pipeline"]?.string != pipeline {
            faults.append("\(name), line \(number): the comparison is not the one that the line says")
        }
        guard json["counts"]?.bool == true else { return }
        counts[pipeline, default: [:]][verdict, default: 0] += 1
        if let form = json["form"]?.string { forms[pipeline, default: []].insert(form) }
    }
}

/// What is wrong, as far as anybody reads it: a forged bundle may have a million wrong lines.
private struct BundleFaults {
    private var kept: [String] = []
    private var more = 0

    private static let most = 200

    mutating func append(_ fault: String) {
        if kept.count < BundleFaults.most { kept.append(fault) } else { more += 1 }
    }

    mutating func append(_ others: BundleFaults) {
        for fault in others.kept { append(fault) }
        more += others.more
    }

    /// All, the rest as a number.
    var all: [String] { more == 0 ? kept : kept + ["and \(more) faults more"] }
}

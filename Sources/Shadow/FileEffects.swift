import Foundation
import LosslessJSON
import Migration
import Processes
import Schedules

/// Compares the files that a body wrote in its sandbox with those that legacy wrote in the same run.
struct FileEffects {
    let sandbox: Sandbox
    let legacy: Outcome
    let zone: Zone
    private static let most = 1000
    private static let mostBytes = 64 << 20
    /// How far the clock of a file system may be from the one that stamped the run, in seconds.
    private static let slack = 2.0
    /// How long a run is taken to be that does not know when it began, in microseconds.
    private static let unknownLength: Int64 = 60_000_000

    /// What lies in the sandbox's folder, for reports: path, bytes and digest of each file; what is none (a link, whose target is not followed) has
    /// its path alone.
    func written() -> JSON {
        let found = FolderListing(sandbox.scratch)
        let files = (found.files + found.others.map(\.name)).filter { name in
            ![".tmp", ".home"].contains { name == $0 || name.hasPrefix($0 + "/") }
        }
        let shown = files.prefix(FileEffects.most).map { name -> JSON in
            let bytes = FileEffects.bytes("\(sandbox.scratch)/\(name)")
            return [
                "path": .string(name), "bytes": bytes.map { .number(JSONNumber($0.count)) } ?? .null,
                "sha256": bytes.map { .string(SHA256.hex($0)) } ?? .null,
            ]
        }
        return .array(Array(shown))
    }

    func compare(_ rules: [EffectRules.File]) -> EffectFindings {
        var findings = EffectFindings()
        for rule in rules { compare(rule, &findings) }
        return findings
    }

    private func compare(_ rule: EffectRules.File, _ findings: inout EffectFindings) {
        guard let written = EffectRules.path(rule.written, of: legacy.key, in: zone),
            let path = EffectRules.path(rule.legacy, of: legacy.key, in: zone)
        else {
            findings.unknown.append(
                "\(rule.legacy) is of a tick or a job, and this run has none, or an id that no file is called by"
            )
            return
        }
        let own = "\(sandbox.scratch)/\(written)"
        let isFolder = FileEffects.isFolder(path) || FileEffects.isFolder(own)
        let parent = isFolder ? path : (path as NSString).deletingLastPathComponent
        guard
            FileEffects.isFolder(parent)
                || (isFolder && FileEffects.isFolder((path as NSString).deletingLastPathComponent))
        else {
            findings.unknown.append(
                "there is no folder \(parent) here: legacy writes on another machine, or somewhere else"
            )
            return
        }
        guard isFolder else {
            pair(written, own, path, JSONComparison(rules: rule.compare), &findings)
            return
        }
        // Of a folder that runs share, the files of this run count.
        let (here, there) = (FolderListing(own), FolderListing(path))
        for other in here.others { findings.unknown.append("\(written)/\(other.name) is not compared: \(other.why)") }
        for other in there.others where isOfRun("\(path)/\(other.name)") != false {
            findings.unknown.append("\(path)/\(other.name) is not compared: \(other.why)")
        }
        let theirs = there.files.filter { isOfRun("\(path)/\($0)") != false }
        let names = Set(here.files).union(theirs).sorted()
        let values = JSONComparison(rules: rule.compare)
        for name in names { pair("\(written)/\(name)", "\(own)/\(name)", "\(path)/\(name)", values, &findings) }
    }

    private func pair(
        _ name: String,
        _ own: String,
        _ path: String,
        _ values: JSONComparison,
        _ findings: inout EffectFindings
    ) {
        let (isTheirs, isOwn) = (FileEffects.isFile(path), FileEffects.isFile(own))
        if isTheirs, let isOfRun = isOfRun(path), !isOfRun {
            findings.unknown.append("\(path) was not written in this run of legacy (\(FileEffects.time(path)))")
            return
        }
        if isTheirs, isOfRun(path) == nil {
            findings.unknown.append(
                "when legacy's run ended is not recorded, so that \(path) cannot be laid to it"
            )
            return
        }
        switch (isTheirs, isOwn) {
        case (false, false): findings.unknown.append("neither side wrote \(name)")
        case (true, false):
            findings.differ(name, .string(path), nil, "legacy wrote \(path), and the body in shadow did not")
        case (false, true):
            findings.differ(name, nil, .string(name), "the body in shadow wrote \(name), and legacy no \(path)")
        case (true, true):
            guard let a = FileEffects.bytes(path), let b = FileEffects.bytes(own) else {
                findings.unknown.append(
                    "\(path) or \(name) cannot be read, or is larger than the \(FileEffects.mostBytes >> 20) MiB that are compared"
                )
                return
            }
            if a != b { contents(name, a, b, values, &findings) }
        }
    }

    private func contents(
        _ name: String,
        _ a: [UInt8],
        _ b: [UInt8],
        _ values: JSONComparison,
        _ findings: inout EffectFindings
    ) {
        guard let left = String(validating: a, as: UTF8.self), let right = String(validating: b, as: UTF8.self) else {
            let place = zip(a, b).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(a.count, b.count)
            findings.differ(
                "\(name):byte \(place)",
                .string("\(a.count) bytes, \(SHA256.hex(a))"),
                .string("\(b.count) bytes, \(SHA256.hex(b))"),
                "\(name) differs from byte \(place) on"
            )
            return
        }
        if let x = try? JSON(parsing: left), let y = try? JSON(parsing: right) {
            for found in values.compare(x, y).found {
                let difference = Difference(
                    kind: .effects,
                    path: "\(name) \(found.path)",
                    legacy: found.legacy,
                    shadow: found.shadow,
                    text: "\(name) differs at \(found.path)" + (found.note.map { ": \($0)" } ?? "")
                )
                if let rule = found.rule {
                    findings.ignored.append(IgnoredDifference(rule: rule, difference: difference))
                } else {
                    findings.differences.append(difference)
                }
            }
            return
        }
        let (lines, others) = (FileEffects.lines(left), FileEffects.lines(right))
        let places = (0..<max(lines.count, others.count)).filter {
            ($0 < lines.count ? lines[$0] : nil) != ($0 < others.count ? others[$0] : nil)
        }
        guard let first = places.first else { return }
        func line(_ all: [Substring]) -> JSON? { first < all.count ? .string(String(all[first].prefix(500))) : nil }
        findings.differ(
            "\(name):line \(first + 1)",
            line(lines),
            line(others),
            "\(name) differs in \(places.count) of \(max(lines.count, others.count)) lines, first in line \(first + 1)"
        )
    }

    /// Lines with their ends, so that a missing last one or another kind is a difference.
    private static func lines(_ text: String) -> [Substring] {
        text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map(Substring.init)
    }

    /// Whether a file was written between start and end of legacy's run; nil where those are not known.
    private func isOfRun(_ path: String) -> Bool? {
        guard let end = legacy.end else { return nil }
        // Results of Celery's know their end alone.
        let start =
            legacy.start ?? legacy.queued ?? legacy.key.tick
            ?? Instant(microseconds: end.microseconds - FileEffects.unknownLength)
        var status = stat()
        // What is there under a name that cannot be written here may be the run's.
        guard lstat(path, &status) == 0 else { return nil }
        let time = Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) / 1e9
        return time >= Double(start.microseconds) / 1e6 - FileEffects.slack
            && time <= Double(end.microseconds) / 1e6 + FileEffects.slack
    }

    private static func time(_ path: String) -> String {
        var status = stat()
        guard stat(path, &status) == 0 else { return "gone" }
        let written = Instant(timestamp: Double(status.st_mtim.tv_sec))
        return written.map { "but at \($0.iso8601)" } ?? "but beyond the year 9999"
    }

    private static func isFolder(_ path: String) -> Bool { FolderListing.kind(path) == S_IFDIR }
    private static func isFile(_ path: String) -> Bool { FolderListing.kind(path) == S_IFREG }

    /// A file's bytes; nil if it cannot be read, is no plain file or too large.
    static func bytes(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= mostBytes else {
            return nil
        }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
        // At the end of an empty file nothing is read, which is what it holds.
        return (try? handle.readToEnd() ?? Data()).map { [UInt8]($0) }
    }
}

import Foundation
import Synchronization

/// The machine's zone files. Each zone is read once.
public final class ZoneDatabase: Sendable {
    /// The folder of zone files.
    public let directory: String
    private let cache = Mutex<[String: Zone]>([:])

    /// The zone files of a folder.
    public init(directory: String = "/usr/share/zoneinfo") { self.directory = directory }

    /// The zone of an IANA name, or of a fixed offset such as `+05:30`. Names are checked before a file is opened.
    ///
    /// - Throws: `ScheduleError` with the code `unknown-zone` if there is no such zone, `unreadable-zone` if its file is damaged.
    public func zone(_ name: String) throws(ScheduleError) -> Zone {
        if let known = cache.withLock({ $0[name] }) { return known }
        let zone = try load(name)
        cache.withLock { $0[name] = zone }
        return zone
    }

    private func load(_ name: String) throws(ScheduleError) -> Zone {
        if name == "UTC" { return .utc }
        if let offset = ZoneDatabase.fixedOffset(name) { return Zone(fixed: offset, name: name) }
        let allowed = name.utf8.allSatisfy {
            (65...90).contains($0) || (97...122).contains($0) || (48...57).contains($0) || "/_+-".utf8.contains($0)
        }
        guard allowed, !name.isEmpty, !name.hasPrefix("/"), !name.hasSuffix("/"), !name.contains("//"),
            let data = FileManager.default.contents(atPath: directory + "/" + name)
        else {
            throw ScheduleError(
                .unknownZone,
                "there is no time zone “\(name)” in \(directory); use an IANA name such as Europe/Berlin"
            )
        }
        guard let zone = Zone(name: name, tzif: [UInt8](data)) else {
            throw ScheduleError(
                .unreadableZone,
                "the file of time zone “\(name)” in \(directory) is not a zone file (RFC 8536)"
            )
        }
        return zone
    }

    /// The edition of the files (`2025b`); nil where the folder does not say.
    public var version: String? {
        guard let data = FileManager.default.contents(atPath: directory + "/tzdata.zi") else { return nil }
        let line = String(decoding: data.prefix(40), as: UTF8.self).split(separator: "\n").first
        return line?.split(separator: " ").last.map(String.init)
    }

    private static func fixedOffset(_ name: String) -> Int? {
        let bytes = Array(name.utf8)
        guard bytes.count == 6, bytes[0] == 43 || bytes[0] == 45, bytes[3] == 58,
            let hours = Int(name.dropFirst().prefix(2)),
            let minutes = Int(name.suffix(2)), hours < 24, minutes < 60
        else { return nil }
        return (bytes[0] == 45 ? -1 : 1) * (hours * 3600 + minutes * 60)
    }
}

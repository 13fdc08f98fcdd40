/// A time zone: the instants at which its offset from UTC changes, up to the year 2110.
///
/// Read from the machine's own zone files, because Foundation on Linux carries another edition than Python and PostgreSQL read.
public struct Zone: Sendable {
    /// The IANA name, or `UTC`, or `+05:30` for a fixed offset.
    public let name: String
    /// Span `i` is in force from `starts[i]` (epoch seconds) until `starts[i + 1]`; `starts[0]` is the distant past.
    let starts: [Int64]
    /// Seconds east of UTC in each span.
    let offsets: [Int]
    /// The abbreviation in each span.
    let abbreviations: [String]

    /// Coordinated Universal Time.
    public static let utc = Zone(fixed: 0, name: "UTC")

    /// A zone of one offset, in seconds east of UTC.
    public init(fixed offset: Int, name: String? = nil) {
        starts = [.min / 4]
        offsets = [offset]
        self.name = name ?? Zone.describe(offset)
        abbreviations = [self.name]
    }

    init?(name: String, tzif bytes: [UInt8]) {
        guard let file = TZif(bytes) else { return nil }
        var starts: [Int64] = [.min / 4]
        var offsets = [file.initialOffset]
        var names = [file.initialAbbreviation]
        func add(_ at: Int64, _ offset: Int, _ abbreviation: String) {
            // A change of name or of the DST flag alone moves no clock.
            guard offset != offsets[offsets.count - 1] else {
                names[names.count - 1] = abbreviation
                return
            }
            starts.append(at)
            offsets.append(offset)
            names.append(abbreviation)
        }
        for index in file.transitions.indices {
            add(file.transitions[index], file.offsets[index], file.abbreviations[index])
        }
        if let footer = file.footer {
            guard let rule = POSIXZoneRule(footer) else { return nil }
            let last = file.transitions.last ?? .min / 4
            let firstYear = file.transitions.isEmpty ? 1900 : LocalTime(wallSeconds: last).date.year
            if rule.daylight == nil, file.transitions.isEmpty {
                add(.min / 4 + 1, rule.standardOffset, rule.standardName)
            }
            for year in firstYear...2110 {
                for change in rule.transitions(year: year) where change.at > last {
                    add(change.at, change.offset, change.name)
                }
            }
        }
        self.name = name
        self.starts = starts
        self.offsets = offsets
        self.abbreviations = names
    }

    /// The index of the span in force at an instant.
    func span(atUTC seconds: Int64) -> Int { lastIndex { starts[$0] <= seconds } }

    /// The offset from UTC in seconds at an instant.
    public func offset(at instant: Instant) -> Int { offsets[span(atUTC: instant.seconds)] }

    /// The abbreviation in force at an instant: `CET`, `EDT`, `+03`.
    public func abbreviation(at instant: Instant) -> String { abbreviations[span(atUTC: instant.seconds)] }

    /// What a wall clock shows at an instant.
    public func local(at instant: Instant) -> LocalTime { LocalTime(wallSeconds: wallSeconds(at: instant)) }

    /// Seconds that a wall clock shows after it showed 1970-01-01 00:00:00.
    func wallSeconds(at instant: Instant) -> Int64 { instant.seconds + Int64(offset(at: instant)) }

    /// Which of the two instants a repeated local time means. A skipped one is always read with the offset before the gap.
    enum Occurrence: Sendable { case first, second }

    /// The first wall-clock second that is read in span `index`.
    func wallStart(of index: Int, _ occurrence: Occurrence) -> Int64 {
        guard index > 0 else { return .min / 4 }
        let (before, after) = (offsets[index - 1], offsets[index])
        return starts[index] + Int64(occurrence == .first ? max(before, after) : after)
    }

    /// The span in which a wall-clock time is read.
    func span(atWall seconds: Int64, _ occurrence: Occurrence) -> Int {
        lastIndex { wallStart(of: $0, occurrence) <= seconds }
    }

    /// The instant (epoch seconds) of a wall-clock time.
    func utcSeconds(wall seconds: Int64, _ occurrence: Occurrence = .first) -> Int64 {
        seconds - Int64(offsets[span(atWall: seconds, occurrence)])
    }

    /// The transitions from an instant on, until another: epoch seconds, offset before, offset after.
    public func transitions(from start: Instant, until end: Instant) -> [(at: Instant, before: Int, after: Int)] {
        starts.indices.dropFirst().compactMap { index in
            let at = Instant(seconds: starts[index])
            return at >= start && at < end ? (at, offsets[index - 1], offsets[index]) : nil
        }
    }

    private func lastIndex(where holds: (Int) -> Bool) -> Int {
        var low = 0
        var high = starts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if holds(middle) { low = middle } else { high = middle }
        }
        return low
    }

    /// An offset as `+05:30`.
    static func describe(_ offset: Int) -> String {
        let size = abs(offset)
        return (offset < 0 ? "-" : "+") + padded(size / 3600, 2) + ":" + padded(size / 60 % 60, 2)
    }
}

extension Zone: Hashable {
    public static func == (a: Zone, b: Zone) -> Bool {
        a.name == b.name && a.starts == b.starts && a.offsets == b.offsets
    }
    public func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

extension Zone {
    /// Whether its clock shows the same as another's at every instant, as `UTC` and `Etc/UTC` do.
    public func keepsSameTime(as other: Zone) -> Bool {
        self == other || (offsets == other.offsets && starts.dropFirst() == other.starts.dropFirst())
    }

    /// The instant of a local time: of a repeated one the first, or the second; a skipped one read with the offset before the gap.
    public func instant(of local: LocalTime, second: Bool = false) -> Instant {
        Instant(seconds: utcSeconds(of: local, second: second))
    }

    /// The same as seconds since the epoch, which may lie beyond the years 1 to 9999.
    public func utcSeconds(of local: LocalTime, second: Bool = false) -> Int64 {
        utcSeconds(wall: local.wallSeconds, second ? .second : .first)
    }
}

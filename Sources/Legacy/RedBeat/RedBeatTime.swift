public import LosslessJSON
public import Schedules

/// An instant as RedBeat stores it: fields of a local time, and the zone they are read in.
public struct RedBeatTime: Sendable, Hashable {
    /// The instant.
    public var instant: Instant
    /// The zone it is written in.
    public var zone: Zone
    /// Whether the zone was given by its IANA name; before RedBeat 2.0 there was none, and an offset is a number.
    public var isNamed: Bool

    /// Makes a time.
    public init(instant: Instant, zone: Zone, isNamed: Bool = true) {
        self.instant = instant
        self.zone = zone
        self.isNamed = isNamed
    }

    /// Reads RedBeat's `datetime` object; nil if beat could not.
    ///
    /// The zone is an IANA name, a number of seconds east of UTC, or (before RedBeat 2.0) missing for UTC.
    public init?(_ json: JSON, zones: ZoneDatabase) {
        guard json["__type__"]?.string == "datetime", let year = json["year"]?.int, let month = json["month"]?.int,
            let day = json["day"]?.int, (1...12).contains(month), (1...31).contains(day), (1...9999).contains(year)
        else { return nil }
        var local = LocalTime(wallSeconds: 0)
        local.date = CivilDate(year: year, month: month, day: day)
        local.hour = json["hour"]?.int ?? 0
        local.minute = json["minute"]?.int ?? 0
        local.second = json["second"]?.int ?? 0
        let micro = Int64(json["microsecond"]?.int ?? 0)
        isNamed = false
        switch json["timezone"] {
        case nil: zone = .utc
        case .string(let text)?:
            guard let known = try? zones.zone(text), !text.hasPrefix("+"), !text.hasPrefix("-") else { return nil }
            zone = known
            isNamed = true
        case .number(let seconds)?: zone = Zone(fixed: Int(seconds.double))
        default: return nil
        }
        instant = zone.instant(of: local).adding(microseconds: micro)
    }

    /// The text that RedBeat's encoder writes for it.
    ///
    /// RedBeat stores no fold: in the second pass of a repeated hour the local time would be read back as one of the first, an hour
    /// too early. There it is written in UTC, which every RedBeat reads as the same instant.
    public var text: String {
        let whole = Instant(seconds: instant.seconds)
        let isSecondPass = zone.instant(of: zone.local(at: whole)) != whole
        let zone = isSecondPass ? Zone.utc : self.zone
        let local = zone.local(at: whole)
        let name: String
        if isSecondPass || isNamed {
            name = JSON.string(zone.name).text()
        } else {
            name = zone == .utc ? "0.0" : "\(zone.offset(at: whole)).0"
        }
        let micro = instant.microseconds - whole.microseconds
        return
            #"{"__type__": "datetime", "year": \#(local.date.year), "month": \#(local.date.month), "day": \#(local.date.day), "#
            + #""hour": \#(local.hour), "minute": \#(local.minute), "second": \#(local.second), "microsecond": \#(micro), "#
            + #""timezone": \#(name)}"#
    }
}

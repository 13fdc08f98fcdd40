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
        guard let time = try? RedBeatDecoder(zones: zones).time(json) else { return nil }
        self = time
    }

    /// The text that RedBeat's encoder writes for it.
    ///
    /// RedBeat stores no fold: in the second pass of a repeated hour the local time would be read back as one of the first, an hour
    /// too early. There it is written with its offset in seconds, which every RedBeat reads as the same instant. Not in UTC: Celery before
    /// 5.7 reads a crontab in the zone of `last_run_at`, and all versions a relative interval of whole days.
    public var text: String {
        let whole = Instant(seconds: instant.seconds)
        // On the first and last day of the calendar a clock elsewhere may show a year that Python has not.
        let isOutside = !(1...9999).contains(self.zone.local(at: whole).date.year)
        let zone = isOutside ? Zone.utc : self.zone
        let local = zone.local(at: whole)
        let isSecondPass = zone.instant(of: local) != whole
        let name =
            if isNamed, !isSecondPass {
                JSON.string(zone.name).text()
            } else {
                zone == .utc ? "0.0" : "\(zone.offset(at: whole)).0"
            }
        let micro = instant.microseconds - whole.microseconds
        return
            #"{"__type__": "datetime", "year": \#(local.date.year), "month": \#(local.date.month), "day": \#(local.date.day), "#
            + #""hour": \#(local.hour), "minute": \#(local.minute), "second": \#(local.second), "microsecond": \#(micro), "#
            + #""timezone": \#(name)}"#
    }
}

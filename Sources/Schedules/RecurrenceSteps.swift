extension RecurrenceRule {
    /// Where the last run of an entry lies whose clock Bailey has stopped: 2100-01-01T00:00:00Z.
    public static let parking = Instant(seconds: 4_102_444_800)

    /// The most steps that beat may have to count through, each time it starts, to find that a parked rule is not due. A quarter of a
    /// million take it two seconds.
    public static let mostSteps = 250_000.0

    /// About how many steps a reader takes that, like dateutil, walks the rule from its start to an instant.
    public func steps(until end: Instant) -> Double {
        let unit: Double
        switch frequency {
        case .yearly: unit = 31_556_952
        case .monthly: unit = 2_629_746
        case .weekly: unit = 604_800
        case .daily: unit = 86_400
        case .hourly: unit = 3600
        case .minutely: unit = 60
        case .secondly: unit = 1
        }
        var times = 1
        if frequency < .hourly { times *= max(1, hours.count) }
        if frequency < .minutely { times *= max(1, minutes.count) }
        if frequency < .secondly { times *= max(1, seconds.count) }
        let last = min(until ?? end, end)
        let steps = max(0, last.seconds(since: start)) / (unit * Double(interval)) * Double(times)
        return min(steps, count.map(Double.init) ?? steps)
    }
}

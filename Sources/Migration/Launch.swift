public import LosslessJSON
public import Schedules

/// Which ticks of a pipeline without a legacy side Airflow owns: a pipeline's launch, as its Airflow keeps it in a variable.
///
/// A tick belongs to Airflow if and only if a window holds it; where there is no record, none does.
public struct LaunchRecord: Sendable, Hashable {
    /// A half-open interval of ticks, `[from, until)`.
    public struct Window: Sendable, Hashable {
        /// What opened it.
        public enum Cause: String, Sendable, Hashable, CaseIterable {
            case launch, backfill
        }

        /// The first tick it may hold.
        public var from: Instant
        /// The first that it holds no more; nil where it has no end.
        public var until: Instant?
        /// What opened it.
        public var cause: Cause

        /// Makes a window.
        public init(from: Instant, until: Instant?, cause: Cause) {
            (self.from, self.until, self.cause) = (from, until, cause)
        }

        /// Whether a tick lies in it.
        public func contains(_ tick: Instant) -> Bool { from <= tick && until.map { tick < $0 } ?? true }
    }

    /// The windows, in the order in which they were opened.
    public var windows: [Window]
    /// Who wrote it last.
    public var by: String
    /// When.
    public var at: Instant
    /// The token of the operation that wrote it, also found in the journal. Airflow hides what is called a token.
    public var session: String

    /// Makes a record.
    public init(windows: [Window], by: String, at: Instant, session: String) {
        self.windows = windows
        self.by = by
        self.at = at
        self.session = session
    }

    /// The key of the variable that holds a pipeline's record.
    public static func key(_ pipeline: String) -> String { "bailey_launch_" + pipeline }

    /// The window that the launch has open; nil if it was never launched, or was stopped.
    public var open: Window? { windows.last { $0.cause == .launch && $0.until == nil } }

    /// Whether Airflow owns a tick.
    public func contains(_ tick: Instant) -> Bool { windows.contains { $0.contains(tick) } }

    /// A launch from an instant on. A window that is open already goes on from where it began, or from the new instant if that is earlier.
    public mutating func launch(from: Instant) {
        if let index = windows.lastIndex(where: { $0.cause == .launch && $0.until == nil }) {
            windows[index].from = Swift.min(windows[index].from, from)
        } else {
            windows.append(Window(from: from, until: nil, cause: .launch))
        }
    }

    /// The end of the launch: the first tick that is Airflow's no more.
    public mutating func stop(at end: Instant) {
        for index in windows.indices
        where windows[index].cause == .launch && windows[index].until.map({ $0 > end }) ?? true {
            windows[index].until = Swift.max(end, windows[index].from)
        }
        windows.removeAll { $0.until == $0.from }
    }

    /// A right to run past ticks, `[from, until)`.
    public mutating func allow(from: Instant, until: Instant) {
        let holds = windows.contains { window in
            window.from <= from && window.until.map { until <= $0 } ?? true
        }
        if !holds { windows.append(Window(from: from, until: until, cause: .backfill)) }
    }

    /// The record as the variable's text.
    public var text: String { json.text() }

    /// The record as JSON.
    public var json: JSON {
        [
            "v": 1,
            "windows": .array(
                windows.map {
                    [
                        "from": .string($0.from.iso8601), "until": $0.until.map { .string($0.iso8601) } ?? .null,
                        "cause": .string($0.cause.rawValue),
                    ]
                }
            ),
            "by": .string(by), "at": .string(at.iso8601), "session": .string(session),
        ]
    }

    /// The record of a variable's text; nil if it is not as Bailey writes it. The gate refuses such a text too.
    public init?(text: String) {
        guard let json = try? JSON(parsing: text), json["v"]?.int == 1, let items = json["windows"]?.array,
            let at = json["at"].flatMap(LaunchRecord.instant)
        else { return nil }
        var windows: [Window] = []
        for item in items {
            guard let from = item["from"].flatMap(LaunchRecord.instant), let end = item["until"],
                let cause = item["cause"]?.string.flatMap(Window.Cause.init)
            else { return nil }
            let until = LaunchRecord.instant(end)
            guard until != nil || end.isNull else { return nil }
            windows.append(Window(from: from, until: until, cause: cause))
        }
        self.init(windows: windows, by: json["by"]?.string ?? "", at: at, session: json["session"]?.string ?? "")
    }

    /// An instant as Bailey writes it, in UTC.
    private static func instant(_ json: JSON) -> Instant? {
        json.string.flatMap { $0.hasSuffix("Z") ? Instant(iso8601: $0) : nil }
    }
}

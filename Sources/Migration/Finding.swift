/// The stable code of a finding, such as `BLY012`; each has a page under `docs/findings/`.
public struct FindingCode: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The number, as in `BLY012`.
    public let number: Int
    /// The name people remember, in kebab case.
    public let name: String
    /// How bad it is unless the finding says otherwise.
    public let severity: Severity

    /// Makes a code. Only the catalogue does.
    init(_ number: Int, _ name: String, _ severity: Severity) {
        self.number = number
        self.name = name
        self.severity = severity
    }

    /// `BLY012`.
    public var id: String {
        let digits = String(number)
        return "BLY" + String(repeating: "0", count: max(0, 3 - digits.count)) + digits
    }

    /// `BLY012 crontab-day-and`.
    public var description: String { "\(id) \(name)" }

    /// By number.
    public static func < (left: FindingCode, right: FindingCode) -> Bool { left.number < right.number }
}

/// How bad a finding is.
public enum Severity: String, Sendable, Hashable, CaseIterable, Comparable {
    /// Worth knowing.
    case info
    /// A person should decide.
    case warning
    /// Nothing can go on before it is mended.
    case error

    /// `info` < `warning` < `error`.
    public static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .info: 0
        case .warning: 1
        case .error: 2
        }
    }
}

/// One thing a person must know or decide about an entry, a pipeline or a file.
public struct Finding: Sendable, Hashable {
    /// Which finding.
    public var code: FindingCode
    /// How bad it is here.
    public var severity: Severity
    /// The entry it is about.
    public var entry: EntryID?
    /// The pipeline it is about.
    public var pipeline: String?
    /// The place in a file it is about.
    public var location: SourceLocation?
    /// What was found and what it means here, in full sentences.
    public var text: String

    /// Makes a finding with the code's own severity.
    public init(
        _ code: FindingCode,
        entry: EntryID? = nil,
        pipeline: String? = nil,
        location: SourceLocation? = nil,
        severity: Severity? = nil,
        text: String
    ) {
        self.code = code
        self.severity = severity ?? code.severity
        self.entry = entry
        self.pipeline = pipeline
        self.location = location
        self.text = text
    }
}

/// A place in a file that people write.
public struct SourceLocation: Sendable, Hashable, CustomStringConvertible {
    /// The file's name as it was given.
    public var file: String
    /// The line, from 1.
    public var line: Int

    /// Makes a location.
    public init(file: String, line: Int) {
        self.file = file
        self.line = line
    }

    /// `file:line`.
    public var description: String { "\(file):\(line)" }
}

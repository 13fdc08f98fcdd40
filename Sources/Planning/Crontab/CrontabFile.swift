public import Schedules

/// A crontab, a person's or the system's, read line by line: what cannot be read is one line.
public struct CrontabFile: Sendable, Hashable {
    /// A line that runs something.
    public struct Line: Sendable, Hashable {
        /// Its number, from 1.
        public var number: Int
        /// When, as written.
        public var schedule: String
        /// The expression; nil for `@reboot`, which has no clock.
        public var cron: CronExpression?
        /// The command, as the shell gets it.
        public var command: String
        /// The user it runs as, where the file says.
        public var user: String?
        /// The zone that `CRON_TZ` names above it.
        public var timezone: String?
    }

    /// A line that cron, or Bailey, cannot read.
    public struct Unread: Sendable, Hashable {
        /// Its number, from 1.
        public var number: Int
        /// The line.
        public var text: String
        /// Why.
        public var reason: String
    }

    /// The file as it was given.
    public let file: String
    /// The lines that run something.
    public private(set) var lines: [Line] = []
    /// Those that cannot be read.
    public private(set) var unread: [Unread] = []

    /// Reads a file's text.
    ///
    /// - Parameter hasUsers: whether a user stands before each command, as in `/etc/crontab`; nil to tell it from the file's name.
    /// - Throws: `NoCrontab` if no line of it is one of a crontab.
    public init(_ text: String, file: String, hasUsers: Bool? = nil) throws(NoCrontab) {
        self.file = file
        let hasUsers = hasUsers ?? CrontabFile.isOfTheSystem(file)
        var timezone: String?
        var hasSettings = false
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.drop { $0 == " " || $0 == "\t" }
            let plain = line.hasSuffix("\r") ? line.dropLast() : line
            if plain.isEmpty || plain.hasPrefix("#") { continue }
            if let (name, value) = CrontabFile.setting(plain) {
                hasSettings = true
                if name == "CRON_TZ" || name == "TZ" { timezone = value.isEmpty ? nil : value }
                continue
            }
            do {
                var found = try CrontabFile.line(plain, hasUsers: hasUsers)
                found.number = index + 1
                found.timezone = timezone
                lines.append(found)
            } catch {
                unread.append(Unread(number: index + 1, text: String(plain), reason: error.message))
            }
        }
        // A crontab may be empty; a file of which no line can be read is none.
        if lines.isEmpty, !hasSettings, let first = unread.first {
            throw NoCrontab(
                "\(file) is no crontab: none of its lines can be read as one, beginning with line \(first.number): \(ShownCommand.of(first.reason))"
            )
        }
    }

    private static func isOfTheSystem(_ file: String) -> Bool {
        ("/" + file).hasSuffix("/etc/crontab") || ("/" + file).contains("/cron.d/")
    }

    /// `NAME=value`, as cron reads it.
    private static func setting(_ line: Substring) -> (name: String, value: String)? {
        guard let equals = line.firstIndex(of: "=") else { return nil }
        let name = trimmed(line[..<equals])
        guard !name.isEmpty, name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }),
            name.first?.isNumber == false
        else { return nil }
        var value = trimmed(line[line.index(after: equals)...])
        if value.count > 1, let quote = value.first, quote == "\"" || quote == "'", value.last == quote {
            value = value.dropFirst().dropLast()
        }
        return (String(name), String(value))
    }

    private static func line(_ text: Substring, hasUsers: Bool) throws(ScheduleError) -> Line {
        var rest = text
        func word() -> String {
            rest = rest.drop { $0 == " " || $0 == "\t" }
            let found = rest.prefix { $0 != " " && $0 != "\t" }
            rest = rest[found.endIndex...]
            return String(found)
        }
        var schedule: String
        if rest.hasPrefix("@") {
            schedule = word()
        } else {
            schedule = (0..<5).map { _ in word() }.joined(separator: " ")
        }
        let isAtBoot = schedule.lowercased() == "@reboot"
        let cron = isAtBoot ? nil : try CronExpression(schedule, dialect: .vixie)
        let user = hasUsers ? word() : nil
        let command = trimmed(rest)
        guard !command.isEmpty else {
            throw ScheduleError(.badCron, "no command follows “\(schedule)\(user.map { " \($0)" } ?? "")”")
        }
        return Line(number: 0, schedule: schedule, cron: cron, command: String(command), user: user)
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }
}

/// A file that is no crontab.
public struct NoCrontab: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was found.
    public let description: String

    init(_ description: String) { self.description = description }
}

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
        /// The line as it stands in the file.
        public var text = ""
        /// The variables that are set above it, by name.
        public var variables: [String: String] = [:]

        /// The command as the shell gets it, and what it gets on standard input: an unescaped `%` ends the one and begins the other, in which
        /// each further one is a line's end.
        public var parts: (command: String, input: String?) {
            var parts = [""]
            var isEscaped = false
            for letter in command {
                if letter == "%", !isEscaped {
                    parts.append("")
                    continue
                }
                // Only a percent sign is escaped: any other backslash is the shell's.
                if letter == "%" { parts[parts.count - 1].removeLast() }
                parts[parts.count - 1].append(letter)
                // In what is the shell's a backslash escapes another, in what is read it does not.
                isEscaped = letter == "\\" && (parts.count > 1 || !isEscaped)
            }
            guard parts.count > 1 else { return (parts[0], nil) }
            let input = parts.dropFirst().joined(separator: "\n")
            return (parts[0], input.isEmpty || input.hasSuffix("\n") ? input : input + "\n")
        }
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
        var variables: [String: String] = [:]
        var hasSettings = false
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.drop { $0 == " " || $0 == "\t" }
            let plain = line.hasSuffix("\r") ? line.dropLast() : line
            if plain.isEmpty || plain.hasPrefix("#") { continue }
            if let (name, value) = CrontabFile.setting(plain) {
                hasSettings = true
                // TZ is the command's alone: cron reads its lines in the machine's own zone all the same.
                if name == "CRON_TZ" { timezone = value.isEmpty ? nil : value } else { variables[name] = value }
                continue
            }
            do {
                var found = try CrontabFile.line(plain, hasUsers: hasUsers)
                found.number = index + 1
                found.timezone = timezone
                (found.text, found.variables) = (String(plain), variables)
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

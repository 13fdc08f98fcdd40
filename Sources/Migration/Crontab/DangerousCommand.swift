/// What in a command takes away what Bailey and Celery keep: the keys of a Redis, or the messages that wait.
public enum DangerousCommand: Sendable, Hashable {
    /// The place of a Redis.
    public struct Place: Sendable, Hashable {
        /// The host; nil where the command does not say it in words.
        public var host: String?
        /// The port.
        public var port: Int
        /// The database; nil for all of them.
        public var database: Int?

        /// Makes one.
        public init(host: String?, port: Int, database: Int?) {
            self.host = host.map(Place.plain)
            self.port = port
            self.database = database
        }

        /// The place of a `redis://` or `rediss://` address; nil of anything else.
        public init?(address: String) {
            guard address.hasPrefix("redis"), let (host, port, database) = DangerousCommand.url(address), let host
            else {
                return nil
            }
            self.init(host: host, port: port, database: database)
        }

        /// The machine itself has several names.
        private static func plain(_ host: String) -> String {
            ["localhost", "::1", "127.0.0.1", "[::1]", "0.0.0.0"].contains(host.lowercased())
                ? "127.0.0.1" : host.lowercased()
        }
    }

    /// `FLUSHDB`, `FLUSHALL`, or the deletion of all keys that a pattern fits.
    case flush(words: String, Place)
    /// `celery purge` and the like.
    case purge(words: String)

    /// What a command holds; nil if nothing of the sort is seen in it. What a script does that it calls, nobody sees here.
    public init?(_ command: String) {
        let words = DangerousCommand.words(command)
        let lower = words.map { $0.lowercased() }
        for (index, word) in lower.enumerated()
        where word.hasSuffix("redis-cli") || word.hasSuffix("keydb-cli") || word.hasSuffix("valkey-cli") {
            let end = lower[(index + 1)...].firstIndex { $0.hasSuffix("-cli") } ?? lower.endIndex
            let place = DangerousCommand.place(Array(words[(index + 1)..<end]))
            for (name, all) in [("flushall", true), ("flushdb", false)]
            where lower[index..<end].contains(where: { $0.contains(name) }) {
                self = .flush(words: name.uppercased(), all ? DangerousCommand.allOf(place) : place)
                return
            }
            let deletes = lower[index..<end].contains { $0 == "del" || $0 == "unlink" }
            if deletes, lower[..<index].contains(where: { $0 == "--scan" || $0 == "keys" }) {
                self = .flush(words: "DEL of the keys that a pattern fits", place)
                return
            }
        }
        // In Python, or by way of a container.
        let text = command.lowercased()
        for (name, all) in [("flushall", true), ("flushdb", false)] where text.contains(name) {
            self = .flush(words: name.uppercased(), Place(host: nil, port: 6379, database: all ? nil : 0))
            return
        }
        let isCelery = text.contains("celery")
        if isCelery,
            lower.contains("purge") || text.contains("queue.purge") || text.contains(".purge(")
                || text.contains("discard_all")
        {
            self = .purge(words: "celery purge")
        } else if lower.contains("purge_queue") || lower.contains("delete_queue") {
            self = .purge(words: "rabbitmqctl purge_queue")
        } else {
            return nil
        }
    }

    private static func allOf(_ place: Place) -> Place { Place(host: place.host, port: place.port, database: nil) }

    /// The words of a shell's line: quotes hold one together, and what parts commands parts words.
    private static func words(_ command: String) -> [String] {
        var words: [String] = []
        var word = ""
        var quote: Character?
        for character in command {
            if let open = quote {
                if character == open { quote = nil } else { word.append(character) }
            } else if character == "'" || character == "\"" {
                quote = character
            } else if " \t|;&()`".contains(character) {
                if !word.isEmpty { words.append(word) }
                word = ""
            } else {
                word.append(character)
            }
        }
        return word.isEmpty ? words : words + [word]
    }

    /// Where the options of `redis-cli` lead.
    private static func place(_ options: [String]) -> Place {
        var (host, port, database): (String?, Int, Int) = ("127.0.0.1", 6379, 0)
        var index = 0
        while index < options.count {
            let next = index + 1 < options.count ? options[index + 1] : ""
            switch options[index] {
            case "-h":
                host = next.contains("$") ? nil : next
                index += 1
            case "-p":
                if let number = Int(next) { port = number } else { host = nil }
                index += 1
            case "-n":
                if let number = Int(next) { database = number } else { host = nil }
                index += 1
            case "-u":
                if let found = url(next) { (host, port, database) = found } else { host = nil }
                index += 1
            case "-s": host = nil
            default: break
            }
            index += 1
        }
        return Place(host: host, port: port, database: database)
    }

    private static func url(_ text: String) -> (String?, Int, Int)? {
        guard !text.contains("$"), let scheme = text.firstRange(of: "://") else { return nil }
        let rest = text[scheme.upperBound...]
        let parts = rest.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let authority = parts[0].split(separator: "@").last ?? parts[0]
        let halves = authority.split(separator: ":")
        guard let host = halves.first else { return nil }
        let database = parts.count > 1 ? Int(parts[1].prefix { $0.isNumber }) ?? 0 : 0
        return (String(host), halves.count > 1 ? Int(halves[1]) ?? 6379 : 6379, database)
    }
}

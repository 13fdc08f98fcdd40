/// The least rights that some commands need on a source, for its administrator.
public struct NeededRights: Sendable, Hashable {
    /// The commands of Bailey, as a person names them.
    public var commands: String
    /// What the administrator runs there: lines of SQL or of `redis-cli`, the user being called `bailey`.
    public var lines: [String]

    /// Makes needed rights.
    public init(commands: String, lines: [String]) {
        self.commands = commands
        self.lines = lines
    }
}

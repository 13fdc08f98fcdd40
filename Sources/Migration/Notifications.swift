/// Who is told of what becomes of a task or a run: names of alert channels, by event.
public struct Notifications: Sendable, Hashable {
    /// What people may be told of.
    public enum Event: String, Sendable, Hashable, CaseIterable {
        /// A task's last attempt has failed.
        case failed
        /// It is not done in its time.
        case late
        /// An attempt has failed, and the task is tried again.
        case retried
    }

    /// The channels of each event; an empty list says that nobody is told, whatever is said elsewhere.
    public var channels: [Event: [String]]

    /// Nobody is told of anything.
    public init(_ channels: [Event: [String]] = [:]) { self.channels = channels }

    /// The channels of an event.
    public subscript(_ event: Event) -> [String] { channels[event] ?? [] }

    /// All channels that are named, each once.
    public var names: [String] { Set(channels.values.joined()).sorted() }

    /// The same, with what others say of some events where it says nothing itself.
    public func completed(with others: Notifications, of events: [Event]) -> Notifications {
        Notifications(channels.merging(others.channels.filter { events.contains($0.key) }) { own, _ in own })
    }
}

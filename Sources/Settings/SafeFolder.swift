/// Whose files are read without being named: what `bailey.yaml`, mappings and profiles say is run, so those of others are not taken up by chance.
///
/// The rule is that of git's `safe.directory`: the owner must be the user that Bailey runs as; for root under `sudo` also whoever called it.
public struct SafeFolder: Sendable {
    private let user: UInt32
    private let caller: UInt32?
    private let owners: @Sendable (String) -> Set<UInt32>

    /// A rule.
    ///
    /// - Parameters:
    ///   - user: the effective user.
    ///   - sudo: what `SUDO_UID` says; it counts for root only.
    ///   - owners: who owns a path, and what it leads to where it is a link; empty if it cannot be told.
    public init(user: UInt32, sudo: String?, owners: @escaping @Sendable (String) -> Set<UInt32>) {
        self.user = user
        caller = user == 0 ? sudo.flatMap { UInt32($0) } : nil
        self.owners = owners
    }

    /// Why a path is not to be used; nil if it may be.
    public func refusal(of path: String) -> String? {
        let owners = owners(path)
        guard !owners.isEmpty else { return "it cannot be told who owns \(path)" }
        guard let other = owners.subtracting([user, caller ?? user]).min() else { return nil }
        return "\(path) belongs to user \(other), and this is user \(user)"
    }
}

import ArgumentParser
import Migration

/// Going on although the policy does not hold.
struct OverrideOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Go on although the policy does not hold; who decides that.", valueName: "name"))
    var override: String?

    @Option(help: ArgumentHelp("Why the policy is overridden; goes into the journal.", valueName: "text"))
    var reason: String?

    /// The decision; nil if none was made.
    func decision() throws -> PolicyOverride? {
        guard override != nil || reason != nil else { return nil }
        guard let decision = PolicyOverride(by: override ?? "", reason: reason ?? "") else {
            throw ValidationError("--override NAME and --reason TEXT go together, and neither may be blank")
        }
        return decision
    }
}

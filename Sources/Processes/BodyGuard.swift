import CGuard
import Foundation

/// A process between Bailey and a body, which ends all that the body has started once Bailey is gone, by whatever signal, or tells it to end.
///
/// It is Bailey's own program, called anew with a word that no command has.
public enum BodyGuard {
    private static let word = "__guard"
    /// This program, where it is Bailey's.
    public static let program = "/proc/self/exe"

    /// The arguments of the program that guards a body.
    ///
    /// - Parameter program: the body's program, looked for in its own PATH, and its arguments.
    public static func arguments(_ program: [String]) -> [String] { [word, String(getpid())] + program }

    /// What the guard says where the body's program cannot be run; nil if these are another program's words.
    ///
    /// - Parameters:
    ///   - status: what the guard ended with.
    ///   - errors: what stands on standard error.
    public static func complaint(status: Int, errors: String) -> String? {
        guard status == 127, errors.hasPrefix("bailey-guard: ") else { return nil }
        return errors.dropFirst("bailey-guard: ".count).split(separator: "\n").first.map(String.init)
    }

    /// Is the guard where the program was called as one. To be called before anything else: it forks.
    public static func runIfAsked() {
        let given = CommandLine.unsafeArgv
        guard CommandLine.argc > 3, let first = given[1], String(cString: first) == word, let parent = given[2] else {
            return
        }
        bailey_guard(atoi(parent), given + 3)
    }
}

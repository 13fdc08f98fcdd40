/// Keeps what logs in to a system out of texts.
public enum Credentials {
    /// A text in which no URL shows its user and password, whatever characters they hold, and none of the given secrets stands.
    ///
    /// - Parameter secrets: texts that must not be shown; short ones are no secrets.
    public static func hidden(in text: String, secrets: [String] = []) -> String {
        var shown = text
        for secret in secrets.sorted(by: { $0.count > $1.count }) where secret.utf8.count >= 4 {
            shown.replace(secret, with: "***")
        }
        // Up to the last “@” of the word: a password may hold “@”, “/” and “:” where somebody forgot to escape them.
        shown.replace(/:\/\/[^\s"'<>]*@/, with: "://***@")
        return shown
    }
}

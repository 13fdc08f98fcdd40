import Foundation

/// A git repository whose password no other process of this machine can see: git hands a URL on to helpers as an argument, which everybody may
/// read, so it gets one without it, and asks for the password by a helper that reads it from the environment.
struct GitRepository: Sendable {
    /// What git is told: a path, `host:path`, or a URL without a password.
    let address: String
    /// Variables by which git finds the password.
    let variables: [String: String]
    /// Texts that must not be shown.
    let secrets: [String]

    init(_ text: String) {
        guard let scheme = text.range(of: "://") else {
            self.init(address: text, variables: [:], secrets: [])
            return
        }
        let rest = text[scheme.upperBound...]
        let isWeb = ["http", "https"].contains(text[..<scheme.lowerBound].lowercased())
        // The last one before the path; one that holds a slash is not escaped, and git would not find its host either.
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard let at = authority.lastIndex(of: "@") else {
            self.init(address: text, variables: [:], secrets: [])
            return
        }
        let login = authority[..<at]
        let parts = login.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let password = parts.count == 2 ? parts[1] : ""
        let place = String(rest[rest.index(after: at)...])
        let root = String(text[..<scheme.upperBound]) + authority[authority.index(after: at)...]
        let plain = [parts[0], password].map { $0.removingPercentEncoding ?? $0 }
        let secrets = [String(login), password, plain[1]] + (password.isEmpty ? [parts[0], plain[0]] : [])
        guard isWeb else {
            // ssh takes no password from a URL.
            let user = parts[0].isEmpty ? "" : parts[0] + "@"
            self.init(
                address: text[..<scheme.upperBound] + user + place,
                variables: [:],
                secrets: password.isEmpty ? [] : secrets
            )
            return
        }
        self.init(
            address: text[..<scheme.upperBound] + place,
            variables: [
                "GIT_CONFIG_COUNT": "2",
                // Helpers of the user's own are left out for this host.
                "GIT_CONFIG_KEY_0": "credential.\(root).helper", "GIT_CONFIG_VALUE_0": "",
                "GIT_CONFIG_KEY_1": "credential.\(root).helper", "GIT_CONFIG_VALUE_1": GitRepository.helper,
                "BAILEY_GIT_USER": plain[0], "BAILEY_GIT_PASSWORD": plain[1],
            ],
            secrets: secrets
        )
    }

    private init(address: String, variables: [String: String], secrets: [String]) {
        self.address = address
        self.variables = variables
        self.secrets = secrets.filter { !$0.isEmpty }
    }

    /// Run by git in a shell; what it says goes to git alone.
    private static let helper =
        #"!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$BAILEY_GIT_USER" "$BAILEY_GIT_PASSWORD"; }; f"#
}

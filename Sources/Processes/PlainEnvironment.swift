/// What programs that Bailey starts get of its own environment, which holds the passwords of every system it knows.
public enum PlainEnvironment {
    private static let names: Set<String> = [
        "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ",
    ]
    /// What leads through proxies, to certificates and to a person's keys: for programs that go to other machines.
    private static let ways: Set<String> = [
        "SSH_AUTH_SOCK", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
        "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY",
        "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
    ]

    /// The variables for a program.
    ///
    /// - Parameters:
    ///   - all: Bailey's own.
    ///   - travels: whether the program goes to other machines.
    public static func of(_ all: [String: String], travels: Bool = false) -> [String: String] {
        all.filter { names.contains($0.key) || (travels && ways.contains($0.key)) }
    }
}

public import LosslessJSON

/// How the keys of an application's results begin.
public struct CeleryResultKeys: Sendable, Hashable {
    private static let own = "celery-task-meta-"
    /// The beginnings, of which each result has one.
    let beginnings: [String]

    /// Without a prefix, or with `global_keyprefix` of `result_backend_transport_options`.
    public init(prefix: String? = nil) {
        guard let prefix, let last = prefix.last else {
            beginnings = [CeleryResultKeys.own]
            return
        }
        // Celery 5.5 and later join the two only where the prefix ends in no separator, those before always.
        let joined = "\(prefix)_\(CeleryResultKeys.own)"
        beginnings = ":_-.".contains(last) ? ["\(prefix)\(CeleryResultKeys.own)", joined] : [joined]
    }

    /// As a person states it of an application: `result_backend_transport_options` among Celery's settings.
    public init(settings: JSON?) {
        self.init(prefix: settings?["result_backend_transport_options"]?["global_keyprefix"]?.string)
    }

    /// They, as globs of Redis.
    public var patterns: [String] {
        beginnings.map { beginning in
            beginning.reduce(into: "") { pattern, character in
                if "*?[]\\".contains(character) { pattern.append("\\") }
                pattern.append(character)
            } + "*"
        }
    }

    /// The id of the task whose result a key is; nil if it is none of a result.
    func id(_ key: String) -> String? {
        beginnings.first { key.hasPrefix($0) }.map { String(key.dropFirst($0.count)) }
    }
}

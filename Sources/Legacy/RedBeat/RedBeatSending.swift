import LosslessJSON
import Migration

/// Why Celery cannot make a message of an entry, though beat loads it: then it logs an error each time the entry is due, and nothing runs.
enum RedBeatSending {
    private static let serializers: Set<String> = ["json", "pickle", "yaml", "msgpack", "raw", "application/json"]
    private static let compressions: Set<String> = [
        "zlib", "gzip", "bzip2", "lzma", "xz", "zstd", "zstandard", "brotli", "application/x-gzip",
    ]
    /// Arguments of `apply_async` that beat itself gives.
    private static let taken = ["args", "kwargs", "producer"]

    /// The defect of merged fields of definition and meta; nil if none is known.
    ///
    /// - Parameter holdsObjects: whether arguments or options hold a schedule.
    static func defect(_ fields: JSONObject, holdsObjects: Bool) -> RedBeatFault? {
        func fault(_ detail: String) -> RedBeatFault { RedBeatFault("cannot-be-sent", detail, .unsent) }
        switch fields["task"] ?? .null {
        case .array, .object: return fault("its task is \(fields["task"]?.kind ?? "")")
        default: break
        }
        let count = fields["total_run_count"] ?? .null
        if count.isTruthy, count.truthNumber == nil {
            return fault("its “total_run_count” is \(count.kind), to which beat cannot add one")
        }
        if let args = fields["args"], args.isTruthy, args.truthNumber != nil {
            return fault("its args are \(args.kind)")
        }
        if let kwargs = fields["kwargs"], kwargs.isTruthy, kwargs.object == nil {
            return fault("its kwargs are \(kwargs.kind), not an object")
        }
        guard let options = fields["options"], options.isTruthy else {
            return holdsObjects ? fault("its arguments hold a schedule, which no message can carry") : nil
        }
        guard let options = options.object else { return fault("its options are \(options.kind), not an object") }
        if let name = taken.first(where: { options[$0] != nil }) {
            return fault("its options have “\(name)”, which beat itself gives")
        }
        if holdsObjects { return fault("its arguments or options hold a schedule, which no message can carry") }
        if let reason = option(options) { return fault("its option \(reason)") }
        return nil
    }

    private static func option(_ options: JSONObject) -> String? {
        for name in ["expires", "countdown"] {
            guard let value = options[name] else { continue }
            if let seconds = value.truthNumber, !(seconds.magnitude < 86_399_999_999_999.5) || seconds > 2.5e11 {
                return "“\(name)” is \(value.text().prefix(60)) seconds, which end in no year that Python knows"
            }
            if let text = value.string, name == "countdown" || !looksLikeTime(text) {
                return "“\(name)” is the text “\(text.prefix(60))”"
            }
        }
        if let queue = options["queue"], !queue.isNull, queue.string == nil { return "“queue” is \(queue.kind)" }
        if let headers = options["headers"], !headers.isNull, headers.object == nil {
            return "“headers” is \(headers.kind) (RedBeat 2.3 and older with Celery 5.5 send it)"
        }
        if let name = options["serializer"]?.string, !serializers.contains(name) {
            return "“serializer” is “\(name)”, which kombu does not have"
        }
        if let name = options["compression"]?.string, !compressions.contains(name) {
            return "“compression” is “\(name)”, which kombu does not have"
        }
        return nil
    }

    /// Whether a text begins as an ISO 8601 date does.
    private static func looksLikeTime(_ text: String) -> Bool {
        let bytes = Array(text.utf8.prefix(5))
        return bytes.count == 5 && bytes.prefix(4).allSatisfy { (48...57).contains($0) }
    }
}

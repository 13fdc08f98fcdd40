import CTexts

/// The programs that send messages and prove them, each as one text for interpreters that have nothing of Bailey's.
///
/// `bailey_runtime.celery_text` joins the same parts in the same way.
enum CeleryText {
    /// What makes and sends a message, and reads what came back.
    static let sending = joined(sendingParts)
    /// The same, with what only a rehearsal does.
    static let proving = joined(sendingParts + provingParts)

    private static var sendingParts: [UnsafePointer<CChar>] {
        [
            carried_celery_values_py(), carried_celery_places_py(), carried_celery_app_py(),
            carried_celery_workers_py(), carried_celery_answers_py(), carried_celery_once_py(),
            carried_celery_sending_py(), carried_celery_silence_py(), carried_celery_wire_py(),
        ]
    }
    private static var provingParts: [UnsafePointer<CChar>] {
        [
            carried_celery_messages_py(), carried_celery_copies_py(), carried_celery_round_trip_py(),
            carried_celery_proof_py(),
        ]
    }
    private static let first = "from __future__ import annotations\n\n"
    private static let tail = "if __name__ == \"__main__\":\n    main()\n"

    private static func joined(_ parts: [UnsafePointer<CChar>]) -> String {
        first + parts.map(alone).joined(separator: "\n\n") + "\n\n\n" + tail
    }

    /// A part without the lines by which parts import each other.
    private static func alone(_ part: UnsafePointer<CChar>) -> String {
        let text = String(cString: part).replacing(first, with: "").replacing(tail, with: "")
        var lines: [Substring] = []
        var isWithin = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if isWithin {
                isWithin = !line.hasPrefix(")")
            } else if line.hasPrefix("from .") {
                isWithin = line.hasSuffix("(")
            } else {
                lines.append(line)
            }
        }
        let start = lines.firstIndex { !$0.isEmpty } ?? lines.endIndex
        let end = lines.lastIndex { !$0.isEmpty } ?? start
        return start < end ? lines[start...end].joined(separator: "\n") : ""
    }
}

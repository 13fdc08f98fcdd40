/// The programs that send messages and prove them, each as one text for interpreters that have nothing of Bailey's.
///
/// `bailey_runtime.celery_text` joins the same parts in the same way.
enum CeleryText {
    /// What makes and sends a message, and reads what came back.
    static let sending = joined(sendingParts)
    /// The same, with what only a rehearsal does.
    static let proving = joined(sendingParts + provingParts)

    private static let sendingParts = [
        PackageResources.celery_values_py, PackageResources.celery_places_py, PackageResources.celery_app_py,
        PackageResources.celery_workers_py, PackageResources.celery_answers_py, PackageResources.celery_once_py,
        PackageResources.celery_sending_py, PackageResources.celery_silence_py, PackageResources.celery_wire_py,
    ]
    private static let provingParts = [
        PackageResources.celery_messages_py, PackageResources.celery_copies_py, PackageResources.celery_round_trip_py,
        PackageResources.celery_proof_py,
    ]
    private static let first = "from __future__ import annotations\n\n"
    private static let tail = "if __name__ == \"__main__\":\n    main()\n"

    private static func joined(_ parts: [[UInt8]]) -> String {
        first + parts.map(alone).joined(separator: "\n\n") + "\n\n\n" + tail
    }

    /// A part without the lines by which parts import each other.
    private static func alone(_ part: [UInt8]) -> String {
        let text = String(decoding: part, as: UTF8.self).replacing(first, with: "").replacing(tail, with: "")
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

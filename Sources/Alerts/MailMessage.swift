import Foundation
import Migration
import Schedules

/// An alert as a mail (RFC 5322), as it goes after DATA.
struct MailMessage {
    private let alert: Alert
    private let from: String
    private let to: [String]

    init(_ alert: Alert, from: String, to: [String]) {
        self.alert = alert
        self.from = from
        self.to = to
    }

    /// Header, body and the final dot, with every line's own leading dot doubled (RFC 5321 §4.5.2).
    var data: String {
        let lines = header + [""] + body
        return lines.map { ($0.hasPrefix(".") ? "." : "") + $0 + "\r\n" }.joined() + ".\r\n"
    }

    private var header: [String] {
        let domain = from.split(separator: "@").last.map(String.init) ?? "localhost"
        let identity = "\(alert.at.microseconds).\(StableDigest(alert.identity))"
        let subject = "Bailey: \(alert.pipeline.map { "\($0): " } ?? "")\(alert.event)"
        return [
            "Date: \(MailMessage.date(alert.at))", "From: Bailey <\(from)>", "To: \(to.joined(separator: ",\r\n "))",
            "Subject: \(MailMessage.encoded(subject))", "Message-ID: <\(identity)@\(domain)>",
            "Auto-Submitted: auto-generated", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: \(isPlain ? "7bit" : "base64")",
        ]
    }

    private var text: String {
        alert.line + "\n\nevent: \(alert.event), level: \(alert.level.rawValue), at: \(alert.at.iso8601)"
    }

    private var lines: [String] {
        text.replacing("\r\n", with: "\n").split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r" }
            .map(String.init)
    }

    /// Whether every line may travel as it is: ASCII without control characters, at most 998 bytes.
    private var isPlain: Bool {
        lines.allSatisfy { $0.utf8.count <= 998 && $0.utf8.allSatisfy { (0x20...0x7E).contains($0) || $0 == 9 } }
    }

    private var body: [String] {
        if isPlain { return lines }
        let coded = Data(lines.joined(separator: "\r\n").utf8).base64EncodedString()
        return stride(from: 0, to: coded.count, by: 76).map { String(coded.dropFirst($0).prefix(76)) }
    }

    /// A header's text; as encoded words (RFC 2047) where it is not plain.
    static func encoded(_ text: String) -> String {
        let line = String(text.map { $0.isNewline ? " " : $0 })
        if line.utf8.count <= 900, line.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { return line }
        var words: [String] = []
        var part = ""
        for character in line {
            // An encoded word has at most 75 characters and holds whole characters.
            if (part + String(character)).utf8.count > 42 {
                words.append(part)
                part = ""
            }
            part.append(character)
        }
        words.append(part)
        return words.map { "=?utf-8?B?\(Data($0.utf8).base64EncodedString())?=" }.joined(separator: "\r\n ")
    }

    /// `Wed, 25 Nov 2026 21:40:00 +0000`.
    static func date(_ instant: Instant) -> String {
        let local = Zone.utc.local(at: instant)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let date = local.date
        return "\(days[date.weekday]), \(date.day) \(months[date.month - 1]) \(date.year) \(local.clock) +0000"
    }
}

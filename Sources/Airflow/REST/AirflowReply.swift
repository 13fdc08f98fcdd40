import LosslessJSON
import Schedules

/// Reads the members of an object that Airflow's API gave.
struct AirflowReply {
    let json: JSON

    func text(_ keys: String...) -> String? { keys.lazy.compactMap { json[$0]?.string }.first }

    func flag(_ key: String) -> Bool { json[key]?.bool ?? false }

    /// A whole number; the API writes some as `1.0`.
    func int(_ key: String) -> Int? { json[key]?.int }

    func instant(_ keys: String...) -> Instant? {
        keys.lazy.compactMap { json[$0]?.string }.first.flatMap { Instant(iso8601: $0) }
    }

    func texts(_ key: String) -> [String] { (json[key]?.array ?? []).compactMap(\.string) }

    /// Seconds of a length of time as the API writes it.
    func seconds(_ key: String) -> Double? {
        guard let value = json[key], !value.isNull else { return nil }
        if let number = value.double { return number }
        guard let days = value["days"]?.double, let seconds = value["seconds"]?.double else { return nil }
        return days * 86_400 + seconds + (value["microseconds"]?.double ?? 0) / 1_000_000
    }
}

extension Instant {
    /// The instant of an HTTP `Date` header: `Wed, 25 Nov 2026 21:47:25 GMT` (RFC 9110, 5.6.7); nil for any other form.
    init?(httpDate text: String) {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let words = text.split(separator: " ").map(String.init)
        guard words.count == 6, words[5] == "GMT", let month = months.firstIndex(of: words[2]) else { return nil }
        let number = month + 1 < 10 ? "0\(month + 1)" : "\(month + 1)"
        self.init(iso8601: "\(words[3])-\(number)-\(words[1])T\(words[4])Z")
    }
}

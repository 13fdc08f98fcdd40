/// A URL split as Python's `urlsplit` splits it, which redis-py and kombu use: what no URL should hold (a `%` alone, a blank) is taken as
/// it stands.
struct URLParts {
    var scheme: String
    var user: String?
    var password: String?
    /// As it was written, without the brackets of an IPv6 address.
    var host: String
    /// The text after the host's colon; nil without a colon.
    var port: String?
    /// With its leading `/`; empty if there is none.
    var path: String
    var query: [String: String] = [:]

    /// Nil for a text without `://`.
    init?(_ text: String) {
        guard let mark = text.firstRange(of: "://"), mark.lowerBound > text.startIndex else { return nil }
        scheme = text[..<mark.lowerBound].lowercased()
        let rest = text[mark.upperBound...].prefix { $0 != "#" }
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        var place = rest[..<end]
        let tail = rest[end...]
        let question = tail.firstIndex(of: "?") ?? tail.endIndex
        path = URLParts.decoded(tail[..<question])
        for pair in tail[question...].dropFirst().split(separator: "&") {
            let sign = pair.firstIndex(of: "=") ?? pair.endIndex
            let value = pair[sign...].dropFirst().replacing("+", with: " ")
            if !value.isEmpty { query[URLParts.decoded(pair[..<sign])] = URLParts.decoded(value[...]) }
        }
        if let at = place.lastIndex(of: "@") {
            let login = place[..<at]
            let colon = login.firstIndex(of: ":") ?? login.endIndex
            user = URLParts.decoded(login[..<colon])
            password = colon < login.endIndex ? URLParts.decoded(login[login.index(after: colon)...]) : nil
            place = place[place.index(after: at)...]
        }
        if place.first == "[", let close = place.firstIndex(of: "]") {
            host = String(place[place.index(after: place.startIndex)..<close])
            place = place[place.index(after: close)...]
        } else {
            host = URLParts.decoded(place.prefix { $0 != ":" })
            place = place.drop { $0 != ":" }
        }
        if place.first == ":" { port = String(place.dropFirst()) }
    }

    /// A text with `%41` as `A`; a `%` that begins no such code stays.
    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        let source = Array(text.utf8)
        var index = 0
        while index < source.count {
            if source[index] == UInt8(ascii: "%"), index + 2 < source.count,
                let byte = UInt8(String(decoding: source[index + 1...index + 2], as: UTF8.self), radix: 16),
                source[index + 1] != UInt8(ascii: "+"), source[index + 1] != UInt8(ascii: "-")
            {
                bytes.append(byte)
                index += 3
            } else {
                bytes.append(source[index])
                index += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

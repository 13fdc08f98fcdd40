import LosslessJSON
import Transport

/// A question to Airflow's API.
struct AirflowRequest: Sendable, Hashable {
    enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    /// What is being done, for messages: `reading the DAG “x”`.
    var operation: String
    var method = Method.get
    /// The path behind the address, encoded.
    var path: String
    var query: [(name: String, value: String)] = []
    var body: JSON?
    /// Whether asking twice does no more than asking once.
    var repeatable = true
    /// Texts that no message may show.
    var secrets: [String] = []

    /// A path of segments, each encoded.
    static func path(_ segments: String...) -> String { segments.map { "/" + encoded($0) }.joined() }

    /// The path with its query.
    var target: String {
        let pairs = query.map { AirflowRequest.encoded($0.name) + "=" + AirflowRequest.encoded($0.value) }
        return path + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&"))
    }

    /// A text in which all but RFC 3986's unreserved characters are percent-encoded; `~`, Airflow's wildcard, is one of them.
    private static func encoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            let character = Character(Unicode.Scalar(byte))
            if character.isASCII, character.isLetter || character.isNumber || "-._~".contains(character) {
                result.append(character)
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                result += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return result
    }

    static func == (a: AirflowRequest, b: AirflowRequest) -> Bool {
        a.method == b.method && a.target == b.target && a.body == b.body
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(method)
        hasher.combine(target)
    }
}

/// What Airflow answered.
struct AirflowAnswer: Sendable, Hashable {
    var status: Int
    /// The `Date` header.
    var date: String?
    /// The `Retry-After` header.
    var retryAfter: String?
    var body: [UInt8]

    /// Why the answer is a refusal, in Airflow's words; values that it repeats from the question are left out.
    var detail: String {
        let text = String(decoding: body.prefix(400), as: UTF8.self)
        guard let json = try? JSON(parsing: body) else {
            let html = text.drop { $0.isWhitespace }.hasPrefix("<")
            return html ? "a web page, not the API's JSON" : text.isEmpty ? "nothing" : text
        }
        switch json["detail"] ?? json["error"] ?? json["message"] {
        case .string(let words)?: return words
        case .array(let items)?:
            return items.map { item in
                let place = (item["loc"]?.array ?? []).map { $0.string ?? $0.text() }.joined(separator: ".")
                return place + ": " + (item["msg"]?.string ?? "refused")
            }.joined(separator: "; ")
        case .object(let object)?: return object["reason"]?.string ?? object["message"]?.string ?? "refused"
        default: return json["title"]?.string ?? "status \(status)"
        }
    }
}

/// Why no answer came.
struct AirflowSilence: Error, Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        /// No connection came about: nothing was asked.
        case unreachable
        /// Neither side may have trusted the other's certificate.
        case certificate
        /// The connection ended before the answer.
        case broken
        case timeout
        /// More came than any answer should have.
        case tooLong
    }
    var kind: Kind
    var found: String
    /// What is wrong with TLS, where that is known.
    var fault: TLSFault.Kind?
}

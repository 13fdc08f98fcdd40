import CTexts
import Foundation
import LosslessJSON
import Migration

/// What the program of a body that moves data reads, as the runtime in Airflow writes it.
struct DataRequest {
    /// The program's text.
    let program: String
    /// What it reads.
    let text: String

    /// Why there is none: a connection that `bailey.yaml` does not name.
    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    /// The request of a body that runs SQL, or asks an HTTP server.
    ///
    /// - Parameter effects: where the effects of SQL go; a read-only transaction, unless they have a place.
    /// - Throws: `Missing`.
    init(_ body: TaskBody, connections: [String: String], seconds: Double, effects: EffectsComparison.Place = .init())
        throws(Missing)
    {
        var request: JSONObject = ["seconds": .number(JSONNumber(seconds))]
        switch body {
        case .sql(let call):
            program = String(cString: carried_sql_program_py())
            request["connection"] = try DataRequest.place(call.connection, connections)
            request["statements"] = .array(call.statements.map { .array($0.parts.map { .string($0) }) })
            request["params"] = DataRequest.texts(call.parameters)
            let isCopy = effects.connections[call.connection] != nil
            request["transaction"] = .bool(call.isTransaction || !isCopy)
            request["read_only"] = .bool(!isCopy && effects.rows == nil)
            if let rows = effects.rows {
                request["rows"] = .array(rows.map { ["query": .string($0.query), "file": .string($0.file)] })
            }
        case .http(let call):
            program = String(cString: carried_http_program_py())
            var base = ""
            if let name = call.connection {
                let place = try DataRequest.place(name, connections)
                base = place["base"]?.string ?? ""
                request["login"] = place["login"]
                request["password"] = place["password"]
            }
            request["method"] = .string(call.method)
            request["url"] = .string(base + call.url)
            request["headers"] = .object(JSONObject(call.headers.map { ($0.key, .string($0.value)) }))
            request["query"] = DataRequest.texts(call.query)
            // As text, so that no JSON library on the way rounds a number.
            request["json"] = call.body.isNull ? .null : .string(call.body.text())
            request["expect"] = .array(call.expected.map { .number(JSONNumber($0)) })
            request["retry_on"] = .array(call.repeated.map { .number(JSONNumber($0)) })
        case .celery, .python, .command, .copy, .wait, .queue, .own, .untranslatable:
            throw Missing(description: "a body of this kind has no request")
        }
        text = JSON.object(request).text()
    }

    /// A connection's parts.
    private static func place(_ name: String, _ connections: [String: String]) throws(Missing) -> JSON {
        guard let url = connections[name], var parts = URLComponents(string: url), let scheme = parts.scheme else {
            throw Missing(
                description:
                    "“connections” of bailey.yaml has no “\(name)” with a URL that can be read; the embedded engine needs it, as Airflow needs its own"
            )
        }
        let (user, password) = (parts.user, parts.password)
        let extra = (parts.queryItems ?? []).map { ($0.name, text($0.value)) }
        var place: JSONObject = [
            "name": .string("the connection “\(name)”"), "host": text(parts.host),
            "port": parts.port.map { .number(JSONNumber($0)) } ?? .null,
            "login": text(user), "password": text(password), "extra": .object(JSONObject(extra)),
        ]
        place["schema"] = .string(String(parts.path.drop { $0 == "/" }))
        if scheme.hasPrefix("http") {
            (parts.user, parts.password, parts.query, parts.fragment) = (nil, nil, nil, nil)
            let base = parts.string ?? ""
            place["base"] = .string(base.hasSuffix("/") ? String(base.dropLast()) : base)
        }
        return .object(place)
    }

    private static func text(_ value: String?) -> JSON { value.map { .string($0) } ?? .null }

    /// Values as texts: those that are none as JSON writes them.
    private static func texts(_ values: JSON) -> JSON {
        .object(
            JSONObject(
                (values.object?.members ?? []).map { member in
                    let value = member.value
                    return (member.key, value.isNull || value.string != nil ? value : .string(value.text()))
                }
            )
        )
    }
}

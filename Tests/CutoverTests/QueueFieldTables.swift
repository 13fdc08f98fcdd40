import Foundation
import Legacy
import TestSupport

/// A queue table as somebody might have made it: its DDL, rows and profile. Every status and every set of optional columns is combined; the types
/// of ids, times, payloads and errors, and the ways of holding, go round.
struct QueueFieldTable: CustomStringConvertible {
    let number: Int
    let status: Status
    let optional: Set<String>
    let id: String
    let time: (type: String, kind: String)
    let payload: String
    let error: String?
    let typeInJSON: Bool
    let way: String

    enum Status: String, CaseIterable {
        case text, varchar = "varchar(50)", char = "char(14)", `enum`, smallint, int, bool, none
    }

    static let optionals = ["attempts", "started", "finished", "queued"]
    static let ids = ["integer", "bigint", "uuid", "text", "char(8)", "numeric", "smallint", "date"]
    static let times = [
        ("timestamptz", "timestamp"), ("timestamp", "timestamp"), ("bigint", "epoch"), ("date", "date"),
        ("double precision", "epoch"), ("numeric", "epoch_ms"),
    ]
    static let payloads = ["jsonb", "json", "text", "bytea", "xml", "jsonb"]
    static let errors: [String?] = ["text", "jsonb", nil]

    static let all: [QueueFieldTable] = (0..<2).flatMap { round in
        Status.allCases.enumerated().flatMap { s, status in
            (0..<16).map { mask in
                let n = round * 128 + s * 16 + mask
                let typeInJSON = n % 5 == 1
                return QueueFieldTable(
                    number: n,
                    status: status,
                    optional: Set(optionals.enumerated().filter { mask & (1 << $0.offset) != 0 }.map(\.element)),
                    id: ids[(n + round) % ids.count],
                    time: times[(n / 2 + round) % times.count],
                    payload: typeInJSON ? "jsonb" : payloads[(n / 3 + round) % payloads.count],
                    error: errors[n % errors.count],
                    typeInJSON: typeInJSON,
                    way: ["status", "due", "queue"][(n + n / 16) % 3]
                )
            }
        }
    }

    var description: String {
        "table \(number): status \(status.rawValue), \(optional.sorted().joined(separator: " ")), id \(id), times \(time), payload \(payload), error \(error ?? "none"), by \(hold)"
    }

    /// A computed status cannot be renamed.
    var hold: String { way == "status" && [.bool, .none].contains(status) ? "due" : way }

    private var words: [String] {
        switch status {
        case .smallint, .int: ["0", "1", "2", "3"]
        default: ["queued", "running", "done", "failed"]
        }
    }

    private func moment(_ text: String) -> String {
        switch time.kind {
        case "epoch": "extract(epoch FROM timestamptz '\(text)')"
        case "epoch_ms": "extract(epoch FROM timestamptz '\(text)') * 1000"
        default: "'\(text)'"
        }
    }

    private func identity(_ n: Int) -> String {
        switch id {
        case "uuid": "'00000000-0000-0000-0000-00000000000\(n)'"
        case "date": "'2026-01-0\(n)'"
        default: "'\(n)'"
        }
    }

    /// Rows 1 to 3 have succeeded, 4 has failed, 5 to 8 wait.
    var ddl: String {
        var columns = ["number \(id) PRIMARY KEY", "due \(time.type)", "lane varchar(40)"]
        if !typeInJSON { columns.append("sort text") }
        columns.append("body \(payload)")
        if let error { columns.append("error \(error)") }
        for column in QueueFieldTable.optionals where optional.contains(column) {
            columns.append("\(column) \(column == "attempts" ? "numeric" : time.type)")
        }
        switch status {
        case .bool:
            columns += [
                "done boolean NOT NULL DEFAULT false", "bad boolean NOT NULL DEFAULT false", "locked_at timestamptz",
            ]
        case .none: columns += ["locked_at timestamptz", "failed_at timestamptz", "finished_at bigint"]
        case .enum: columns.append("status t\(number).status")
        default: columns.append("status \(status.rawValue)")
        }
        var sql = ["CREATE SCHEMA t\(number)"]
        if status == .enum {
            sql.append(
                "CREATE TYPE t\(number).status AS ENUM ('queued', 'running', 'done', 'failed', 'bailey_held', 'bailey_claimed')"
            )
        }
        sql.append("CREATE TABLE t\(number).jobs (\(columns.joined(separator: ", ")))")
        for n in 1...8 {
            let state = n <= 3 ? 2 : n == 4 ? 3 : 0
            var values = ["number": identity(n), "lane": n % 2 == 0 ? "''" : "'fast'"]
            if !typeInJSON { values["sort"] = "'t'" }
            if n == 6 { values["due"] = moment("2026-01-02 00:00:00+00") }
            values["body"] =
                switch payload {
                case "jsonb", "json": "'{\"function\": \"t\", \"n\": 1.10}'"
                case "xml": "'<order id=\"7\"/>'"
                case "bytea": "'\\xdeadbeef'"
                default: n % 2 == 0 ? "'{''a'': (1,)}'" : n == 3 ? "repeat('[', 600) || repeat(']', 600)" : "NULL"
                }
            if state > 0 {
                if optional.contains("attempts") { values["attempts"] = n == 1 ? "9223372036854775807" : "1" }
                if optional.contains("started") { values["started"] = moment("2026-01-01 10:00:00+00") }
                if optional.contains("finished") {
                    values["finished"] =
                        n == 2 && time.kind == "timestamp" ? "'infinity'" : moment("2026-01-01 10:00:03+00")
                }
                if error != nil { values["error"] = error == "jsonb" ? "'{\"m\": 1}'" : "'no'" }
            }
            if optional.contains("queued") {
                values["queued"] =
                    n == 3 && time.kind == "timestamp" ? "'294276-01-01'" : moment("2026-01-01 09:00:00+00")
            }
            switch status {
            case .bool:
                values["done"] = state == 2 ? "true" : "false"
                values["bad"] = state == 3 ? "true" : "false"
            case .none:
                if state == 2 { values["finished_at"] = "1767261603" }
                if state == 3 { values["failed_at"] = "'2026-01-01 10:00:03+00'" }
            default: values["status"] = "'\(words[state])'"
            }
            let names = values.keys.sorted()
            sql.append(
                "INSERT INTO t\(number).jobs (\(names.joined(separator: ", "))) VALUES (\(names.map { values[$0] ?? "" }.joined(separator: ", ")))"
            )
        }
        return sql.joined(separator: ";\n")
    }

    var profile: String {
        var lines = ["profile: field", "table: t\(number).jobs", "columns:", "  id: number", "  payload: body"]
        lines.append(typeInJSON ? "  type: {sql: \"body->>'function'\"}" : "  type: sort")
        if time.type == "timestamp" { lines.insert("naive_timestamps: true", at: 2) }
        lines += ["  due: {column: due, kind: \(time.kind)}", "  queue: lane"]
        if let error { lines.append("  error: {column: error, kind: \(error == "jsonb" ? "json" : "text")}") }
        for column in QueueFieldTable.optionals where optional.contains(column) {
            lines.append(
                column == "attempts" ? "  attempts: attempts" : "  \(column): {column: \(column), kind: \(time.kind)}"
            )
        }
        switch status {
        case .bool:
            lines.append(
                "  status: {sql: \"CASE WHEN done THEN 'done' WHEN bad THEN 'failed' WHEN locked_at IS NOT NULL THEN 'running' ELSE 'queued' END\"}"
            )
            lines += [
                "writes:", "  running: {locked_at: now}", "  success: {done: true}", "  failed: {bad: true}",
                "  queued: {locked_at: null}",
            ]
        case .none:
            lines.append(
                "  status: {sql: \"CASE WHEN finished_at IS NOT NULL THEN 'done' WHEN failed_at IS NOT NULL THEN 'failed' WHEN locked_at IS NOT NULL THEN 'running' ELSE 'queued' END\"}"
            )
            lines += [
                "writes:", "  running: {locked_at: now}", "  success: {finished_at: now epoch}",
                "  failed: {failed_at: now}", "  queued: {locked_at: null}",
            ]
        case .enum, .smallint, .int:
            lines.append("  status: {column: status, kind: \(status == .enum ? "enum" : "int")}")
        default: lines.append("  status: status")
        }
        lines += [
            "statuses: {queued: [\(words[0])], running: [\(words[1])], success: [\(words[2])], failed: [\(words[3])]}"
        ]
        let isNumber = status == .smallint || status == .int
        // By due time and by queue, half of the taken rows show as running.
        let taken =
            hold != "status" && (number / 3) % 2 == 0
            ? ", claimed: \(words[1]), locks: \(!optional.contains("started"))" : ""
        lines.append(
            "hold: {by: \(hold)\(taken)\(hold == "status" && isNumber ? ", held: 90, claimed: 91" : "")\(optional.contains("attempts") ? ", retries: {limit: 3}" : "")}"
        )
        return lines.joined(separator: "\n") + "\n"
    }
}

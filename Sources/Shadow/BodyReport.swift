import LosslessJSON
import Migration

/// What the interpreter that called a function said of how that ended: the last line it printed.
enum BodyReport {
    case result(JSON)
    case error(RunError)

    /// What an interpreter runs to call a function and report, as the runtime in Airflow does.
    static let caller = String(decoding: PackageResources.call_function_py, as: UTF8.self)

    /// Reads a line; nil if it is none of these reports.
    init?(_ line: some StringProtocol) {
        guard line.hasPrefix("{\"bailey_body\":1,"), let json = try? JSON(parsing: String(line)) else { return nil }
        if let error = json["error"] {
            self = .error(
                RunError(
                    type: error["type"]?.string ?? "unknown",
                    message: error["message"]?.string ?? "",
                    detail: error["detail"]?.string,
                    module: error["module"]?.string,
                    arguments: error["arguments"]
                )
            )
        } else if let result = json["result"] {
            self = .result(result)
        } else {
            return nil
        }
    }
}

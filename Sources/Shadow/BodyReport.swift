import CTexts
import Foundation
import LosslessJSON
import Migration

/// What the interpreter that called a function said of how that ended: the last line it printed.
enum BodyReport {
    case result(JSON)
    case error(RunError)
    /// An error that no repetition would mend.
    case refusal(RunError)

    /// What an interpreter runs to call a function and report, as the runtime in Airflow does.
    static let caller = String(cString: carried_call_function_py())

    /// The last steps of a warm interpreter's child: the body is called from as high up as in an interpreter of its own, for it may count its frames.
    private static let steps = """
            serve()
            status = None
            try:
                main()
            except SystemExit as end:
                status = end.code
            leave(status)

        """

    /// What a warm interpreter runs: the same, whose last step is taken by each child that it forks.
    static let warmCaller: String = {
        let lastStep = "if __name__ == \"__main__\":\n"
        let functions = caller.components(separatedBy: lastStep)[0]
        let warm = String(cString: carried_warm_interpreter_py())
        return functions + warm + "\n\n" + lastStep + steps
    }()

    /// Whether a line is a report, be it one that can be read or not.
    static func isReport(_ line: Substring) -> Bool { line.utf8.starts(with: "{\"bailey_body\":1,".utf8) }

    /// Reads a line; nil if it is none of these reports.
    init?(_ line: Substring) {
        guard BodyReport.isReport(line), let json = BodyReport.parsed(String(line)) else { return nil }
        if let error = json["error"] {
            let told = RunError(
                type: error["type"]?.string ?? "unknown",
                message: error["message"]?.string ?? "",
                detail: error["detail"]?.string,
                module: error["module"]?.string,
                arguments: error["arguments"],
                kept: error["kept"].flatMap(RunError.Kept.init(json:))
            )
            self = error["final"]?.bool == true ? .refusal(told) : .error(told)
        } else if let result = json["result"] {
            self = .result(result)
        } else {
            return nil
        }
    }

    /// What Python wrote, which may hold half a surrogate pair: spelled out, as in what legacy has stored.
    static func parsed(_ text: String) -> JSON? {
        if let json = try? JSON(parsing: text) { return json }
        return try? JSON(parsing: HalfSurrogates.spelled(Array(text.utf8)))
    }
}

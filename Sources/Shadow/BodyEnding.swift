import LosslessJSON
import Migration
import Processes
import Subprocess

/// How a body ended, from what its program left.
extension BodyRunner {
    /// What a program's status and what it printed say of how it ended.
    static func ending(
        _ name: String,
        reports: Bool,
        _ status: TerminationStatus,
        output: String?,
        errors: String?
    ) -> Ending {
        if case .exited(let code) = status,
            let complaint = BodyGuard.complaint(status: Int(code), errors: errors ?? "")
        {
            return .failure(RunError(type: "exit", message: complaint))
        }
        if reports {
            let last = (output ?? "").utf8.split(separator: UInt8(ascii: "\n")).last.map { Substring($0) }
            switch last.flatMap({ BodyReport($0) }) {
            case .result(let result)?: return .success(result)
            case .error(let error)?: return .failure(error)
            case .refusal(let error)?: return .refusal(error)
            case nil where last.map(BodyReport.isReport) == true:
                let message = "what the function returned or raised cannot be read: it nests too deep, or is no JSON"
                return .failure(RunError(type: "result", message: message))
            case nil:
                let lines = BodyRunner.lines(errors)
                let message = "\(name) ended with \(status) before the function did"
                return .failure(
                    RunError(type: "exit", message: message, detail: lines.suffix(40).joined(separator: "\n"))
                )
            }
        }
        guard status.isSuccess else {
            let lines = BodyRunner.lines(errors)
            // A Python traceback ends in “Type: message”.
            if let last = lines.last(where: { !$0.allSatisfy(\.isWhitespace) }),
                let colon = last.firstIndex(of: ":"), BodyRunner.isName(last[..<colon]),
                [nil, " "].contains(last[last.index(after: colon)...].first)
            {
                let type = last[..<colon].split(separator: ".").last.map(String.init) ?? ""
                let message = last[last.index(after: colon)...].drop { $0 == " " }
                return .failure(
                    RunError(type: type, message: String(message), detail: lines.suffix(40).joined(separator: "\n"))
                )
            }
            return .failure(
                RunError(
                    type: "exit",
                    message: "\(name) ended with \(status)",
                    detail: lines.suffix(40).joined(separator: "\n")
                )
            )
        }
        guard let last = BodyRunner.lines(output).last(where: { !$0.allSatisfy(\.isWhitespace) }) else {
            return .success(nil)
        }
        do {
            if let json = BodyReport.parsed(String(last)) { return .success(json) }
            return .success(try JSON(parsing: String(last)))
        } catch {
            return .failure(
                RunError(type: "result", message: "the last line that \(name) printed is not JSON: \(error)")
            )
        }
    }

    /// The lines of what a program printed, which may end them as other systems do: a progress bar with a return alone.
    private static func lines(_ text: String?) -> [Substring] {
        (text ?? "").utf8.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }.map { Substring($0) }
    }

    /// Whether a text may be the name of an exception, with its module.
    private static func isName(_ text: Substring) -> Bool {
        guard let first = text.first, first.isLetter || first == "." || first == "_" else { return false }
        return text.allSatisfy { $0.isLetter || $0.isNumber || $0 == "." || $0 == "_" }
    }
}

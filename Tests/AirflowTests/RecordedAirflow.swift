import Foundation
import LosslessJSON
import Schedules
import Synchronization

@testable import Airflow

/// Answers that real Airflows gave, kept as curl printed them.
func recorded(_ name: String, file: String = #filePath) throws -> AirflowAnswer {
    let folder = URL(fileURLWithPath: file).deletingLastPathComponent().appendingPathComponent("Recorded")
    let text = try String(contentsOf: folder.appendingPathComponent(name + ".http"), encoding: .utf8)
    let parts = text.split(separator: "\n\n", maxSplits: 1, omittingEmptySubsequences: false)
    let head = parts[0].split(separator: "\n").map(String.init)
    let status = head[0].split(separator: " ")[1]
    func header(_ name: String) -> String? {
        head.first { $0.lowercased().hasPrefix(name + ": ") }.map { String($0.dropFirst(name.count + 2)) }
    }
    return AirflowAnswer(
        status: Int(status) ?? 0,
        date: header("date"),
        retryAfter: header("retry-after"),
        body: Array((parts.count > 1 ? parts[1] : "").utf8)
    )
}

/// Plays recorded answers in turn, and keeps what was asked and how long was waited.
final class Player: Sendable {
    struct Asked: Sendable {
        var request: AirflowRequest
        var authorization: String?
    }
    private let state: Mutex<(script: [Result<AirflowAnswer, AirflowSilence>], asked: [Asked], waits: [Double])>

    init(_ script: [Result<AirflowAnswer, AirflowSilence>]) { state = Mutex((script, [], [])) }

    convenience init(_ names: String...) throws {
        self.init(try names.map { .success(try recorded($0)) })
    }

    var asked: [Asked] { state.withLock { $0.asked } }
    var waits: [Double] { state.withLock { $0.waits } }

    @Sendable func send(_ request: AirflowRequest, _ authorization: String?) async throws -> AirflowAnswer {
        let next = state.withLock { state -> Result<AirflowAnswer, AirflowSilence>? in
            state.asked.append(Asked(request: request, authorization: authorization))
            return state.script.isEmpty ? nil : state.script.removeFirst()
        }
        guard let next else { throw AirflowSilence(kind: .broken, found: "nothing more is recorded") }
        return try next.get()
    }

    @Sendable func sleep(_ seconds: Double) async throws { state.withLock { $0.waits.append(seconds) } }

    func session(user: String? = "bridge", password: String? = "s3cret-word") throws -> AirflowSession {
        AirflowSession(
            access: try AirflowAccess(url: "http://airflow.example:8080/", user: user, password: password),
            send: send,
            sleep: sleep
        )
    }

    /// A client whose first recorded answers are those about the version.
    func client(now: Instant = Instant(seconds: 1_795_643_245)) async throws -> AirflowClient {
        try await AirflowClient(session: try session(), now: { now }, sleep: sleep)
    }
}

func answer(_ status: Int, _ body: String = "", retryAfter: String? = nil) -> AirflowAnswer {
    AirflowAnswer(status: status, date: nil, retryAfter: retryAfter, body: Array(body.utf8))
}

import CLibpq
import Dispatch
import Foundation
import Synchronization

/// How a connection is opened: libpq waits for names and servers, so it does that on a thread of its own, which nobody waits for once the
/// time is over or the task is cancelled.
extension PostgresConnection {
    struct Opened: @unchecked Sendable {  // safe: handed from the opening thread to the actor, never shared
        var pointer: OpaquePointer
    }

    /// Seconds that one address may take to let a session in.
    private static let patience = 10
    /// Seconds that finding and trying all of a URL's hosts may take.
    private static let patienceInAll = 30.0

    /// Opens a session.
    ///
    /// - Throws: `PostgresError` with the code `unreachable`, `authentication`, `timeout` or `cancelled`.
    static func open(_ url: PostgresURL, timezone: String?, readOnly: Bool, statementTimeout: Double)
        async throws(PostgresError) -> Opened
    {
        func failure(_ code: PostgresError.Code, _ found: String, _ advice: String) -> PostgresError {
            PostgresError(code, address: url.address, operation: "connecting", found: found, advice: advice)
        }
        let late = failure(
            .timeout,
            "no session within \(Int(patienceInAll)) s",
            "See whether PostgreSQL runs there, and a proxy or the network in between has stalled"
        )
        let cancelled = failure(.cancelled, "it was told to end", "Run the command again")
        let handover = Handover()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                handover.wait(continuation)
                DispatchQueue.global().async {
                    let result = session(url, timezone: timezone, readOnly: readOnly, timeout: statementTimeout)
                    if !handover.give(result), case .success(let opened) = result { PQfinish(opened.pointer) }
                }
                DispatchQueue.global().asyncAfter(deadline: .now() + patienceInAll) {
                    _ = handover.give(.failure(late))
                }
            }
        } onCancel: {
            _ = handover.give(.failure(cancelled))
        }
        return try result.get()
    }

    /// The first of what is given to one who waits.
    private final class Handover: Sendable {
        private enum State {
            case empty
            case awaited(CheckedContinuation<Result<Opened, PostgresError>, Never>)
            case early(Result<Opened, PostgresError>)
            case done
        }
        private let state = Mutex(State.empty)

        func wait(_ continuation: CheckedContinuation<Result<Opened, PostgresError>, Never>) {
            let early: Result<Opened, PostgresError>? = state.withLock { state in
                if case .early(let result) = state {
                    state = .done
                    return result
                }
                state = .awaited(continuation)
                return nil
            }
            if let early { continuation.resume(returning: early) }
        }

        /// Whether it was the first.
        func give(_ result: Result<Opened, PostgresError>) -> Bool {
            let (isFirst, continuation) = state.withLock {
                state -> (Bool, CheckedContinuation<Result<Opened, PostgresError>, Never>?) in
                switch state {
                case .empty:
                    state = .early(result)
                    return (true, nil)
                case .awaited(let continuation):
                    state = .done
                    return (true, continuation)
                case .early, .done: return (false, nil)
                }
            }
            continuation?.resume(returning: result)
            return isFirst
        }
    }

    private static func session(_ url: PostgresURL, timezone: String?, readOnly: Bool, timeout: Double)
        -> Result<Opened, PostgresError>
    {
        // Settings given apart from the URL win over nothing in it: libpq takes the last of equal keys.
        let options =
            (url.options.map { $0 + " " } ?? "") + (timezone.map { "-c timezone=\($0) " } ?? "")
            + "-c datestyle=ISO" + (readOnly ? " -c default_transaction_read_only=on" : "")
            + " -c statement_timeout=\(Int(timeout * 1000)) -c client_encoding=UTF8"
        let keys: [String?] = ["dbname", "options", "application_name", "connect_timeout", nil]
        let values: [String?] = [url.text, options, "bailey", "\(patience)", nil]
        let pointer = withCStrings(keys) { keyPointers in
            withCStrings(values) { valuePointers in PQconnectdbParams(keyPointers, valuePointers, 1) }
        }
        guard let pointer else {
            return .failure(
                PostgresError(
                    .unreachable,
                    address: url.address,
                    operation: "connecting",
                    found: "out of memory",
                    advice: "Run the command again"
                )
            )
        }
        PQsetNoticeProcessor(pointer, { _, _ in }, nil)
        guard PQstatus(pointer) == CONNECTION_OK, PQsetnonblocking(pointer, 1) == 0 else {
            let message = message(pointer)
            let needsPassword = PQconnectionNeedsPassword(pointer) == 1
            PQfinish(pointer)
            return .failure(.notLetIn(url, message: message, needsPassword: needsPassword))
        }
        return .success(Opened(pointer: pointer))
    }

    static func message(_ connection: OpaquePointer) -> String {
        let text = PQerrorMessage(connection).map { String(cString: $0) } ?? ""
        return text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: "; ")
    }
}

extension PostgresError {
    /// Why a session did not come about, by libpq's words: it gives no SQLSTATE for that.
    static func notLetIn(_ url: PostgresURL, message: String, needsPassword: Bool) -> PostgresError {
        let isLogin =
            needsPassword || message.contains("authentication failed") || message.contains("does not exist")
        if message.contains("unsupported startup parameter") {
            return PostgresError(
                .unreachable,
                address: url.address,
                operation: "connecting",
                found: message,
                advice:
                    "A pooler (PgBouncer) answers there, which keeps no session of one's own: give the address of the database itself (Prisma's directUrl)"
            )
        }
        let isCertificate =
            message.contains("certificate") || message.contains("SSL") || message.contains("no encryption")
        let advice: String
        if isLogin {
            advice = "Check the user, password and database in the URL's environment variable"
        } else if isCertificate {
            advice =
                "Add sslmode=verify-full and sslrootcert=FILE (the PEM certificate of the server's authority) to the URL; with a client"
                + " certificate also sslcert and sslkey. sslmode=require encrypts without checking who answers"
        } else {
            advice = "See whether PostgreSQL runs there and the address in bailey.yaml is right"
        }
        return PostgresError(
            isLogin ? .authentication : .unreachable,
            address: url.address,
            operation: "connecting",
            found: message,
            advice: advice
        )
    }
}

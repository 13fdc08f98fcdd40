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
            + "-c datestyle=ISO -c bytea_output=hex -c intervalstyle=postgres -c extra_float_digits=1"
            + (readOnly ? " -c default_transaction_read_only=on" : "")
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
        // Such a database holds bytes of any encoding and checks them against what is asked for; one that is no UTF-8 would end each statement
        // that meets it. They come as they are then, and are read as U+FFFD.
        if PQparameterStatus(pointer, "server_encoding").map({ String(cString: $0) }) == "SQL_ASCII" {
            PQsetClientEncoding(pointer, "SQL_ASCII")
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
        // The same words tell of a file of certificates that is not there.
        let isUnknown = message.contains("does not exist") && !message.contains("certificate file")
        let isLogin = needsPassword || message.contains("authentication failed") || isUnknown
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
        if message.contains("permission denied for database") {
            let advice = PostgresError.grant(message)
            return PostgresError(.rights, address: url.address, operation: "connecting", found: message, advice: advice)
        }
        let advice =
            isLogin
            ? "Check the user, password and database in the URL's environment variable"
            : PostgresError.adviceOfTLS(message)
                ?? "See whether PostgreSQL runs there and the address in bailey.yaml is right"
        return PostgresError(
            isLogin ? .authentication : .unreachable,
            address: url.address,
            operation: "connecting",
            found: message,
            advice: advice
        )
    }

    /// Which parameter of the URL decides what libpq says of TLS; nil where it says nothing of it.
    private static func adviceOfTLS(_ message: String) -> String? {
        let words: [(found: String, advice: String)] = [
            (
                "invalid response to SSL negotiation",
                "What answers there is no PostgreSQL: see host and port, and what stands before it"
            ),
            (
                "does not support SSL",
                "The server speaks no TLS there: take sslmode (and sslrootcert) out of the URL, or switch ssl on at the server"
            ),
            (
                "does not match host name",
                "Write into the URL the host that the certificate names; sslmode=verify-ca (with sslrootcert) checks the authority and not the name"
            ),
            (
                "certificate verify failed",
                "Name with sslrootcert=FILE the PEM certificate of the authority that has signed the server's; one that is over must be renewed at the server"
                    + " (ssl_cert_file). sslmode=require without sslrootcert encrypts without checking who answers"
            ),
        ]
        if let known = words.first(where: { message.contains($0.found) }) { return known.advice }
        guard message.contains("certificate") || message.contains("SSL") || message.contains("no encryption") else {
            return nil
        }
        return
            "Add sslmode=verify-full and sslrootcert=FILE (the PEM certificate of the server's authority) to the URL; with a client"
            + " certificate also sslcert and sslkey. sslmode=require encrypts without checking who answers"
    }
}

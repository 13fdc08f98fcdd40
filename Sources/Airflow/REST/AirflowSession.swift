import Foundation
import LosslessJSON
import Schedules
import Transport

/// Asks one Airflow: logs in, logs in again when the token has expired, tries again what may be tried again.
actor AirflowSession {
    /// Sends one question with a header of authorization, and gives the answer or throws `AirflowSilence`.
    typealias Send = @Sendable (AirflowRequest, _ authorization: String?) async throws -> AirflowAnswer

    nonisolated let access: AirflowAccess
    private let retry: AirflowRetry
    private let send: Send
    private let sleep: @Sendable (Double) async throws -> Void
    private var token: String?
    private var loggingIn: Task<String, any Error>?

    init(
        access: AirflowAccess,
        retry: AirflowRetry = AirflowRetry(),
        send: @escaping Send,
        sleep: @escaping @Sendable (Double) async throws -> Void
    ) {
        self.access = access
        self.retry = retry
        self.send = send
        self.sleep = sleep
    }

    /// Asks without logging in.
    ///
    /// - Throws: `AirflowError` if no answer comes; an answer may be any.
    func answerWithoutLogin(_ request: AirflowRequest) async throws -> AirflowAnswer {
        try await persist(request, authorization: nil)
    }

    /// Asks, and gives the answer to a question that was understood and done.
    ///
    /// - Parameter basic: whether user and password go with each question, as in 2.x, or a token, as in 3.x.
    /// - Throws: `AirflowError`, `CancellationError`.
    func ask(_ request: AirflowRequest, basic: Bool) async throws -> AirflowAnswer {
        guard let user = access.user, let password = access.password else {
            return try checked(try await persist(request, authorization: nil), request)
        }
        if basic {
            let pair = Data("\(user):\(password)".utf8).base64EncodedString()
            return try checked(try await persist(request, authorization: "Basic " + pair), request, basic: true)
        }
        let used = try await login(user, password)
        let answer = try await persist(request, authorization: "Bearer " + used)
        guard AirflowSession.isStale(answer) else { return try checked(answer, request) }
        if token == used { token = nil }
        let fresh = try await login(user, password)
        return try checked(try await persist(request, authorization: "Bearer " + fresh), request)
    }

    /// Whether an answer says that the token is not, or no longer, one of Airflow's.
    private static func isStale(_ answer: AirflowAnswer) -> Bool {
        if answer.status == 401 { return true }
        return answer.status == 403 && ["Invalid JWT token", "Token Expired"].contains(answer.detail)
    }

    /// The token; several questions at once log in once.
    private func login(_ user: String, _ password: String) async throws -> String {
        if let token { return token }
        if let loggingIn { return try await loggingIn.value }
        let task = Task { try await newToken(user, password) }
        loggingIn = task
        defer { loggingIn = nil }
        let fresh = try await task.value
        token = fresh
        return fresh
    }

    private func newToken(_ user: String, _ password: String) async throws -> String {
        let request = AirflowRequest(
            operation: "logging in as “\(user)”",
            method: .post,
            path: "/auth/token",
            body: ["username": .string(user), "password": .string(password)],
            secrets: [password]
        )
        let answer = try await persist(request, authorization: nil)
        if answer.status == 401 || answer.status == 403 {
            throw error(
                .authentication,
                request,
                "the user or the password is wrong (\(answer.status) \(shown(answer, request)))",
                "Look at target.airflow.user and password in bailey.yaml, and at the variables they come from"
            )
        }
        let json = try? JSON(parsing: try checked(answer, request).body)
        guard let token = json?["access_token"]?.string else {
            throw error(
                .unexpected,
                request,
                "the answer holds no access_token",
                "Bailey logs in with POST /auth/token; use an auth manager that has it"
            )
        }
        return token
    }

    /// Asks until an answer is final or there is no more to try.
    private func persist(_ request: AirflowRequest, authorization: String?) async throws -> AirflowAnswer {
        var attempt = 1
        while true {
            try Task.checkCancellation()
            let ending: AirflowRetry.Ending
            do {
                ending = .answer(try await send(request, authorization))
            } catch let silence as AirflowSilence {
                ending = .silence(silence)
            }
            guard let wait = retry.wait(after: ending, attempt: attempt, repeatable: request.repeatable) else {
                switch ending {
                case .answer(let answer): return answer
                case .silence(let silence): throw failure(silence, request, attempts: attempt)
                }
            }
            try await sleep(wait)
            attempt += 1
        }
    }

    // MARK: Errors

    /// The answer if it is a success.
    private func checked(_ answer: AirflowAnswer, _ request: AirflowRequest, basic: Bool = false) throws(AirflowError)
        -> AirflowAnswer
    {
        let found = "\(answer.status) \(shown(answer, request))"
        switch answer.status {
        case 200..<300: return answer
        case 401:
            throw error(
                .authentication,
                request,
                found,
                access.user == nil
                    ? "It wants a login: write target.airflow.user and password in bailey.yaml"
                    : "Look at target.airflow.user and password in bailey.yaml"
            )
        case 403:
            let who = access.user.map { "“\($0)”" } ?? "a user that is not logged in"
            let right = "\(who) lacks the right; the role Op is enough for all that Bailey does"
            throw error(
                .forbidden,
                request,
                found,
                (basic ? "The password is wrong (2.11 does not say), or " : "") + right
            )
        case 300..<400:
            throw error(.unexpected, request, found, "It leads elsewhere: write that address as target.airflow.url")
        case 404: throw error(.notFound, request, found, "See whether the name and the URL are right")
        case 409: throw error(.conflict, request, found, "It exists already or was asked for already")
        case 429, 500...: throw error(.server, request, found, "See the log of Airflow's API server, and try again")
        default: throw error(.refused, request, found, "Airflow did not accept the question as it was put")
        }
    }

    private func failure(_ silence: AirflowSilence, _ request: AirflowRequest, attempts: Int) -> AirflowError {
        let times = attempts > 1 ? " (\(attempts) attempts)" : ""
        let code: AirflowError.Code
        let advice: String
        switch silence.kind {
        case .unreachable:
            code = .unreachable
            advice = "See whether Airflow's API server runs, and target.airflow.url in bailey.yaml"
        case .certificate:
            code = .certificate
            advice =
                switch silence.fault {
                case .certificate:
                    "Name the PEM file of the authority's certificate with target.airflow.ca; a certificate that is over must be renewed where Airflow runs"
                case .name: "Write into target.airflow.url the name that the certificate is for"
                case .ownCertificate:
                    "Name the certificate that Airflow lets in with target.airflow.certificate and key"
                case .notTLS: "Write http:// into target.airflow.url, or the port at which Airflow speaks TLS"
                case .file: "target.airflow.ca, certificate and key must each name a PEM file"
                case .other, nil:
                    "See whether target.airflow.url is right; target.airflow.ca names the certificate to trust, target.airflow.certificate and key one of yours"
                }
        case .broken:
            code = .unreachable
            advice = "See whether Airflow's API server restarted or a proxy ended the connection"
        case .tooLong:
            code = .unexpected
            advice = "See what answers there: no answer of Airflow's API is that long"
        case .timeout:
            code = .timeout
            advice = "See whether Airflow's API server is overloaded"
        }
        return error(code, request, silence.found + times, advice)
    }

    nonisolated func error(_ code: AirflowError.Code, _ request: AirflowRequest, _ found: String, _ advice: String)
        -> AirflowError
    {
        AirflowError(code, address: access.address, operation: request.operation, found: found, advice: advice)
    }

    /// An answer's detail without what is secret in the question.
    private func shown(_ answer: AirflowAnswer, _ request: AirflowRequest) -> String {
        var text = String(answer.detail.prefix(400)).replacing("\n", with: " ")
        for secret in request.secrets + [access.password, token].compactMap({ $0 }) where !secret.isEmpty {
            text = text.replacing(secret, with: "***")
        }
        return text
    }
}

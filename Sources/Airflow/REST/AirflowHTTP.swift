import AsyncHTTPClient
import Foundation
import LosslessJSON
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Transport

/// Sends questions over HTTP.
struct AirflowHTTP: Sendable {
    private let client: HTTPClient
    private let address: String
    private static let longestAnswer = 64 * 1024 * 1024
    private let patience: Int64

    /// - Parameter patience: seconds that a whole answer may take.
    init(_ access: AirflowAccess, patience: Int64 = 30) throws(AirflowError) {
        self.patience = patience
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: try access.tls(),
            redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(5))
        )
        configuration.httpVersion = .http1Only
        // A refused connection is tried again by AirflowRetry, which says so, and not inside the pool until the time is over.
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        address = access.address
    }

    func close() async { try? await client.shutdown() }

    /// Sends one question.
    ///
    /// - Throws: `AirflowSilence`, `CancellationError`.
    func send(_ question: AirflowRequest, authorization: String?) async throws -> AirflowAnswer {
        var request = HTTPClientRequest(url: address + question.target)
        request.method = HTTPMethod(rawValue: question.method.rawValue)
        request.headers.add(name: "Accept", value: "application/json")
        request.headers.add(name: "User-Agent", value: "bailey")
        if let authorization { request.headers.add(name: "Authorization", value: authorization) }
        if let body = question.body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(string: body.text()))
        }
        do {
            return try await limited { [client, request, patience] in
                let response = try await client.execute(request, timeout: .seconds(patience))
                let body = try await response.body.collect(upTo: AirflowHTTP.longestAnswer)
                // One who is cancelled has only a part of it.
                try Task.checkCancellation()
                return AirflowAnswer(
                    status: Int(response.status.code),
                    date: response.headers.first(name: "Date"),
                    retryAfter: response.headers.first(name: "Retry-After"),
                    body: Array(body.readableBytesView)
                )
            }
        } catch {
            try Task.checkCancellation()
            throw silence(error)
        }
    }

    /// The answer, if it is whole in time: the client's own limit ends with the answer's head.
    private func limited(_ work: @escaping @Sendable () async throws -> AirflowAnswer) async throws
        -> AirflowAnswer
    {
        let patience = patience
        return try await withThrowingTaskGroup(of: AirflowAnswer.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await Task.sleep(for: .seconds(patience))
                throw HTTPClientError.deadlineExceeded
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw CancellationError() }
            return first
        }
    }

    private func silence(_ error: any Error) -> AirflowSilence {
        switch error {
        case is NIOTooManyBytesError:
            AirflowSilence(kind: .tooLong, found: "one answer has more than \(AirflowHTTP.longestAnswer >> 20) MB")
        case let error as HTTPClientError:
            switch error {
            case .connectTimeout: AirflowSilence(kind: .unreachable, found: "no connection within 5 s")
            case .tlsHandshakeTimeout:
                AirflowSilence(kind: .certificate, found: "the TLS handshake did not end", fault: .notTLS)
            case .deadlineExceeded, .readTimeout:
                AirflowSilence(kind: .timeout, found: "no whole answer within \(patience) s")
            default: AirflowSilence(kind: .broken, found: error.shortDescription)
            }
        case let error as NIOConnectionError:
            AirflowSilence(kind: .unreachable, found: AirflowHTTP.reason(error))
        case let error as IOError:
            AirflowSilence(
                kind: [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH].contains(error.errnoCode) ? .unreachable : .broken,
                found: AirflowHTTP.words(error)
            )
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError:
            AirflowSilence(
                kind: .certificate,
                found: TLSFault(error)?.found ?? "the TLS handshake failed",
                fault: TLSFault(error)?.kind
            )
        default:
            AirflowSilence(kind: .broken, found: "\(error)")
        }
    }

    private static func reason(_ error: NIOConnectionError) -> String {
        if let inner = error.connectionErrors.first?.error as? IOError { return words(inner) }
        if let inner = error.dnsAError ?? error.dnsAAAAError { return "\(error.host) is unknown: \(inner)" }
        return "no connection"
    }

    /// The system's own words: `connection refused`.
    private static func words(_ error: IOError) -> String { String(cString: strerror(error.errnoCode)).lowercased() }
}

import Foundation
import Schedules
import TestSupport
import Testing

@testable import Airflow

@Suite("An Airflow that does not end", .timeLimit(.minutes(3))) struct LyingAirflowTests {
    private func client<Value: Sendable>(_ server: LyingServer, _ body: (AirflowClient) async throws -> Value)
        async throws -> Value
    {
        try await AirflowClient.with(
            AirflowAccess(url: "http://127.0.0.1:\(server.port)"),
            now: { .earliest },
            sleep: { _ in },
            body
        )
    }

    @Test func aListOfATrillionEntriesIsRefused() async throws {
        try await LyingServer.with(.endlessPages) { server in
            let error = await #expect(throws: AirflowError.self) {
                _ = try await client(server) { try await $0.dags() }
            }
            #expect(error?.found.contains("more than 100000 entries of 1000000000000") == true, "\(error as Any)")
        }
    }

    @Test func aBodyThatDripsEndsInTime() async throws {
        try await LyingServer.with(.dripping) { server in
            let http = try AirflowHTTP(AirflowAccess(url: "http://127.0.0.1:\(server.port)"), patience: 2)
            let request = AirflowRequest(operation: "asking", path: "/x")
            let silence = await #expect(throws: AirflowSilence.self) {
                _ = try await http.send(request, authorization: nil)
            }
            #expect(silence?.kind == .timeout)
            let work = Task { try await http.send(request, authorization: nil) }
            try await Task.sleep(for: .milliseconds(300))
            work.cancel()
            await #expect(throws: CancellationError.self) { _ = try await work.value }
            await http.close()
        }
    }
}

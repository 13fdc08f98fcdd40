import Foundation
import Schedules
import TestSupport
import Testing

@testable import Airflow

/// The words for what goes wrong with TLS, from real handshakes with `openssl s_server`.
@Suite("TLS to Airflow: which setting trusts the certificate", .timeLimit(.minutes(3))) struct AirflowTLSTests {
    private func refusal(_ scheme: String, _ port: Int, ca: String?) async throws -> AirflowError? {
        await #expect(throws: AirflowError.self) {
            _ = try await AirflowClient.with(
                AirflowAccess(url: "\(scheme)://127.0.0.1:\(port)", authorities: ca),
                now: { .earliest },
                sleep: { _ in }
            ) { try await $0.dags() }
        }
    }

    @Test func eachFaultNamesTheSettingThatMendsIt() async throws {
        try await withFolder { folder in
            let authority = try Authority(in: folder)
            try authority.signAll()
            let ca = authority.file
            // What is served, what is trusted, and what is said of it.
            let table: [(served: [String], scheme: String, ca: String?, words: [String])] = [
                (["-cert", "good.pem", "-key", "good.key"], "https", nil, ["not trusted", "target.airflow.ca"]),
                (
                    ["-cert", "named.pem", "-key", "named.key"], "https", ca,
                    ["not for the name", "target.airflow.url"]
                ),
                (["-cert", "over.pem", "-key", "over.key"], "https", ca, ["is over", "renewed where Airflow runs"]),
                (
                    [
                        "-cert", "good.pem", "-key", "good.key", "-Verify", "1", "-verify_return_error", "-CAfile",
                        "ca.pem",
                    ], "https",
                    ca, ["certificate", "target.airflow.certificate"]
                ),
            ]
            for (served, scheme, ca, words) in table {
                let port = freePort()
                let server = try Running(
                    ["openssl", "s_server", "-accept", "127.0.0.1:\(port)", "-www", "-quiet"] + served,
                    in: folder
                )
                defer { server.signal(SIGKILL) }
                try await listens(port)
                let text = "\(try await refusal(scheme, port, ca: ca) as Any)"
                for word in words { #expect(text.contains(word), "\(served): \(text)") }
                #expect(!text.contains(".cc") && !text.contains("OPENSSL") && !text.contains("BoringSSL"), "\(text)")
            }
            // Something answers there, and in the clear.
            let port = freePort()
            let plain = try Running(["python3", "-m", "http.server", "-b", "127.0.0.1", "\(port)"], in: folder)
            defer { plain.signal(SIGKILL) }
            try await listens(port)
            let text = "\(try await refusal("https", port, ca: ca) as Any)"
            #expect(text.contains("does not speak TLS") && text.contains("Write http://"), "\(text)")
            for file in ["/nowhere.pem", folder.path + "/not.pem"] {
                let text = "\(try await refusal("https", 1, ca: file) as Any)"
                #expect(text.contains("PEM") && !text.contains("OPENSSL"), "\(text)")
            }
        }
    }

    private func listens(_ port: Int) async throws {
        for _ in 0..<200 {
            let ended = try await Running(["/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/\(port)"]).ended(within: 5)
            if ended.status == 0 { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("openssl s_server does not listen")
    }
}

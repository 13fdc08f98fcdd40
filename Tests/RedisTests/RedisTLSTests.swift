import Foundation
import TestSupport
import Testing

@testable import Redis

/// The words for what goes wrong with TLS, from a real Redis with certificates of all kinds.
@Suite("TLS to Redis: which part of the URL trusts the certificate", .timeLimit(.minutes(3))) struct RedisTLSTests {
    private func refusal(_ url: String) async throws -> String {
        let error = await #expect(throws: RedisError.self, "\(url)") {
            try await RedisConnection.use(RedisURL(url)) { _ = try await $0.send("PING") }
        }
        let text = "\(error as Any)"
        #expect(!text.contains(".cc") && !text.contains("OPENSSL") && !text.contains("BoringSSL"), "\(text)")
        return text
    }

    private func answers(_ url: String) async throws -> Bool {
        try await RedisConnection.use(RedisURL(url)) { try await $0.send("PING").text == "PONG" }
    }

    @Test func eachFaultNamesTheParameterThatMendsIt() async throws {
        try await withFolder { folder in
            let authority = try Authority(in: folder)
            try authority.signAll()
            let ca = "ssl_ca_certs=\(authority.file)"
            func served(_ name: String, _ more: [String] = [], _ body: (String) async throws -> Void) async throws {
                let port = freePort()
                let options = [
                    "--tls-port", "\(port)", "--tls-cert-file", authority.path("\(name).pem"), "--tls-key-file",
                    authority.path("\(name).key"), "--tls-ca-cert-file", authority.file,
                ]
                let asked = more.isEmpty ? ["--tls-auth-clients", "no"] : more
                try await withRedis(options: options + asked) { _ in try await body("rediss://127.0.0.1:\(port)") }
            }
            try await served("good") { url in
                #expect(try await answers("\(url)?\(ca)"))
                let unknown = try await refusal(url)
                #expect(unknown.contains("not trusted") && unknown.contains("?ssl_ca_certs=FILE"), "\(unknown)")
                let plain = try await refusal(url.replacing("rediss", with: "redis"))
                #expect(plain.contains("127.0.0.1"), "\(plain)")
                for file in ["/nowhere.pem", authority.path("not.pem")] {
                    let text = try await refusal("\(url)?ssl_ca_certs=\(file)")
                    #expect(text.contains("ssl_ca_certs in the source's URL must name a PEM file"), "\(text)")
                }
            }
            try await served("named") { url in
                let text = try await refusal("\(url)?\(ca)")
                #expect(text.contains("not for the name") && text.contains("ssl_check_hostname=false"), "\(text)")
                // As redis-py before 6 does of itself, and Celery with it.
                #expect(try await answers("\(url)?\(ca)&ssl_check_hostname=False"))
                let unknown = try await refusal("\(url)?ssl_check_hostname=false")
                #expect(unknown.contains("not trusted"), "\(unknown)")
                #expect(try await answers("\(url)?ssl_cert_reqs=none"))
            }
            try await served("over") { url in
                let text = try await refusal("\(url)?\(ca)")
                #expect(text.contains("is over") && text.contains("renewed at the server"), "\(text)")
            }
            try await served("good", ["--tls-auth-clients", "yes"]) { url in
                let text = try await refusal("\(url)?\(ca)")
                #expect(text.contains("which clients the server lets in"), "\(text)")
            }
            try await withRedis { server in
                let text = try await refusal("rediss://127.0.0.1:\(server.port)?\(ca)")
                #expect(text.contains("does not speak TLS") && text.contains("Write redis://"), "\(text)")
            }
        }
    }
}

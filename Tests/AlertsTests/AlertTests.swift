import Foundation
import LosslessJSON
import NIOCore
import Schedules
import TestSupport
import Testing

@testable import Alerts

@Suite("Alerts, against real receivers") struct AlertTests {
    private func alert(_ text: String = "It was given back.", pipeline: String? = "data_sync") -> Alert {
        Alert(
            event: "rolled-back",
            identity: "data_sync 1",
            level: .urgent,
            pipeline: pipeline,
            text: text,
            at: Instant(seconds: 1_795_437_000)
        )
    }

    private func send(_ alert: Alert, _ channels: AlertChannel..., secrets: [String] = [], seconds: Int64 = 10) async
        -> [AlertError]
    {
        await AlertSender(channels: channels, secrets: secrets, timeout: .seconds(seconds)).send(alert)
    }

    /// A receiver for the time of the body; it prints its port, then what it got.
    private func withReceiver(_ kind: String, _ words: String..., body: (Int, () throws -> [JSON]) async throws -> Void)
        async throws
    {
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "Receivers/\(kind)_receiver.py"
        )
        try await withFolder { folder in
            let got = folder.appendingPathComponent("got")
            let running = try Running(["python3", script.path, got.path] + words)
            defer {
                kill(running.pid, SIGKILL)
                _ = running.ended()
            }
            var port = 0
            try await waitUntil("the \(kind) receiver listens") {
                port = Int(running.errorsSoFar.split(separator: "\n").first ?? "") ?? 0
                return port > 0
            }
            try await body(port) {
                let text = (try? String(contentsOf: got, encoding: .utf8)) ?? ""
                return try text.split(separator: "\n").map { try JSON(parsing: String($0)) }
            }
        }
    }

    @Test func aWebhookGetsASlackShapedBody() async throws {
        try await withReceiver("http") { port, got in
            let channel = AlertChannel.webhook("http://127.0.0.1:\(port)/services/T0/B1/topsecret?x=1")
            #expect(await send(alert("“Rolled” back\nnow."), channel).isEmpty)
            let request = try #require(try got().first)
            #expect(request["path"]?.string == "/services/T0/B1/topsecret?x=1" && request["method"]?.string == "POST")
            #expect(request["type"]?.string?.hasPrefix("application/json") == true)
            let body = try JSON(parsing: request["body"]?.string ?? "")
            #expect(body == ["text": "Bailey: data_sync: “Rolled” back\nnow."])
        }
    }

    @Test func aFailingWebhookIsNamedWithoutItsSecret() async throws {
        try await withReceiver("http", "404") { port, _ in
            let failures = await send(alert(), .webhook("http://u:pw@127.0.0.1:\(port)/services/topsecret"))
            let text = try #require(failures.first).description
            #expect(
                text.contains("404") && text.contains("127.0.0.1") && !text.contains("topsecret")
                    && !text.contains("pw")
            )
        }
        for url in ["http://127.0.0.1:1/topsecret", "http://nosuchhost.invalid/topsecret"] {
            let failures = await send(alert(), .webhook(url))
            #expect(failures.count == 1 && failures.first?.description.contains("topsecret") == false)
        }
    }

    @Test func aWebhookIsNotSentOnToWhereverItLeads() async throws {
        try await withReceiver("http") { other, stolen in
            for host in ["localhost", "127.0.0.1"] {
                try await withReceiver("http", "http://\(host):\(other)/stolen") { port, got in
                    let failures = await send(alert(), .webhook("http://127.0.0.1:\(port)/services/topsecret"))
                    let text = try #require(failures.first).description
                    #expect(text.contains("307") && text.contains("no redirect is followed"))
                    #expect(!text.contains("topsecret"))
                    #expect(try got().count == 1)
                }
            }
            #expect(try stolen().isEmpty)
        }
    }

    @Test func aCommandGetsItsOwnVariablesAndTheSystemsPlainOnes() async throws {
        setenv("BAILEY_PLANTED_SECRET", "planted", 1)
        defer { unsetenv("BAILEY_PLANTED_SECRET") }
        try await withFolder { folder in
            let file = folder.appendingPathComponent("got").path
            let channel = AlertChannel.command(["sh", "-c", "env > \(file)"], variables: ["OWN": "mine"])
            #expect(await send(alert(), channel).isEmpty)
            let got = try String(contentsOfFile: file, encoding: .utf8)
            #expect(got.contains("OWN=mine\n") && got.contains("PATH=") && !got.contains("planted"))
        }
    }

    @Test func whatComesFromDataIsNoCommandToATerminal() {
        let line = alert("a\u{1B}[2Jb\rc\u{202E}d\u{9B}e\nf").line
        #expect(line == "Bailey: data_sync: a\\x1b[2Jb\\rc\\u202ed\\x9be\nf")
    }

    @Test func aReceiverThatNeverAnswersIsGivenUp() async throws {
        try await withReceiver("http", "silent") { port, _ in
            let failures = await send(alert(), .webhook("http://127.0.0.1:\(port)/x"), seconds: 1)
            #expect(failures.count == 1)
        }
        try await withReceiver("smtp", "silent") { port, _ in
            let relay = MailRelay(host: "127.0.0.1", port: port, from: "b@example.com", to: ["a@example.com"])
            let failures = await send(alert(), .email(relay), seconds: 1)
            #expect(failures.first?.description.contains("no answer within 1 s") == true)
        }
    }

    @Test func aRelayGetsAMailThatPythonReads() async throws {
        try await withReceiver("smtp") { port, got in
            let relay = MailRelay(
                host: "127.0.0.1",
                port: port,
                from: "bailey@example.com",
                to: ["ada@example.com", "ben@example.com"]
            )
            #expect(await send(alert("First line.\n.leading dot\n..two\n.\nlast"), .email(relay)).isEmpty)
            #expect(await send(alert("Größe: 3 µs → gut."), .email(relay)).isEmpty)
            let mails = try got()
            #expect(mails.count == 2)
            for mail in mails {
                #expect(mail["from"]?.string == "bailey@example.com")
                #expect(mail["to"] == ["ada@example.com", "ben@example.com"])
                #expect(mail["defects"] == [])
                #expect(mail["date"]?.string == "2026-11-23T12:30:00+00:00")
                #expect(mail["subject"]?.string == "Bailey: data_sync: rolled-back")
            }
            #expect(
                mails[0]["body"]?.string?.hasPrefix("Bailey: data_sync: First line.\n.leading dot\n..two\n.\nlast\n")
                    == true
            )
            #expect(mails[1]["body"]?.string?.hasPrefix("Bailey: data_sync: Größe: 3 µs → gut.\n") == true)
            #expect(mails[0]["id"]?.string != mails[1]["id"]?.string || mails[0]["id"] != .null)
        }
    }

    @Test func aRelayThatRefusesAReceiverStillServesTheOthers() async throws {
        try await withReceiver("smtp", "refuse:ben@example.com") { port, got in
            func relay(_ to: String...) -> AlertChannel {
                .email(MailRelay(host: "127.0.0.1", port: port, from: "bailey@example.com", to: to))
            }
            let failures = await send(alert(), relay("ada@example.com", "ben@example.com"))
            #expect(failures.first?.description.contains("550") == true)
            var mails = try got()
            #expect(mails.map { $0["to"] } == [["ada@example.com"]])
            #expect(await send(alert(), relay("ben@example.com")).count == 1)
            mails = try got()
            #expect(mails.count == 1)
        }
    }

    @Test func aRelayThatKnowsOnlyHELOIsServed() async throws {
        try await withReceiver("smtp", "no-ehlo") { port, got in
            let relay = MailRelay(host: "127.0.0.1", port: port, from: "b@example.com", to: ["a@example.com"])
            #expect(await send(alert(), .email(relay)).isEmpty)
            let mails = try got()
            #expect(mails.count == 1)
        }
    }

    @Test func aCommandGetsJSON() async throws {
        try await withFolder { folder in
            let file = folder.appendingPathComponent("got")
            #expect(await send(alert("x; rm -rf /"), .command(["tee", file.path])).isEmpty)
            let json = try JSON(parsing: try String(contentsOf: file, encoding: .utf8))
            #expect(
                json == [
                    "bailey": "alert", "version": 1, "event": "rolled-back", "level": "urgent", "pipeline": "data_sync",
                    "text": "x; rm -rf /", "at": "2026-11-23T12:30:00Z",
                ]
            )
        }
        let table: [([String], String)] = [
            (["false"], "status 1"), (["/no/such/program"], "did not start"), (["sh", "-c", "kill -9 $$"], "signal 9"),
        ]
        for (words, text) in table {
            #expect(await send(alert(), .command(words)).first?.description.contains(text) == true, "\(words)")
        }
        #expect(
            await send(alert(), .command(["sleep", "60"]), seconds: 1).first?.description.contains("was ended") == true
        )
    }

    @Test func oneFailingWayKeepsNoOtherFromBeingTried() async throws {
        try await withFolder { folder in
            let file = folder.appendingPathComponent("got")
            let failures = await send(
                alert(),
                .webhook("http://127.0.0.1:1/"),
                .command(["tee", file.path]),
                .command(["false"])
            )
            #expect(failures.count == 2 && FileManager.default.fileExists(atPath: file.path))
        }
    }

    @Test func noSecretLeaves() async throws {
        try await withFolder { folder in
            let file = folder.appendingPathComponent("got")
            let text = "Redis redis://:hunter2@h:6379/0 and postgresql://u:p%40ss@db/x, token hunter2"
            _ = await send(alert(text), .command(["tee", file.path]), secrets: ["hunter2", ""])
            let got = try String(contentsOf: file, encoding: .utf8)
            #expect(!got.contains("hunter2") && !got.contains("p%40ss") && got.contains("db/x"))
        }
    }

    @Test func headersCannotBeBroken() {
        #expect(!MailMessage.encoded("a\r\nBcc: x@y").contains("\r"))
        let word = MailMessage.encoded(String(repeating: "Größe ", count: 20))
        #expect(word.split(separator: "\r\n ").allSatisfy { $0.utf8.count <= 75 && $0.hasPrefix("=?utf-8?B?") })
    }
}

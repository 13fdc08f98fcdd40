import Foundation
import LosslessJSON
import Migration
import Schedules
import TestSupport
import Testing

@testable import Shadow

@Suite("Calls over HTTP, beside those that legacy's run made") struct CallEffectsTests {
    private static let digest = String(repeating: "a", count: 64)
    private static let other = String(repeating: "b", count: 64)

    private func call(_ method: String, _ url: String, _ digest: String? = digest, run: JSON? = nil) -> JSON {
        var call: JSONObject = ["method": .string(method), "url": .string(url)]
        if let digest { call["sha256"] = .string(digest) }
        call["run"] = run
        return .object(call)
    }

    /// Compares calls of both sides of the run “7”.
    private func compare(
        _ shadow: [JSON],
        _ legacy: [JSON],
        text: String? = nil,
        dropped: Int = 0,
        name: String = "{job}.jsonl"
    ) async throws -> EffectFindings {
        try await withFolder { folder in
            let lines = text ?? legacy.map { $0.text() }.joined(separator: "\n")
            let path = folder.path + "/" + name
            try lines.write(toFile: path.replacing("{job}", with: "7"), atomically: true, encoding: .utf8)
            let entry = try #require(EntryID("s/e"))
            let key = Outcome.Key(entry: entry, job: "7")
            let outcome = Outcome(key: key, side: .legacy, run: "7", state: .success)
            return CallEffects(calls: shadow, dropped: dropped, legacy: outcome, zone: .utc).compare(path)
        }
    }

    @Test func whatIsCalledAlikeIsAlike() async throws {
        let table: [([JSON], [JSON])] = [
            ([], []),
            (
                [call("POST", "http://a/x"), call("GET", "http://a/y")],
                [call("GET", "http://a/y"), call("POST", "http://a/x")]
            ),
            ([call("POST", "http://A:80/x")], [call("post", "http://a/x")]),
            ([call("GET", "http://a")], [call("GET", "http://a/")]),
            ([call("GET", "http://a/?q=1")], [call("GET", "http://a/?q=1")]),
            // Of https nothing but the host is seen, and one tunnel carries many calls.
            (
                [call("CONNECT", "https://a:443", nil)],
                [call("POST", "https://a/x"), call("GET", "https://a/y?z=1")]
            ),
            ([call("PUT", "http://a/x", CallEffectsTests.digest.uppercased())], [call("PUT", "http://a/x")]),
            (
                [call("PUT", "http://a/x"), call("PUT", "http://a/x", CallEffectsTests.other)],
                [call("PUT", "http://a/x", CallEffectsTests.other), call("PUT", "http://a/x")]
            ),
        ]
        for (shadow, legacy) in table {
            let found = try await compare(shadow, legacy)
            #expect(found.differences.isEmpty && found.unknown.isEmpty, "\(shadow) \(legacy) \(found)")
            #expect(found.told.first == "\(shadow.count) calls over HTTP, made alike")
        }
        // Where legacy's bodies are not known, that is said.
        let bare = try await compare([call("PUT", "http://a/x")], [call("PUT", "http://a/x", nil)])
        #expect(bare.differences.isEmpty && bare.told.last == "of 1 calls the bodies were not compared")
    }

    @Test func everyDifferenceOfCallsIsFound() async throws {
        let one = call("POST", "http://a/x")
        let table: [(String, [JSON], [JSON], String)] = [
            ("one more", [one, one], [one], "POST http://a:80/x"), ("one less", [], [one], "POST http://a:80/x"),
            ("never by legacy", [one], [], "POST http://a:80/x"),
            ("another method", [call("PUT", "http://a/x")], [call("PUT", "http://a/y")], "PUT http://a:80/x"),
            ("another query", [call("GET", "http://a/x?n=1")], [call("GET", "http://a/x?n=2")], "GET http://a:80/x"),
            ("another port", [call("GET", "http://a:81/")], [call("GET", "http://a/")], "GET http://a:80/"),
            ("another case of a path", [call("GET", "http://a/X")], [call("GET", "http://a/x")], "GET http://a:80/X"),
            (
                "another host of https", [call("CONNECT", "https://b:443", nil)], [call("GET", "https://a/x")],
                "CONNECT https://a:443"
            ),
            ("another body", [one], [call("POST", "http://a/x", CallEffectsTests.other)], "POST http://a:80/x"),
            (
                "one body twice", [one, one], [one, call("POST", "http://a/x", CallEffectsTests.other)],
                "POST http://a:80/x"
            ),
        ]
        for (name, shadow, legacy, path) in table {
            let found = try await compare(shadow, legacy)
            #expect(found.differences.first?.path == path, "\(name): \(found)")
            #expect(found.differences.allSatisfy { $0.kind == .effects } && found.told.isEmpty, "\(name)")
        }
    }

    @Test func aRecordThatDoesNotSayWhatIsCalledIsNoEvidence() async throws {
        let one = call("GET", "http://a/x")
        for (text, words) in [
            ("{\"method\": \"GET\"}", "line 1"), ("\n\nno json", "line 3"), ("[]", "line 1"), ("\u{0}", "line 1"),
        ] {
            let found = try await compare([one], [], text: text)
            #expect(found.differences.isEmpty && found.unknown.first?.contains(words) == true, "\(text) \(found)")
        }
        let many = try await compare([one], [one], dropped: 3)
        #expect(many.unknown == ["the body made 4 calls, and only 1 are kept"])
    }

    @Test func oneFileOfManyRunsHasTheCallsOfThisOne() async throws {
        let lines = [
            call("GET", "http://a/x", run: "7"), call("GET", "http://a/y", run: "8"), call("GET", "http://a/z", run: 7),
        ]
        let mine = [call("GET", "http://a/x"), call("GET", "http://a/z")]
        let found = try await compare(mine, lines, name: "all.jsonl")
        #expect(found.differences.isEmpty && found.unknown.isEmpty, "\(found)")
        let unsaid = try await compare(mine, [call("GET", "http://a/x")], name: "all.jsonl")
        #expect(unsaid.unknown.first?.contains("does not say whose call it is") == true)
        // In a file of one run, too, another's calls are another's.
        let foreign = try await compare([], [call("GET", "http://a/x", run: "8")])
        #expect(foreign.differences.isEmpty && foreign.told == ["0 calls over HTTP, made alike"])
    }

    @Test func withoutARecordCallsAreCountedAndTheVerdictStands() throws {
        let entry = try #require(EntryID("s/e"))
        let key = Outcome.Key(entry: entry, tick: Instant(seconds: 0))
        let outcome = Outcome(key: key, side: .legacy, run: "7", state: .success, result: 1)
        let calls = CallEffects(calls: [call("GET", "http://a/x")], dropped: 2, legacy: outcome, zone: .utc)
        var comparison = Comparison(key: key, pipeline: "p", legacy: outcome, shadow: outcome, verdict: .match)
        calls.compare(nil).add(to: &comparison)
        #expect(comparison.verdict == .match && comparison.uncomparedCalls == 3)
        #expect(comparison.reason?.contains("3 calls over HTTP were not compared") == true)
        // A record that should be there and is not leaves the run open.
        for path in ["/nowhere/{job}.jsonl", "/nowhere/calls.jsonl"] {
            var missing = Comparison(key: key, pipeline: "p", legacy: outcome, shadow: outcome, verdict: .match)
            calls.compare(path).add(to: &missing)
            #expect(missing.verdict == .insufficient, "\(path)")
        }
    }
}

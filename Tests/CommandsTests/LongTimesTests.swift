import TestSupport
import Testing

@Suite("Times and numbers that no clock can count are refused with words", .timeLimit(.minutes(2)))
struct LongTimesTests {
    @Test(arguments: ["1e300", "1e300d", "inf", "nan", "36526d", "9223372036854775807d", "0x1p1023", "-1", "0"])
    func inOptions(time: String) async throws {
        try await withFolder { folder in
            let bailey = Bailey(in: folder)
            try bailey.write("version: 1\nsources: {}\n", to: "bailey.yaml")
            for words in [
                ["watch", "--every=\(time)"], ["deploy", "--wait=\(time)"], ["shadow", "--for=\(time)"],
                ["retire", "p", "--wait=\(time)"],
                ["report", "--since=\(time)"],
            ] {
                let ended = try await bailey.start(words).ended(within: 60)
                #expect([1, 2, 64].contains(ended.status), "\(words): \(ended.status) \(ended.errors)")
                #expect(!ended.errors.contains("Fatal error"), "\(words): \(ended.errors)")
            }
        }
    }

    @Test func inSettings() async throws {
        try await withFolder { folder in
            let bailey = Bailey(in: folder)
            for number in [
                "9223372036854775807", "31536001", "0", "-9223372036854775808", "1e400", "99999999999999999999",
            ] {
                try bailey.write(
                    "version: 1\nsources:\n  s: {kind: redbeat, url: 'redis://127.0.0.1:1/0', max_interval: \(number)}\nshadow: {timeout: \(number)d}\n",
                    to: "bailey.yaml"
                )
                for words in [["status"], ["doctor"], ["rehearse", "p"], ["cutover", "p"]] {
                    let ended = try await bailey.start(words).ended(within: 60)
                    #expect(ended.status == 2, "\(words) \(number): \(ended.status) \(ended.errors)")
                    #expect(ended.errors.contains("max_interval"), "\(words) \(number): \(ended.errors)")
                }
            }
        }
    }
}

import Foundation
import TestSupport
import Testing

@Suite("bailey.yaml and mappings that are small and hold much", .timeLimit(.minutes(3))) struct YAMLLimitTests {
    /// Nine lists, each of nine times the one before: 558 bytes that stand for a milliard of values.
    private static let laughs = {
        var lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
        for (name, before) in zip("bcdefghij", "abcdefghi") {
            lines.append("\(name): &\(name) [" + Array(repeating: "*\(before)", count: 9).joined(separator: ",") + "]")
        }
        return lines.joined(separator: "\n") + "\n"
    }()

    @Test func theyAreRefusedWithLittleMemory() async throws {
        try await withFolder { folder in
            let bailey = Bailey(in: folder)
            try bailey.write(Self.laughs, to: "bailey.yaml")
            let ended = try await bailey.run("plan", wrapper: ["prlimit", "--as=6000000000"])
            #expect(ended.status == 2, "\(ended.errors)")
            #expect(ended.errors.contains("aliases") && ended.errors.contains("bailey.yaml"), "\(ended.errors)")
        }
    }

    @Test func aliasesThatRepeatLittleAreRead() async throws {
        try await withFolder { folder in
            let bailey = Bailey(in: folder)
            try bailey.write(
                "version: 1\nsources: {}\nenvironments:\n  a: &a {python: python3, env: {X: y}}\n  b: *a\n",
                to: "bailey.yaml"
            )
            let ended = try await bailey.run("plan")
            #expect(!ended.errors.contains("alias"), "\(ended.errors)")
        }
    }

    @Test func deepNestingIsAnErrorAndNoCrash() async throws {
        try await withFolder { folder in
            let bailey = Bailey(in: folder)
            try bailey.write(String(repeating: "[", count: 100_000), to: "bailey.yaml")
            let ended = try await bailey.run("plan")
            #expect(ended.status == 2, "\(ended.status) \(ended.errors)")
            try bailey.write(String(repeating: "- ", count: 5_000) + "x\n", to: "bailey.yaml")
            #expect(try await bailey.run("plan").status == 2)
        }
    }
}

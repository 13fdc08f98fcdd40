import Migration
import Testing

@Suite("Patterns that end") struct BoundedPatternTests {
    @Test(arguments: [
        ("[0-9a-f]{4}", "00ff", true), ("[0-9a-f]{4}", "00fff", false), ("a|b", "ab", false), ("", "", true),
        ("\\d+(?:-\\d+)*", "1-22-333", true), (".*", "a\nb", false), ("(?s).*", "a\nb", true), ("é", "é", true),
    ]) func theWholeTextMatches(pattern: String, text: String, matches: Bool) throws {
        #expect(try BoundedPattern(pattern)?.matches(text) == matches)
    }

    @Test(arguments: ["(", "[a", "a)|(b", "*"]) func whatIsNoExpressionIsRefused(pattern: String) {
        #expect(BoundedPattern(pattern) == nil)
    }

    @Test(arguments: ["(a+)+b", "(a|aa)*b", "(a*)*b", "(.*a){20}b"]) func backtrackingIsGivenUp(pattern: String) throws
    {
        let bounded = try #require(BoundedPattern(pattern))
        let start = ContinuousClock.now
        let error = #expect(throws: BoundedPattern.TooCostly.self) {
            try bounded.matches(String(repeating: "a", count: 40))
        }
        #expect(error?.description.contains("needs too many steps") == true)
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test func aTextThatIsTooLongForTheEngineIsNotSaidToDiffer() throws {
        let bounded = try #require(BoundedPattern("(a|b)*c"))
        #expect(throws: BoundedPattern.TooCostly.self) {
            try bounded.matches(String(repeating: "ab", count: 1_000_000) + "c")
        }
    }
}

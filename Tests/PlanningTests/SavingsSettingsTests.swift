import Settings
import Testing

@Suite("What time is worth, in bailey.yaml") struct SavingsSettingsTests {
    @Test func numbersAreReadWithTheirLine() throws {
        func read(_ text: String) throws -> SavingsSettings? {
            try WorkspaceSettings(
                yaml: "version: 1\nsources: {}\nsavings:\n\(text)\n",
                file: "bailey.yaml",
                environment: [:],
                kinds: []
            ).savings
        }
        let good = try read(
            "  currency: USD\n  person_hour: 75\n  work:\n    - {what: find a fault, before: 10h, after: 0, per: month, times: 2}"
        )
        #expect(
            good?.work.first?.before == 36_000.0 && good?.work.first?.after == 0.0 && good?.work.first?.times == 2.0
        )
        // Work that the move brings costs time: nothing before, an hour after.
        let brought = try read("  work: [{what: watch it, before: 0, after: 1h}, {what: y, before: 1h, after: 0d}]")?
            .work
        #expect(brought?.map(\.before) == [0, 3600] && brought?.map(\.after) == [3600, 0])
        let before = try read("  before: {bsl: 290m, other: 90}")?.before
        #expect(before?["bsl"]?.seconds == 17_400.0 && before?["other"]?.seconds == 90.0 && before?["bsl"]?.line == 4)
        let bad = [
            ("  before: {bsl: soon}", "“bsl” must be a length of time"), ("  before: 3", "“before” is"),
            ("  person_hour: 75", "bailey.yaml:4: “person_hour” is money; say in which “currency”"),
            ("  currency: USD\n  run_hour: -1", "bailey.yaml:5: “run_hour” is what an hour costs"),
            ("  currency: ' '\n  run_hour: 1", "bailey.yaml:4: “currency” is empty"),
            ("  work: [{what: x, before: 1h, after: soon}]", "“after” is"),
            ("  work: [{before: 1h}]", "“what” is missing"), ("  work: [{what: x}]", "“before” is missing"),
            ("  work: [{what: x, before: soon}]", "“before” is"),
            ("  work: [{what: x, before: 1h, times: 0}]", "“times” is how many times"),
            ("  work: [{what: x, before: 1h, per: fortnight}]", "“per” is"),
        ]
        for (text, words) in bad {
            do {
                _ = try read(text)
                Issue.record("\(text) was read")
            } catch let error as SettingsError {
                #expect("\(error)".contains(words), "\(text): \(error)")
            }
        }
    }
}

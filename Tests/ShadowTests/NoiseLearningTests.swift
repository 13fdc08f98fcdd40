import LosslessJSON
import Migration
import Shadow
import Testing

@Suite("Noise, learnt from legacy against legacy") struct NoiseLearningTests {
    private func learn(_ results: [String], arguments: [JSON] = [[]]) throws -> [NoiseLearning.Noise] {
        var learning = NoiseLearning()
        for (number, result) in results.enumerated() {
            var outcome = Outcome(
                key: Outcome.Key(entry: EntryID(source: "s", name: "e"), job: "\(number)"),
                side: .legacy,
                run: "\(number)",
                state: .success,
                result: try JSON(parsing: result)
            )
            outcome.arguments = arguments[number % arguments.count]
            learning.learn(outcome)
        }
        return learning.noise
    }

    @Test func whatNeverChangesIsNoNoise() throws {
        #expect(try learn(["{\"n\":1}", "{\"n\":1.0}", "{\"n\":1}"]).isEmpty)
        // Other inputs may give other results.
        #expect(try learn(["1", "2", "1", "2"], arguments: [[1], [2]]).isEmpty)
        // One run is no evidence.
        #expect(try learn(["{\"n\":1}"]).isEmpty)
    }

    @Test func eachPlaceHasItsRateAndTheNarrowestRule() throws {
        let found = try learn([
            #"{"a":[1,2],"f":1.0,"h":"00ff","n":1,"big":1}"#, #"{"a":[2,1],"f":1.0000000001,"h":"beef","n":1,"big":2}"#,
            #"{"a":[2,1],"f":1.0000000002,"h":"beef","n":1,"big":3}"#,
        ])
        let rules = Dictionary(found.map { ($0.place, $0.rule) }, uniquingKeysWith: { first, _ in first })
        #expect(rules["$.a"] == .unordered && rules["$.big"] == .ignore && rules["$.n"] == nil)
        #expect(rules["$.h"] == .pattern("[0-9a-f]+"))
        guard case .tolerance(let relative)? = rules["$.f"] else {
            Issue.record("no tolerance: \(found)")
            return
        }
        #expect(relative > 1e-10 && relative < 1e-9)
        let rates = Dictionary(found.map { ($0.place, $0.rate) }, uniquingKeysWith: { first, _ in first })
        #expect(rates == ["$.a": 0.5, "$.f": 1, "$.h": 0.5, "$.big": 1])
        #expect(found.allSatisfy { $0.pairs == 2 && $0.examples.count == 2 })
    }

    @Test func failuresTeachNothing() {
        var learning = NoiseLearning()
        for number in 0..<5 {
            var outcome = Outcome(
                key: Outcome.Key(entry: EntryID(source: "s", name: "e")),
                side: .legacy,
                run: "\(number)",
                state: .failed
            )
            outcome.error = RunError(type: "ValueError", message: "\(number)")
            learning.learn(outcome)
        }
        #expect(learning.noise.isEmpty)
    }
}

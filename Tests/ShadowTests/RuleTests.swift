import LosslessJSON
import Migration
import Schedules
import Shadow
import Testing

@Suite("Rules of comparing") struct RuleTests {
    private func found(_ a: JSON, _ b: JSON, _ rules: CompareRules) -> [JSONComparison.Found] {
        JSONComparison(rules: rules).compare(a, b).found
    }

    @Test func aPathIsReadAsItIsWrittenOrRefused() throws {
        for text in [
            "$", "$.a", "$.rows[0]", "$.rows[*].id", "$[\"a key\"].b", "$[0][*]", "$.é", "$[\"a\\\"b\"]", "$.a-b_c",
        ] {
            #expect(try ComparePath(text).description == text)
        }
        #expect(try ComparePath("$['a key']").description == "$[\"a key\"]")
        #expect(try ComparePath("$[\"plain\"]").description == "$.plain")
        for text in [
            "", "a", ".a", "$a", "$.", "$..a", "$.a.", "$[", "$[]", "$[-1]", "$[x]", "$.a b", "$[\"a]", "$[1.5]",
            "$.a[*", "$.*", "$ .a",
        ] {
            #expect(throws: ComparePathError.self, "\(text)") { try ComparePath(text) }
        }
    }

    /// What public reports of other comparers say that these missed, or took for a difference.
    @Test func whatOthersWereReportedToMissIsFound() throws {
        func json(_ text: String) throws -> JSON { try JSON(parsing: text) }
        let foo = CompareRules(unordered: ["$.foo"])
        let all = CompareRules(unordered: ["$", "$[*]"])
        let dotted = CompareRules(ignore: [IgnoreRule(name: "n", path: "$[\"a.b\"]", because: "x")])
        let near = CompareRules(tolerances: [Tolerance(path: "$.x", absolute: 0.001)])
        let plain = CompareRules()
        let table: [(String, String, CompareRules, Int)] = [
            (#"{"foo": ["b1", "b2", "b1"]}"#, #"{"foo": ["b1", "b2"]}"#, foo, 1),
            ("[1, 2, [3, 4]]", "[[4, 3], 2, 1]", all, 0),
            ("[1, 2, [3, 4]]", "[[4, 3], 2, 1]", CompareRules(unordered: ["$"]), 2),
            (#"{"foo": [{"__ref": "x"}]}"#, #"{"foo": [{"__ref": {"type": "o"}}]}"#, foo, 2),
            (#"[{"id": 1}, {"id": 1}, {"id": 1}]"#, #"[{"id": 1, "name": 1}]"#, CompareRules(unordered: ["$"]), 4),
            (#"{"a.b": 3}"#, #"{"a.b": 4}"#, dotted, 0),
            (#"{"a.b": 3, "a": {"b": 1}}"#, #"{"a.b": 4, "a": {"b": 2}}"#, dotted, 1),
            ("[NaN, [NaN, 1]]", "[NaN, [NaN, 1.0]]", plain, 0), ("[NaN]", "[null]", plain, 1),
            (#"{"x": -0.00}"#, #"{"x": 0.0}"#, plain, 0),
            (#"{"x": 1e22}"#, #"{"x": 10000000000000000000000}"#, plain, 0),
            (#"{"x": 9223372036854775808}"#, #"{"x": 9223372036854775809}"#, plain, 1),
            (#"{"x": 1.0001}"#, #"{"x": 1.0005}"#, near, 0), (#"{"x": 1.0001}"#, #"{"x": 1.0025}"#, near, 1),
            (#"{"x": true}"#, #"{"x": 1}"#, plain, 1), (#"{"x": null}"#, "{}", plain, 1),
            (#"{"x": []}"#, #"{"x": {}}"#, plain, 1),
        ]
        for (a, b, rules, count) in table {
            let counting = found(try json(a), try json(b), rules).filter { $0.rule == nil }
            #expect(counting.count == count, "\(a) \(b): \(counting)")
        }
    }

    @Test func keysAreTheirBytes() {
        let composed: JSON = ["\u{E9}": 1]
        let decomposed: JSON = ["e\u{301}": 1]
        #expect(found(composed, decomposed, CompareRules()).count == 2)
        // Both in one object are two keys, in any order.
        let both: JSON = .object(JSONObject([("\u{E9}", 1), ("e\u{301}", 2)]))
        let other: JSON = .object(JSONObject([("e\u{301}", 2), ("\u{E9}", 1)]))
        #expect(found(both, other, CompareRules()).isEmpty)
        let swapped: JSON = .object(JSONObject([("e\u{301}", 1), ("\u{E9}", 2)]))
        #expect(found(both, swapped, CompareRules()).count == 2)
        // A rule names one of them.
        let rules = CompareRules(ignore: [IgnoreRule(name: "x", path: "$.\u{E9}", because: "b")])
        #expect(found(both, swapped, rules).map { $0.rule == nil }.sorted { !$0 && $1 } == [false, true])
    }

    @Test func aKeyCannotForgeAPlace() {
        let forged: JSON = ["a\n2 × result": 1, "a.b": 2, "x[0]": 3]
        let paths = found(forged, [:], CompareRules()).map(\.path)
        #expect(paths == ["$[\"a\\n2 × result\"]", "$[\"a.b\"]", "$[\"x[0]\"]"])
        let rules = CompareRules(ignore: [IgnoreRule(name: "x", path: "$.a.b", because: "b")])
        #expect(found(["a.b": 1], ["a.b": 2], rules).allSatisfy { $0.rule == nil })
    }

    @Test func rulesThatCanNeverBeAskedAreProblems() {
        let table: [(CompareRules, String)] = [
            (CompareRules(ignore: [IgnoreRule(name: "n", path: "a.b", because: "b")]), "must begin with $"),
            (CompareRules(tolerances: [Tolerance(path: "$.a")]), "a bound is missing"),
            (CompareRules(tolerances: [Tolerance(path: "$.a", absolute: -1)]), "it must be 0 or more"),
            (CompareRules(tolerances: [Tolerance(path: "$.a", absolute: .nan)]), "it must be 0 or more"),
            (CompareRules(tolerances: [Tolerance(path: "$.a", relative: 1.5)]), "it must be less than 1"),
            (CompareRules(patterns: [PatternRule(path: "$.a", pattern: "[")]), "no regular expression"),
            (CompareRules(patterns: [PatternRule(path: "$.a", pattern: "a)(b")]), "no regular expression"),
            (CompareRules(unordered: ["$.a", "$.a"]), "has the same path"),
            (
                CompareRules(
                    ignore: [IgnoreRule(name: "n", path: "$.rows[*]", because: "b")],
                    tolerances: [Tolerance(path: "$.rows[3].x", absolute: 1)]
                ), "hides all of $.rows[*]"
            ),
            (CompareRules(slowestRatio: 0), "must be more than 0"),
        ]
        for (rules, text) in table {
            #expect(rules.problems.count == 1 && rules.problems[0].text.contains(text), "\(text): \(rules.problems)")
        }
        let fine = CompareRules(
            ignore: [IgnoreRule(name: "n", path: "$.a", because: "b")],
            tolerances: [Tolerance(path: "$.b", relative: 0, absolute: 1)],
            unordered: ["$"],
            patterns: [PatternRule(path: "$.c", pattern: "a|b")],
            slowestRatio: 2
        )
        #expect(fine.problems.isEmpty)
    }

    @Test func aPatternThatWouldNeverEndGivesUp() {
        let rules = CompareRules(patterns: [PatternRule(path: "$", pattern: "(a+)+$")])
        let text = JSON.string(String(repeating: "a", count: 60) + "b")
        let answer = found(text, text, rules)
        #expect(answer.count == 1 && answer[0].note?.contains("needs too many steps") == true)
        // The whole text is meant, alternatives included.
        let words = CompareRules(patterns: [PatternRule(path: "$", pattern: "a|ab")])
        #expect(found("ab", "a", words).isEmpty)
        #expect(found("ab", "abc", words).count == 1)
    }

    @Test func whatWasMetIsTold() {
        let rules = CompareRules(
            ignore: [
                IgnoreRule(name: "clock", path: "$.at", because: "b"),
                IgnoreRule(name: "typo", path: "$.att", because: "b"),
            ],
            tolerances: [Tolerance(path: "$.rows[*].x", absolute: 1)],
            unordered: ["$.set"]
        )
        let outcome = JSONComparison(rules: rules).compare(
            ["at": 1, "rows": [["x": 1]]],
            ["at": 1, "rows": [["x": 1]]]
        )
        #expect(outcome.met == ["clock", "tolerance $.rows[*].x"])
        #expect(Set(rules.names).subtracting(outcome.met) == ["typo", "unordered $.set"])
    }

    @Test func whatIsIgnoredInsideOfWhatHasNoOrderIsCounted() {
        let rules = CompareRules(ignore: [IgnoreRule(name: "clock", path: "$[*].at", because: "b")], unordered: ["$"])
        let a: JSON = [["id": 1, "at": 10], ["id": 2, "at": 20], ["id": 3, "at": 30]]
        let b: JSON = [["id": 3, "at": 30], ["id": 1, "at": 11], ["id": 2]]
        let answer = found(a, b, rules)
        #expect(answer.map(\.rule) == ["clock", "clock"])
        #expect(answer.map(\.path) == ["$[0].at", "$[1].at"])
    }

    @Test func withoutOrderAsManyArePairedAsCanBe() {
        var random = SystemRandomNumberGenerator()
        func element(_ x: Int, _ y: Int) -> JSON { ["x": .number(JSONNumber(x)), "y": .number(JSONNumber(y))] }
        for round in 0..<400 {
            let oneSided = round % 2 == 0
            let rules = CompareRules(
                tolerances: [
                    Tolerance(path: "$[*].x", absolute: 2), Tolerance(path: "$[*].y", absolute: oneSided ? 0 : 2),
                ],
                unordered: ["$"]
            )
            let size = Int.random(in: 1...6, using: &random)
            func points() -> [(Int, Int)] {
                (0..<size).map { _ in
                    (Int.random(in: 0...9, using: &random), oneSided ? 1 : Int.random(in: 0...9, using: &random))
                }
            }
            let (a, b) = (points(), points())
            // The oracle tries every way to pair them.
            func best(_ index: Int, _ free: Set<Int>) -> Int {
                guard index < size else { return 0 }
                var most = best(index + 1, free)
                for other in free
                where abs(a[index].0 - b[other].0) <= 2 && abs(a[index].1 - b[other].1) <= (oneSided ? 0 : 2) {
                    most = max(most, 1 + best(index + 1, free.subtracting([other])))
                }
                return most
            }
            let left = JSON.array(a.map { element($0.0, $0.1) })
            let right = JSON.array(b.map { element($0.0, $0.1) })
            let answer = found(left, right, rules)
            #expect(answer.count == 2 * (size - best(0, Set(0..<size))), "\(left.text()) and \(right.text())")
        }
    }

    @Test(.timeLimit(.minutes(1))) func fiftyThousandElementsWithoutOrder() {
        let count = 50_000
        let rules = CompareRules(tolerances: [Tolerance(path: "$[*].score", absolute: 0.01)], unordered: ["$"])
        let a = JSON.array(
            (0..<count).map { ["id": .number(JSONNumber($0)), "score": .number(JSONNumber(Double($0) / 7))] }
        )
        let b = JSON.array(
            (0..<count).reversed().map {
                ["id": .number(JSONNumber($0)), "score": .number(JSONNumber(Double($0) / 7 + 0.005))]
            }
        )
        #expect(found(a, b, rules).isEmpty)
        // All of one shape: only the numbers tell them apart.
        let c = JSON.array((0..<count).map { ["score": .number(JSONNumber(Double($0 * 7919 % count)))] })
        let d = JSON.array((0..<count).map { ["score": .number(JSONNumber(Double($0) + 0.005))] })
        #expect(found(c, d, rules).isEmpty)
    }

    @Test func theSameExceptionIsTheSame() {
        let key = Outcome.Key(entry: EntryID(source: "s", name: "e"), job: "1")
        func differs(_ a: RunError, _ b: RunError) -> Bool {
            var legacy = Outcome(key: key, side: .legacy, run: "r", state: .failed)
            legacy.error = a
            var shadow = Outcome(key: key, side: .shadow, run: "r", state: .failed)
            shadow.error = b
            return !OutcomeComparison.compare(legacy, shadow, pipeline: "p", rules: CompareRules()).differences.isEmpty
        }
        func error(_ type: String, _ message: String, _ module: String? = "builtins", _ arguments: JSON? = nil)
            -> RunError
        {
            RunError(type: type, message: message, module: module, arguments: arguments)
        }
        // Celery keeps the arguments; what Python makes of them as text is another matter.
        #expect(!differs(error("KeyError", "x", "builtins", ["x"]), error("KeyError", "'x'", "builtins", ["x"])))
        #expect(differs(error("KeyError", "x", "builtins", ["x"]), error("KeyError", "'y'", "builtins", ["y"])))
        #expect(differs(error("Error", "x", "a", ["x"]), error("Error", "x", "b", ["x"])))
        #expect(differs(error("ValueError", "x", "builtins", ["x"]), error("TypeError", "x", "builtins", ["x"])))
        #expect(
            !differs(
                error("OSError", "2 no", "builtins", [2, "no"]),
                error("OSError", "[Errno 2] no", "builtins", [2, "no"])
            )
        )
        // A queue keeps one text.
        let told = error("ValueError", "no such report", "builtins", ["no such report"])
        for text in [
            "no such report", "ValueError: no such report", "ValueError('no such report')",
            "Traceback …\nValueError: no such report\n",
        ] {
            #expect(!differs(RunError(type: "unknown", message: text), told), "\(text)")
        }
        for text in ["no such reports", "TypeError: no such report", "timeout"] {
            #expect(differs(RunError(type: "unknown", message: text), told), "\(text)")
        }
    }

    @Test func nothingIsNotNull() {
        let key = Outcome.Key(entry: EntryID(source: "s", name: "e"), job: "1")
        func compare(_ a: JSON?, _ b: JSON?) -> Comparison {
            OutcomeComparison.compare(
                Outcome(key: key, side: .legacy, run: "r", state: .success, result: a),
                Outcome(key: key, side: .shadow, run: "r", state: .success, result: b),
                pipeline: "p",
                rules: CompareRules()
            )
        }
        #expect(compare(.null, .null).verdict == .match)
        #expect(compare(.null, nil).verdict == .mismatch)
        #expect(compare(nil, .null).verdict == .match)
    }

    @Test func attemptsAndImpossibleDurations() {
        let key = Outcome.Key(entry: EntryID(source: "s", name: "e"), job: "1")
        var legacy = Outcome(key: key, side: .legacy, run: "r", state: .success, result: 1, attempts: 3)
        let shadow = Outcome(key: key, side: .shadow, run: "r", state: .success, result: 1, attempts: 1)
        let comparison = OutcomeComparison.compare(legacy, shadow, pipeline: "p", rules: CompareRules())
        #expect(comparison.differences.map(\.kind) == [.attempts])
        // Start and end by clocks of two hosts.
        legacy.start = .init(seconds: 10)
        legacy.end = .init(seconds: 9)
        #expect(legacy.duration == nil)
        legacy.measured = 0.5
        #expect(legacy.duration == 0.5)
    }
}

import LosslessJSON
import Migration
import Schedules
import Testing

@testable import Shadow

@Suite("Comparing outcomes") struct ComparisonTests {
    private let key = Outcome.Key(entry: EntryID(source: "s", name: "e"), tick: Instant(seconds: 0))

    private func outcome(_ side: Outcome.Side, _ result: JSON?, _ state: RunState = .success) -> Outcome {
        Outcome(key: key, side: side, run: "r", state: state, arguments: ["args": [], "kwargs": [:]], result: result)
    }

    private func compare(_ a: String, _ b: String, _ rules: CompareRules = CompareRules()) throws -> Comparison {
        OutcomeComparison.compare(
            outcome(.legacy, try JSON(parsing: a)),
            outcome(.shadow, try JSON(parsing: b)),
            pipeline: "p",
            rules: rules
        )
    }

    @Test func resultsAreEqualOrTheyDifferAtAPlace() throws {
        let table: [(String, String, [String])] = [
            ("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", []), ("1", "1.0", []), ("1e2", "100", []),
            ("0.1", "0.10000000000000001", ["$"]), ("12345678901234567890", "12345678901234567891", ["$"]),
            ("\"é\"", "\"e\\u0301\"", ["$"]), ("null", "{}", ["$"]), ("\"1\"", "1", ["$"]), ("true", "1", ["$"]),
            ("{\"a\":{\"b\":[1,2,3]}}", "{\"a\":{\"b\":[1,5]}}", ["$.a.b[1]", "$.a.b[2]"]),
            ("{\"a\":null}", "{}", ["$.a"]), ("[1,2]", "[2,1]", ["$[0]", "$[1]"]),
        ]
        for (a, b, paths) in table {
            let comparison = try compare(a, b)
            #expect(comparison.differences.map(\.path) == paths, "\(a) and \(b)")
            #expect(comparison.verdict == (paths.isEmpty ? .match : .mismatch))
        }
    }

    @Test func rulesHideWhatTheyNameAndNothingElse() throws {
        var rules = CompareRules()
        rules.ignore = [IgnoreRule(name: "clock", path: "$.rows[*].at", because: "time of the run")]
        let hidden = try compare("{\"rows\":[{\"at\":1,\"n\":1}]}", "{\"rows\":[{\"at\":2,\"n\":1}]}", rules)
        #expect(hidden.verdict == .match)
        #expect(hidden.ignored.map(\.rule) == ["clock"])
        let other = try compare("{\"rows\":[{\"at\":1,\"n\":1}]}", "{\"rows\":[{\"at\":2,\"n\":2}]}", rules)
        #expect(other.verdict == .mismatch)
        #expect(other.differences.map(\.path) == ["$.rows[0].n"])
        // A longer key is not the key.
        #expect(try compare("{\"rows\":[{\"atom\":1}]}", "{\"rows\":[{\"atom\":2}]}", rules).verdict == .mismatch)
    }

    @Test(.timeLimit(.minutes(1))) func aPatternThatBacktracksIsNeitherAMatchNorAnEndlessComparison() throws {
        var rules = CompareRules()
        rules.patterns = [PatternRule(path: "$.id", pattern: "(a+)+b")]
        let text = "{\"id\":\"\(String(repeating: "a", count: 40))\"}"
        let comparison = try compare(text, text, rules)
        #expect(comparison.verdict == .mismatch)
        #expect(comparison.differences.first?.text.contains("cannot be compared at $.id") == true)
    }

    @Test func tolerancesPatternsAndOrder() throws {
        var rules = CompareRules()
        rules.tolerances = [Tolerance(path: "$.r", relative: 0.01), Tolerance(path: "$.a", absolute: 0.5)]
        rules.unordered = ["$.set"]
        rules.patterns = [PatternRule(path: "$.id", pattern: "[0-9a-f]{4}")]
        let table: [(String, String, Bool)] = [
            ("{\"r\":100}", "{\"r\":101}", true), ("{\"r\":100}", "{\"r\":102}", false),
            ("{\"r\":-100}", "{\"r\":100}", false), ("{\"a\":1}", "{\"a\":1.5}", true),
            ("{\"a\":1}", "{\"a\":1.6}", false), ("{\"set\":[1,2,2]}", "{\"set\":[2,1,2]}", true),
            ("{\"set\":[1,2,2]}", "{\"set\":[1,1,2]}", false), ("{\"id\":\"00ff\"}", "{\"id\":\"abcd\"}", true),
            ("{\"id\":\"00ff\"}", "{\"id\":\"abcde\"}", false), ("{\"id\":\"zz\"}", "{\"id\":\"zz\"}", false),
        ]
        for (a, b, equal) in table { #expect((try compare(a, b, rules).verdict == .match) == equal, "\(a) and \(b)") }
    }

    @Test func statesErrorsAndDurations() {
        let failed = OutcomeComparison.compare(
            outcome(.legacy, 1),
            outcome(.shadow, nil, .failed),
            pipeline: "p",
            rules: CompareRules()
        )
        #expect(failed.differences.map(\.kind) == [.state])
        var a = outcome(.legacy, nil, .failed)
        var b = outcome(.shadow, nil, .failed)
        a.error = RunError(type: "ValueError", message: "x")
        b.error = RunError(type: "ValueError", message: "y")
        let errors = OutcomeComparison.compare(a, b, pipeline: "p", rules: CompareRules())
        #expect(errors.differences.map(\.kind) == [.error])
        a = outcome(.legacy, 1)
        b = outcome(.shadow, 1)
        (a.start, a.end) = (Instant(seconds: 0), Instant(seconds: 10))
        (b.start, b.end) = (Instant(seconds: 0), Instant(seconds: 31))
        var rules = CompareRules()
        #expect(OutcomeComparison.compare(a, b, pipeline: "p", rules: rules).verdict == .match)
        rules.slowestRatio = 3
        #expect(OutcomeComparison.compare(a, b, pipeline: "p", rules: rules).differences.map(\.kind) == [.duration])
    }

    @Test func whatCeleryCouldNotPickleIsComparedByWhatIsInIt() {
        func path(_ arguments: JSON, text: String = "", module: String = "shop", type: String = "Odd", _ told: JSON)
            -> String?
        {
            let legacy = RunError(
                type: "UnpickleableExceptionWrapper",
                message: "shop, Odd",
                module: "celery.utils.serialization",
                arguments: ["shop", "Odd", arguments, .string(text)]
            )
            return ErrorComparison.difference(
                legacy,
                RunError(type: type, message: "a", module: module, arguments: told)
            )?.path
        }
        #expect(path(["a", 1], ["a", 1]) == nil && path(["a"], type: "Inner.Odd", ["a"]) == nil)
        #expect(path(["a", 1], ["a", 2]) == "$.arguments[1]")
        #expect(path(["a"], type: "Other", ["a"]) == "$.type" && path(["a"], module: "other", ["a"]) == "$.type")
        // Its arguments as a text are told by the text of all of it.
        #expect(
            path("('a',)", text: "Odd('a')", ["a"]) == nil && path("('a',)", text: "Odd('b')", ["a"]) == "$.message"
        )
    }

    @Test func aBaseAsWhichCeleryKeepsAnExceptionIsNoDifferenceAndIsTold() {
        let legacy = RunError(type: "ValueError", message: "x", module: "builtins", arguments: ["x"])
        func shadow(_ kept: RunError.Kept?, _ arguments: JSON = ["x"]) -> RunError {
            RunError(type: "Odd", message: "x", module: "shop", arguments: arguments, kept: kept)
        }
        let base = RunError.Kept(type: "ValueError", module: "builtins")
        #expect(ErrorComparison.difference(legacy, shadow(base)) == nil)
        #expect(ErrorComparison.remark(legacy, shadow(base))?.contains("shop.Odd") == true)
        #expect(ErrorComparison.difference(legacy, shadow(base, ["y"]))?.path == "$.arguments[0]")
        let others = [
            nil, RunError.Kept(type: "KeyError", module: "builtins"), .init(type: "ValueError", module: "shop"),
        ]
        for other in others { #expect(ErrorComparison.difference(legacy, shadow(other))?.path == "$.type") }
    }

    @Test func anErrorThatLegacyLeftBlankIsSaidNotToBeRecorded() {
        for message in ["", " \n\t"] {
            var (a, b) = (outcome(.legacy, nil, .failed), outcome(.shadow, nil, .failed))
            a.error = RunError(type: "unknown", message: message)
            b.error = RunError(type: "ModuleNotFoundError", message: "No module named 'shop'", module: "builtins")
            let found = OutcomeComparison.compare(a, b, pipeline: "p", rules: CompareRules())
            #expect(found.verdict == .match)
            #expect(found.reason == "legacy records no error; that both failed was compared")
        }
    }

    @Test func halfACharacterIsSpelledOutAsInLegacy() {
        guard case .result(let value)? = BodyReport(#"{"bailey_body":1,"result":"a\ud800"}"#) else {
            Issue.record("no result")
            return
        }
        #expect(value == "a\\ud800")
    }

    @Test func whereBothFailedIsToldAndIsNoDifference() {
        func failed(_ side: Outcome.Side, _ frames: [String]) -> Outcome {
            var failed = outcome(side, nil, .failed)
            let lines = frames.map { "  File \"\($0)\n    raise ValueError(\"x\")" }
            let text = (["Traceback (most recent call last):"] + lines + ["ValueError: x"]).joined(separator: "\n")
            failed.error = RunError(type: "ValueError", message: "x", detail: text)
            return failed
        }
        func reason(_ legacy: [String], _ shadow: [String]) -> String? {
            let compared = OutcomeComparison.compare(
                failed(.legacy, legacy),
                failed(.shadow, shadow),
                pipeline: "p",
                rules: CompareRules()
            )
            #expect(compared.verdict == .match && compared.differences.isEmpty)
            return compared.reason
        }
        let worker = "/app/lib/python3.11/site-packages/celery/app/trace.py\", line 453, in trace_task"
        let charge = "/srv/old/billing.py\", line 12, in charge"
        // Elsewhere on the disk and on another line it is the same function.
        #expect(reason([worker, charge], ["/srv/new/billing.py\", line 90, in charge"]) == nil)
        #expect(
            reason([worker, charge], ["/srv/new/billing.py\", line 90, in refund"])
                == "both failed alike, legacy in billing.py, charge and shadow in billing.py, refund"
        )
        // Deep in a library, the application's own innermost function tells; where there is none nobody knows.
        let json = "/usr/lib/python3.11/json/encoder.py\", line 180, in default"
        #expect(reason([worker, charge, json], [charge, json]) == nil)
        #expect(reason([worker, json], [charge, json]) == nil)
    }

    @Test func whatWasNotRunIsNoMatch() {
        let observed = OutcomeComparison.compare(
            outcome(.legacy, 1),
            outcome(.shadow, nil, .observed),
            pipeline: "p",
            rules: CompareRules()
        )
        #expect(observed.verdict == .insufficient)
        var other = outcome(.shadow, nil, .observed)
        other.arguments = ["args": [1], "kwargs": [:]]
        let arguments = OutcomeComparison.compare(outcome(.legacy, 1), other, pipeline: "p", rules: CompareRules())
        #expect(arguments.verdict == .mismatch)
        #expect(arguments.differences.map(\.kind) == [.arguments])
    }
}

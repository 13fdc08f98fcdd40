extension CompareRules {
    /// Something wrong with a rule.
    public struct Problem: Sendable, Hashable {
        /// The key of the mapping it stands under: `ignore`, `tolerance`, `unordered`, `pattern` or `slowest_ratio`.
        public var section: String
        /// Which of that key's rules, from 0.
        public var number: Int
        /// One sentence, without the last full stop.
        public var text: String
    }

    /// What is wrong with the rules: paths that are none, bounds that say nothing, rules that can never be asked.
    public var problems: [Problem] {
        var check = RuleCheck()
        for (number, rule) in ignore.enumerated() { check.ignore(rule, number) }
        for (number, rule) in tolerances.enumerated() { check.tolerance(rule, number) }
        for (number, path) in unordered.enumerated() { check.path(path, "unordered", number) }
        for (number, rule) in patterns.enumerated() {
            check.path(rule.path, "pattern", number)
            if BoundedPattern(rule.pattern) == nil {
                check.note("pattern", number, "“\(rule.pattern)” is no regular expression")
            }
        }
        check.hidden()
        if let slowestRatio, !(slowestRatio > 0) || slowestRatio.isInfinite {
            check.note("slowest_ratio", 0, "“slowest_ratio” is \(slowestRatio); it must be more than 0")
        }
        return check.problems
    }
}

/// Goes through rules one after another.
private struct RuleCheck {
    var problems: [CompareRules.Problem] = []
    private var seen: [(section: String, number: Int, path: ComparePath)] = []
    private var names: Set<String> = []

    mutating func note(_ section: String, _ number: Int, _ text: String) {
        problems.append(CompareRules.Problem(section: section, number: number, text: text))
    }

    mutating func path(_ text: String, _ section: String, _ number: Int) {
        do {
            let path = try ComparePath(text)
            if seen.contains(where: { $0.section == section && $0.path == path }) {
                note(section, number, "a rule before it has the same path \(text), so this one is never asked")
            }
            seen.append((section, number, path))
        } catch {
            note(section, number, "“\(text)” is no path: \(error)")
        }
    }

    mutating func ignore(_ rule: IgnoreRule, _ number: Int) {
        path(rule.path, "ignore", number)
        if rule.name.allSatisfy(\.isWhitespace) { note("ignore", number, "the name is blank") }
        if rule.because.allSatisfy(\.isWhitespace) { note("ignore", number, "“because” must give the reason") }
        if !names.insert(rule.name).inserted {
            note("ignore", number, "two rules are named “\(rule.name)”, so that nobody could tell what each hides")
        }
    }

    mutating func tolerance(_ rule: Tolerance, _ number: Int) {
        path(rule.path, "tolerance", number)
        if rule.relative == nil, rule.absolute == nil {
            note("tolerance", number, "a bound is missing; give “relative” or “absolute”")
        }
        for (name, bound) in [("relative", rule.relative), ("absolute", rule.absolute)] {
            guard let bound, !(bound >= 0) || bound.isInfinite else { continue }
            note("tolerance", number, "“\(name)” is \(bound); it must be 0 or more")
        }
        if let relative = rule.relative, relative >= 1 {
            note(
                "tolerance",
                number,
                "“relative” is \(relative), which admits any two numbers of the same sign; it must be less than 1"
            )
        }
    }

    /// Rules beneath a place that an `ignore` rule hides.
    mutating func hidden() {
        let ignored = seen.filter { $0.section == "ignore" }
        for rule in seen where rule.section != "ignore" {
            if let above = ignored.first(where: { $0.path.covers(rule.path) }) {
                note(rule.section, rule.number, "“ignore” hides all of \(above.path), so this rule is never asked")
            }
        }
    }
}

public import LosslessJSON
public import Migration

/// Finds where two JSON values differ, under the rules of a task.
public struct JSONComparison: Sendable {
    /// A place where they differ.
    public struct Found: Sendable, Equatable {
        public var path: String
        public var legacy: JSON?
        public var shadow: JSON?
        /// The name of the rule that hides it; nil if it counts.
        public var rule: String?
        /// What else there is to say of it.
        public var note: String?
        /// Whether it is not known that they differ either.
        public var isUnknown = false
    }

    /// What comparing two values showed.
    public struct Outcome: Sendable {
        /// The places where they differ, in legacy's order.
        public var found: [Found] = []
        /// The names of the rules whose place was there.
        public var met: Set<String> = []
    }

    let rules: CompiledRules

    /// A comparison under some rules.
    public init(rules: CompareRules) { self.rules = CompiledRules(rules) }

    /// Compares two values.
    public func compare(_ legacy: JSON, _ shadow: JSON) -> Outcome {
        var walk = JSONWalk(rules: rules)
        walk.compare(legacy, shadow, Meeting(rules.root))
        return Outcome(found: walk.found, met: walk.met)
    }
}

/// One walk through two values.
struct JSONWalk {
    let rules: CompiledRules
    var path: [ComparePath.Step] = []
    var found: [JSONComparison.Found] = []
    var met: Set<String> = []

    init(rules: CompiledRules) { self.rules = rules }

    mutating func compare(_ a: JSON, _ b: JSON, _ meeting: Meeting) {
        // Most values are the same, and where no rule can meet them nothing else is asked.
        if meeting.isEmpty, a.isSame(as: b) { return }
        if let number = meeting.first(\.ignore) {
            met.insert(rules.name(.ignore, number))
            if !a.isSame(as: b) { note(a, b, rule: rules.ignore[number].name) }
            return
        }
        switch (a, b) {
        case (.object(let left), .object(let right)): compare(left, right, meeting)
        case (.array(let left), .array(let right)):
            if let number = meeting.first(\.unordered) {
                met.insert(rules.name(.unordered, number))
                compareUnordered(left, right, meeting)
            } else {
                compare(left, right, meeting)
            }
        case (.number(let x), .number(let y)):
            let rule = meeting.first(\.tolerance)
            if let rule { met.insert(rules.name(.tolerance, rule)) }
            guard !x.isSame(as: y) else { return }
            if let rule, rules.tolerances[rule].admits(x.double, y.double) { return }
            note(a, b)
        case (.string(let x), .string(let y)):
            if let rule = meeting.first(\.pattern), let pattern = rules.patterns[rule] {
                met.insert(rules.name(.pattern, rule))
                do throws(BoundedPattern.TooCostly) {
                    let (isLegacys, isShadows) = (try pattern.matches(x), try pattern.matches(y))
                    if !isLegacys || !isShadows {
                        note(a, b, text: "the text is not as its pattern wants it on both sides")
                    }
                } catch {
                    note(a, b, text: error.description, isUnknown: true)
                }
            } else if !sameBytes(x, y) {
                note(a, b)
            }
        default:
            if !a.isSame(as: b) { note(a, b) }
        }
    }

    private mutating func compare(_ left: JSONObject, _ right: JSONObject, _ meeting: Meeting) {
        let (mine, its) = (left.latest, right.latest)
        var done: Set<KeyBytes> = []
        for key in (left.keys + right.keys).lazy.map(KeyBytes.init) where done.insert(key).inserted {
            let inner = meeting.at(key: key.text)
            path.append(.key(key))
            switch (mine[key], its[key]) {
            case (let x?, let y?): compare(x, y, inner)
            case (let x, let y): only(x, y, inner)
            }
            path.removeLast()
        }
    }

    private mutating func compare(_ left: [JSON], _ right: [JSON], _ meeting: Meeting) {
        for index in 0..<max(left.count, right.count) {
            let inner = meeting.at(index: index)
            if inner.isEmpty, index < left.count, index < right.count, left[index].isSame(as: right[index]) {
                continue
            }
            path.append(.index(index))
            if index < left.count, index < right.count {
                compare(left[index], right[index], inner)
            } else {
                only(
                    index < left.count ? left[index] : nil,
                    index < right.count ? right[index] : nil,
                    inner
                )
            }
            path.removeLast()
        }
    }

    /// What is there on one side alone.
    mutating func only(_ a: JSON?, _ b: JSON?, _ meeting: Meeting) {
        let number = meeting.first(\.ignore)
        if let number { met.insert(rules.name(.ignore, number)) }
        note(a, b, rule: number.map { rules.ignore[$0].name })
    }

    mutating func note(_ a: JSON?, _ b: JSON?, rule: String? = nil, text: String? = nil, isUnknown: Bool = false) {
        found.append(
            JSONComparison.Found(
                path: ComparePath(path).description,
                legacy: a,
                shadow: b,
                rule: rule,
                note: text,
                isUnknown: isUnknown
            )
        )
    }
}

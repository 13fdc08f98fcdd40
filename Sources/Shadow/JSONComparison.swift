import LosslessJSON
import Migration

/// Finds where two JSON values differ, under the rules of a task.
struct JSONComparison {
    /// A place where they differ.
    struct Found: Equatable {
        var path: String
        var legacy: JSON?
        var shadow: JSON?
        /// The name of the rule that hides it; nil if it counts.
        var rule: String?
        /// Why it is not known whether they are alike; nil where it is.
        var unknown: String?
    }

    let rules: CompareRules

    func differences(_ legacy: JSON, _ shadow: JSON) -> [Found] {
        var found: [Found] = []
        compare(legacy, shadow, [], &found)
        return found
    }

    /// One step of a path.
    private enum Step: Equatable {
        case key(String)
        case index(Int)
    }

    private func compare(_ a: JSON, _ b: JSON, _ path: [Step], _ found: inout [Found]) {
        if let rule = rules.ignore.first(where: { matches($0.path, path) }) {
            if a.text(.canonical) != b.text(.canonical) {
                found.append(Found(path: text(path), legacy: a, shadow: b, rule: rule.name))
            }
            return
        }
        switch (a, b) {
        case (.object(let left), .object(let right)):
            for key in unique(left.keys + right.keys) {
                let inner = path + [.key(key)]
                switch (left[key], right[key]) {
                case (let x?, let y?): compare(x, y, inner, &found)
                case (let x, let y):
                    let rule = rules.ignore.first { matches($0.path, inner) }?.name
                    found.append(Found(path: text(inner), legacy: x, shadow: y, rule: rule))
                }
            }
        case (.array(let left), .array(let right)):
            if rules.unordered.contains(where: { matches($0, path) }) {
                compareUnordered(left, right, path, &found)
                return
            }
            for index in 0..<max(left.count, right.count) {
                let inner = path + [.index(index)]
                if index < left.count, index < right.count {
                    compare(left[index], right[index], inner, &found)
                } else {
                    found.append(Found(path: text(inner), legacy: a[index], shadow: b[index], rule: nil))
                }
            }
        case (.number(let x), .number(let y)):
            if x.canonical != y.canonical, !isWithinTolerance(x.double, y.double, path) {
                found.append(Found(path: text(path), legacy: a, shadow: b))
            }
        case (.string(let x), .string(let y)):
            if let rule = rules.patterns.first(where: { matches($0.path, path) }),
                let pattern = BoundedPattern(rule.pattern)
            {
                do throws(BoundedPattern.TooCostly) {
                    let (isLegacys, isShadows) = (try pattern.matches(x), try pattern.matches(y))
                    if !isLegacys || !isShadows {
                        found.append(Found(path: text(path), legacy: a, shadow: b))
                    }
                } catch {
                    found.append(Found(path: text(path), legacy: a, shadow: b, unknown: error.description))
                }
            } else if x != y || Array(x.utf8) != Array(y.utf8) {
                found.append(Found(path: text(path), legacy: a, shadow: b))
            }
        default:
            if a != b { found.append(Found(path: text(path), legacy: a, shadow: b)) }
        }
    }

    private func compareUnordered(_ left: [JSON], _ right: [JSON], _ path: [Step], _ found: inout [Found]) {
        var rest = right
        for (index, value) in left.enumerated() {
            // Elements are alike if no difference between them counts.
            let place = rest.firstIndex { other in
                var inner: [Found] = []
                compare(value, other, path + [.index(index)], &inner)
                return inner.allSatisfy { $0.rule != nil }
            }
            if let place {
                rest.remove(at: place)
            } else {
                found.append(Found(path: text(path + [.index(index)]), legacy: value, shadow: nil))
            }
        }
        for value in rest { found.append(Found(path: text(path) + "[*]", legacy: nil, shadow: value)) }
    }

    private func isWithinTolerance(_ x: Double, _ y: Double, _ path: [Step]) -> Bool {
        guard let rule = rules.tolerances.first(where: { matches($0.path, path) }), x.isFinite, y.isFinite else {
            return false
        }
        let distance = abs(x - y)
        if let absolute = rule.absolute, distance <= absolute { return true }
        if let relative = rule.relative, distance <= relative * max(abs(x), abs(y)) { return true }
        return false
    }

    /// Whether a rule's path (`$.rows[*].id`) leads here.
    private func matches(_ pattern: String, _ path: [Step]) -> Bool {
        guard pattern.hasPrefix("$") else { return false }
        var rest = pattern.dropFirst()
        for step in path {
            switch step {
            case .key(let key):
                guard rest.hasPrefix("." + key) else { return false }
                rest = rest.dropFirst(key.count + 1)
                if let next = rest.first, next != ".", next != "[" { return false }
            case .index(let index):
                if rest.hasPrefix("[*]") {
                    rest = rest.dropFirst(3)
                } else if rest.hasPrefix("[\(index)]") {
                    rest = rest.dropFirst("[\(index)]".count)
                } else {
                    return false
                }
            }
        }
        return rest.isEmpty
    }

    private func text(_ path: [Step]) -> String {
        path.reduce("$") { text, step in
            switch step {
            case .key(let key): text + "." + key
            case .index(let index): text + "[\(index)]"
            }
        }
    }

    private func unique(_ keys: [String]) -> [String] {
        var seen: Set<String> = []
        return keys.filter { seen.insert($0).inserted }
    }
}

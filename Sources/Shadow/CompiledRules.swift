import Migration

/// The rules of a task as a tree of places, made once, so that a value is walked together with the rules that can still meet it.
struct CompiledRules: Sendable {
    /// What holds at one place.
    final class Place: Sendable {
        let keys: [KeyBytes: Place]
        let indices: [Int: Place]
        let any: Place?
        /// The number of the first `ignore` rule here.
        let ignore: Int?
        let tolerance: Int?
        let unordered: Int?
        let pattern: Int?

        init(_ rules: [(path: ArraySlice<ComparePath.Step>, kind: Kind, number: Int)]) {
            func first(_ kind: Kind) -> Int? {
                rules.filter { $0.path.isEmpty && $0.kind == kind }.map(\.number).min()
            }
            ignore = first(.ignore)
            tolerance = first(.tolerance)
            unordered = first(.unordered)
            pattern = first(.pattern)
            let deeper = Dictionary(grouping: rules.filter { !$0.path.isEmpty }) { $0.path.first }
            var keys: [KeyBytes: Place] = [:]
            var indices: [Int: Place] = [:]
            var any: Place?
            for (step, inner) in deeper {
                let place = Place(inner.map { ($0.path.dropFirst(), $0.kind, $0.number) })
                switch step {
                case .key(let key)?: keys[key] = place
                case .index(let index)?: indices[index] = place
                case .anyIndex?: any = place
                case nil: break
                }
            }
            self.keys = keys
            self.indices = indices
            self.any = any
        }
    }

    enum Kind: Sendable, Hashable { case ignore, tolerance, unordered, pattern }

    /// The tree; nil where no rule names a place.
    let root: Place?
    let ignore: [IgnoreRule]
    let tolerances: [Tolerance]
    let patterns: [BoundedPattern?]
    /// Every rule by its name in reports, `ignore` first, then `tolerance`, `unordered`, `pattern`.
    let names: [String]
    private let offsets: [Kind: Int]

    init(_ rules: CompareRules) {
        var all: [(path: ArraySlice<ComparePath.Step>, kind: Kind, number: Int)] = []
        func add(_ path: String, _ kind: Kind, _ number: Int) {
            // What is no path was refused when the mapping was read.
            if let path = try? ComparePath(path) { all.append((path.steps[...], kind, number)) }
        }
        for (number, rule) in rules.ignore.enumerated() { add(rule.path, .ignore, number) }
        for (number, rule) in rules.tolerances.enumerated() { add(rule.path, .tolerance, number) }
        for (number, path) in rules.unordered.enumerated() { add(path, .unordered, number) }
        for (number, rule) in rules.patterns.enumerated() { add(rule.path, .pattern, number) }
        root = all.isEmpty ? nil : Place(all)
        ignore = rules.ignore
        tolerances = rules.tolerances
        patterns = rules.patterns.map { BoundedPattern($0.pattern) }
        names = rules.names
        offsets = [
            .ignore: 0, .tolerance: rules.ignore.count, .unordered: rules.ignore.count + rules.tolerances.count,
            .pattern: rules.ignore.count + rules.tolerances.count + rules.unordered.count,
        ]
    }

    func name(_ kind: Kind, _ number: Int) -> String { names[(offsets[kind] ?? 0) + number] }
}

/// The rules that can still meet a value: none, mostly one, two where an element has a rule of its own and one of all.
struct Meeting {
    let places: [CompiledRules.Place]

    static let none = Meeting(places: [])

    init(places: [CompiledRules.Place]) { self.places = places }
    init(_ root: CompiledRules.Place?) { places = root.map { [$0] } ?? [] }

    var isEmpty: Bool { places.isEmpty }

    func at(key: String) -> Meeting {
        guard !places.isEmpty else { return self }
        let key = KeyBytes(key)
        return Meeting(places: places.compactMap { $0.keys[key] })
    }

    func at(index: Int) -> Meeting {
        guard !places.isEmpty else { return self }
        return Meeting(places: places.flatMap { [$0.indices[index], $0.any].compactMap { $0 } })
    }

    /// The first rule of a kind here.
    func first(_ rule: KeyPath<CompiledRules.Place, Int?>) -> Int? {
        places.isEmpty ? nil : places.compactMap { $0[keyPath: rule] }.min()
    }
}

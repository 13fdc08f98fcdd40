import LosslessJSON
import Migration

/// Arrays whose order does not count.
///
/// Elements that may stand for each other are first brought together by what no rule lets differ; within such a class, where tolerances
/// decide, as many pairs as there can be are made, not the first that fit.
extension JSONWalk {
    mutating func compareUnordered(_ left: [JSON], _ right: [JSON], _ meeting: Meeting) {
        var pairs: [(Int, Int)] = []
        let leftClasses = classes(left, meeting)
        let rightClasses = classes(right, meeting)
        for (shape, mine) in leftClasses.members {
            guard let its = rightClasses.members[shape] else { continue }
            pairs += paired(mine, its, left, right, meeting, leftClasses, rightClasses)
        }
        var isPaired = [Bool](repeating: false, count: left.count)
        var isTaken = [Bool](repeating: false, count: right.count)
        for (a, b) in pairs { (isPaired[a], isTaken[b]) = (true, true) }
        // What rules hide between the two of a pair is counted as anywhere else.
        for (a, b) in pairs.sorted(by: { $0.0 < $1.0 }) {
            let inner = meeting.at(index: a)
            if inner.isEmpty { continue }
            path.append(.index(a))
            compare(left[a], right[b], inner)
            path.removeLast()
        }
        for index in left.indices where !isPaired[index] {
            path.append(.index(index))
            only(left[index], nil, meeting.at(index: index))
            path.removeLast()
        }
        for index in right.indices where !isTaken[index] {
            path.append(.anyIndex)
            only(nil, right[index], meeting.at(index: index))
            path.removeLast()
        }
    }

    /// Elements by what no rule lets differ, and the numbers that a tolerance lets differ.
    private struct Classes {
        var members: [ElementShape: [Int]] = [:]
        var numbers: [Int: [(value: Double, rule: Int)]] = [:]
    }

    private func classes(_ elements: [JSON], _ meeting: Meeting) -> Classes {
        var classes = Classes()
        for (index, element) in elements.enumerated() {
            var reading = ElementReading(rules: rules)
            reading.read(element, meeting.at(index: index))
            classes.members[reading.shape, default: []].append(index)
            if !reading.numbers.isEmpty { classes.numbers[index] = reading.numbers }
        }
        return classes
    }

    /// The pairs of one class.
    private func paired(
        _ mine: [Int],
        _ its: [Int],
        _ left: [JSON],
        _ right: [JSON],
        _ meeting: Meeting,
        _ leftClasses: Classes,
        _ rightClasses: Classes
    ) -> [(Int, Int)] {
        func differs(_ a: Int, _ b: Int) -> Bool {
            var walk = JSONWalk(rules: rules)
            walk.compare(left[a], right[b], meeting.at(index: a))
            return walk.found.contains { $0.rule == nil }
        }
        guard let first = mine.first, let numbers = leftClasses.numbers[first], !numbers.isEmpty else {
            // Nothing of them may differ but what is ignored: those that are the same in that as well come first.
            var byText: [String: [Int]] = [:]
            for index in its.reversed() { byText[right[index].text(.canonical), default: []].append(index) }
            var pairs: [(Int, Int)] = []
            var rest: [Int] = []
            for index in mine {
                if let other = byText[left[index].text(.canonical)]?.popLast() {
                    pairs.append((index, other))
                } else {
                    rest.append(index)
                }
            }
            let others = byText.values.flatMap { $0 }.sorted()
            return pairs + zip(rest, others).filter { !differs($0, $1) }
        }
        // Sorted by their first number, the elements that one may stand for lie side by side.
        func value(_ classes: Classes, _ index: Int) -> Double { classes.numbers[index]?.first?.value ?? 0 }
        let a = mine.sorted { (value(leftClasses, $0), $0) < (value(leftClasses, $1), $1) }
        let b = its.sorted { (value(rightClasses, $0), $0) < (value(rightClasses, $1), $1) }
        let tolerance = rules.tolerances[numbers[0].rule]
        if numbers.count == 1 {
            var pairs: [(Int, Int)] = []
            var (i, j) = (0, 0)
            while i < a.count, j < b.count {
                let (x, y) = (value(leftClasses, a[i]), value(rightClasses, b[j]))
                if tolerance.admits(x, y) {
                    pairs.append((a[i], b[j]))
                    i += 1
                    j += 1
                } else if x < y {
                    i += 1
                } else {
                    j += 1
                }
            }
            return rules.patterns.isEmpty ? pairs : pairs.filter { !differs($0, $1) }
        }
        var window = 0
        var candidates: [[Int]] = []
        for index in a {
            let x = value(leftClasses, index)
            while window < b.count, !tolerance.admits(x, value(rightClasses, b[window])),
                value(rightClasses, b[window]) < x
            {
                window += 1
            }
            var found: [Int] = []
            var place = window
            while place < b.count, tolerance.admits(x, value(rightClasses, b[place])) {
                if !differs(index, b[place]) { found.append(place) }
                place += 1
            }
            candidates.append(found)
        }
        return BestMatching.pairs(candidates, others: b.count).map { (a[$0], b[$1]) }
    }
}

/// The largest number of pairs between two rows where each may stand with few of the other (Hopcroft and Karp).
enum BestMatching {
    /// - Parameter candidates: for each of the first row, whom of the second it may stand with.
    static func pairs(_ candidates: [[Int]], others: Int) -> [(Int, Int)] {
        var partner = [Int?](repeating: nil, count: candidates.count)
        var holder = [Int?](repeating: nil, count: others)
        while true {
            // How far each of the first row is from a free one, along paths that change sides.
            var level = [Int?](repeating: nil, count: candidates.count)
            var row = candidates.indices.filter { partner[$0] == nil }
            for index in row { level[index] = 0 }
            var reached = false
            while !row.isEmpty, !reached {
                var next: [Int] = []
                for index in row {
                    for other in candidates[index] {
                        guard let owner = holder[other] else {
                            reached = true
                            continue
                        }
                        if level[owner] == nil {
                            level[owner] = (level[index] ?? 0) + 1
                            next.append(owner)
                        }
                    }
                }
                row = next
            }
            guard reached else { break }
            var tried = [Int](repeating: 0, count: candidates.count)
            for start in candidates.indices where partner[start] == nil {
                augment(start, candidates, level, &tried, &partner, &holder)
            }
        }
        return partner.enumerated().compactMap { index, other in other.map { (index, $0) } }
    }

    /// Follows one path to a free partner, without recursion, and exchanges along it.
    private static func augment(
        _ start: Int,
        _ candidates: [[Int]],
        _ level: [Int?],
        _ tried: inout [Int],
        _ partner: inout [Int?],
        _ holder: inout [Int?]
    ) {
        var trail: [(index: Int, other: Int)] = []
        var index = start
        while true {
            guard tried[index] < candidates[index].count else {
                guard let last = trail.popLast() else { return }
                index = last.index
                continue
            }
            let other = candidates[index][tried[index]]
            tried[index] += 1
            guard let owner = holder[other] else {
                trail.append((index, other))
                for step in trail { (partner[step.index], holder[step.other]) = (step.other, step.index) }
                return
            }
            if level[owner] == (level[index] ?? 0) + 1 {
                trail.append((index, other))
                index = owner
            }
        }
    }
}

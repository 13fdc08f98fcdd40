/// The times of one period of a recurrence rule in order: each of its days at each of their times, or those of them that `bysetpos` chooses.
/// They are not written out, for a year may have millions.
struct PeriodTimes: Sendable {
    private let days: [Int]
    private let times: [Int64]
    private let offset: Int64
    /// Which of all pairs of a day and a time count, ascending; nil for all.
    private let chosen: [Int]?
    private var next = 0
    private let end: Int

    /// The times of a period.
    ///
    /// - Parameters:
    ///   - days: since 1970, ascending.
    ///   - times: seconds of each day, ascending.
    ///   - offset: seconds east of UTC in which they are read.
    ///   - positions: the rule's `bysetpos`; none for all.
    init(days: [Int], times: [Int64], offset: Int64, positions: [Int]) {
        (self.days, self.times, self.offset) = (days, times, offset)
        let size = days.count * times.count
        if positions.isEmpty {
            chosen = nil
            end = size
        } else {
            let indices = positions.map { $0 > 0 ? $0 - 1 : size + $0 }.filter { $0 >= 0 && $0 < size }
            let sorted = Set(indices).sorted()
            chosen = sorted
            end = sorted.count
        }
    }

    /// How many are left.
    var count: Int { end - next }

    /// Takes the first in epoch seconds.
    mutating func popFirst() -> Int64? {
        guard next < end else { return nil }
        defer { next += 1 }
        return time(next)
    }

    /// Drops those before an instant in epoch seconds.
    ///
    /// - Returns: how many.
    mutating func drop(before instant: Int64) -> Int {
        guard next < end, time(next) < instant else { return 0 }
        let first = next
        var high = end
        while high - next > 1 {
            let middle = (next + high) / 2
            if time(middle) < instant { next = middle } else { high = middle }
        }
        next = high
        return next - first
    }

    private func time(_ index: Int) -> Int64 {
        let pair = chosen.map { $0[index] } ?? index
        return Int64(days[pair / times.count]) * 86_400 + times[pair % times.count] - offset
    }
}

extension ComparisonSummary {
    /// How long runs of a side took, in seconds.
    public struct Durations: Sendable, Hashable {
        /// A value that so many of 100 runs stay under, with what it lies within at 95 % confidence.
        public struct Quantile: Sendable, Hashable {
            /// The value.
            public var value: Double
            /// What it is at least; nil where there are too few runs to say.
            public var low: Double?
            /// What it is at the most; nil where there are too few runs to say.
            public var high: Double?

            /// Makes a quantile.
            public init(_ value: Double, low: Double? = nil, high: Double? = nil) {
                self.value = value
                self.low = low
                self.high = high
            }
        }

        /// Where a quantile and the bounds of its interval stand in a row of sorted values, counted from 0.
        ///
        /// The interval is that of order statistics: it takes nothing for granted of how durations are spread.
        public struct Place: Sendable, Hashable {
            /// The quantile's own place.
            public var value: Int
            /// The lower bound's; nil where it lies before the first.
            public var low: Int?
            /// The upper bound's; nil where it lies behind the last.
            public var high: Int?

            /// The places of a quantile, given in 100ths, among so many values.
            public init(_ percent: Int, of count: Int) {
                value = max(0, min(count - 1, count * percent / 100))
                let share = Double(percent) / 100
                let middle = Double(count) * share
                let half = 1.96 * (middle * (1 - share)).squareRoot()
                let first = Int((middle - half).rounded(.down)) - 1
                let last = Int((middle + half).rounded(.up))
                low = first >= 0 ? first : nil
                high = last < count ? last : nil
            }
        }

        /// How many have a duration.
        public var count: Int
        /// The median.
        public var median: Quantile
        /// The 95th percentile.
        public var p95: Quantile

        /// Makes durations.
        public init(count: Int, median: Quantile, p95: Quantile) {
            self.count = count
            self.median = median
            self.p95 = p95
        }

        /// The durations of a list; nil of an empty one.
        public init?(_ values: [Double]) {
            guard !values.isEmpty else { return nil }
            let sorted = values.sorted()
            self.init(count: sorted.count) { sorted[$0] }
        }

        /// Durations whose sorted values are asked for by their place.
        public init(count: Int, value: (Int) throws -> Double) rethrows {
            func quantile(_ percent: Int) throws -> Quantile {
                let place = Place(percent, of: count)
                return Quantile(
                    try value(place.value),
                    low: try place.low.map(value),
                    high: try place.high.map(value)
                )
            }
            self.init(count: count, median: try quantile(50), p95: try quantile(95))
        }
    }

    /// How the durations of shadow compare with those of legacy.
    public struct Pace: Sendable, Hashable {
        /// What two values show whose intervals are known.
        public enum Standing: String, Sendable, Hashable, CaseIterable {
            /// Shadow's is larger, and no chance explains it.
            case slower
            /// Shadow's is smaller, and no chance explains it.
            case faster
            /// Chance may explain what they differ by.
            case same
            /// There are too few runs to say.
            case unknown
        }

        /// By the medians.
        public var median: Standing
        /// By the 95th percentiles: slow runs that a median does not show.
        public var p95: Standing

        /// Compares two sides.
        public init(_ legacy: Durations, _ shadow: Durations) {
            median = Pace.standing(legacy.median, shadow.median)
            p95 = Pace.standing(legacy.p95, shadow.p95)
        }

        private static func standing(_ legacy: Durations.Quantile, _ shadow: Durations.Quantile) -> Standing {
            if let low = shadow.low, let high = legacy.high, low > high { return .slower }
            if let high = shadow.high, let low = legacy.low, high < low { return .faster }
            let isBounded = legacy.low != nil && legacy.high != nil && shadow.low != nil && shadow.high != nil
            return isBounded ? .same : .unknown
        }

        /// In words; nil where nothing is known.
        public var words: String? {
            switch (median, p95) {
            case (.unknown, .unknown): nil
            case (.slower, .slower): "shadow is slower"
            case (.faster, .faster): "shadow is faster"
            case (.slower, .faster): "most runs of shadow are slower, its slowest are faster"
            case (.faster, .slower): "most runs of shadow are faster, its slowest are slower"
            case (.slower, _): "shadow is slower by the median"
            case (.faster, _): "shadow is faster by the median"
            case (_, .slower): "the slowest runs of shadow are slower, which the median does not show"
            case (_, .faster): "the slowest runs of shadow are faster"
            case (.same, _), (_, .same): "chance may explain what they differ by"
            }
        }
    }
}

import Migration
import Testing

@Suite("How long both sides took, as distributions") struct DurationsTests {
    private typealias Durations = ComparisonSummary.Durations
    private typealias Pace = ComparisonSummary.Pace

    /// Values that are spread as evenly as can be between two bounds.
    private func spread(_ count: Int, _ from: Double, _ until: Double) -> [Double] {
        (0..<count).map { from + (until - from) * Double($0) / Double(max(1, count - 1)) }
    }

    @Test func aFewRunsHaveNoInterval() throws {
        let few = try #require(Durations([3, 1, 2]))
        #expect(few.median == Durations.Quantile(2) && few.p95.value == 3 && few.p95.high == nil)
        #expect(Durations([]) == nil)
        let pace = Pace(few, try #require(Durations([30, 10, 20])))
        #expect(pace.median == .unknown && pace.p95 == .unknown && pace.words == nil)
    }

    /// The bounds of order statistics are those of the binomial distribution, to the place: R's qbinom(c(.025, .975), n, q) is within one.
    @Test(arguments: [(100, 50, 39, 60), (1000, 50, 468, 531), (1000, 95, 935, 964), (400, 95, 370, 389)])
    func boundsStandWhereTheBinomialDistributionSays(_ count: Int, _ percent: Int, _ low: Int, _ high: Int) throws {
        let place = Durations.Place(percent, of: count)
        let (least, most) = (try #require(place.low), try #require(place.high))
        #expect(abs(least - low) <= 1 && abs(most - high) <= 1)
    }

    @Test func slowerAndFasterAreToldWhereChanceDoesNotExplainIt() throws {
        let legacy = try #require(Durations(spread(400, 0.9, 1.1)))
        let slower = try #require(Durations(spread(400, 1.9, 2.1)))
        #expect(Pace(legacy, slower).words == "shadow is slower")
        #expect(Pace(slower, legacy).words == "shadow is faster")
        #expect(Pace(legacy, legacy).words == "chance may explain what they differ by")
    }

    @Test func slowRunsThatTheMedianDoesNotShowAreTold() throws {
        let legacy = try #require(Durations(spread(400, 0.9, 1.1)))
        // One in ten takes ten times as long.
        let shadow = try #require(Durations(spread(360, 0.9, 1.1) + spread(40, 9, 11)))
        let pace = Pace(legacy, shadow)
        #expect(pace.median == .same && pace.p95 == .slower)
        #expect(pace.words == "the slowest runs of shadow are slower, which the median does not show")
    }

    @Test func everyStandingHasWordsButTheUnknown() {
        for median in Pace.Standing.allCases {
            for p95 in Pace.Standing.allCases {
                var pace = Pace(Durations(count: 1) { _ in 1 }, Durations(count: 1) { _ in 1 })
                pace.median = median
                pace.p95 = p95
                #expect((pace.words == nil) == (median == .unknown && p95 == .unknown))
            }
        }
    }
}

import Migration
import Schedules
import Testing

@Suite("Whose run is it") struct TickAttributionTests {
    private let entry = EntryID(source: "s", name: "e")

    private func at(_ seconds: Double) -> Instant {
        Instant(microseconds: 1_795_392_000_000_000 + Int64(seconds * 1e6))
    }

    private func run(_ id: String, started: Double?, ended: Double, origin: String? = nil, sent: Double? = nil)
        -> ObservedRun
    {
        ObservedRun(
            entry: entry,
            run: id,
            sent: sent.map(at),
            started: started.map(at),
            ended: at(ended),
            origin: origin
        )
    }

    /// Sightings of a clock that fired at these seconds, read right after each.
    private func clock(_ fires: [Double], from count: Int = 1) -> [ClockSighting] {
        fires.enumerated().map { number, fire in
            ClockSighting(entry: entry, last: at(fire), count: count + number, seen: at(fire + 0.3))
        }
    }

    private func every(_ seconds: Double) throws -> TickAttribution {
        TickAttribution(schedule: .interval(try Interval(seconds: seconds)), zone: .utc)
    }

    private func standings(_ answer: TickAttribution.Answer) -> [String: ObservedRun.Standing] {
        Dictionary(answer.runs.map { ($0.run, $0.standing) }, uniquingKeysWith: { a, _ in a })
    }

    private func fired(_ answer: TickAttribution.Answer) -> [String: Instant] {
        Dictionary(answer.runs.compactMap { run in run.fired.map { (run.run, $0) } }, uniquingKeysWith: { a, _ in a })
    }

    @Test func callsByHandAreNoTicks() throws {
        // Beat fired once, at 0; five calls were made by hand later.
        let runs =
            [run("beat", started: 0.01, ended: 0.2)]
            + (1...5).map { run("hand\($0)", started: Double($0) * 7, ended: Double($0) * 7 + 0.2) }
        let answer = try every(60).answer(runs: runs, sightings: clock([0], from: 4))
        #expect(standings(answer)["beat"] == .tick)
        #expect((1...5).allSatisfy { standings(answer)["hand\($0)"] == .notScheduled })
        // Nor are they where beat never fired, or where nobody saw its clock.
        #expect(try every(60).answer(runs: runs, sightings: []).runs.allSatisfy { $0.standing == .notScheduled })
    }

    @Test func theRunRightAfterTheClockMovedIsThatOfTheTickWhicheverEndedFirst() throws {
        let runs = [
            run("hand", started: 2.5, ended: 2.6), run("beat", started: 2.01, ended: 9),
            run("next", started: 12.01, ended: 12.1),
        ]
        let answer = try every(10).answer(runs: runs, sightings: clock([2, 12]))
        #expect(standings(answer) == ["hand": .notScheduled, "beat": .tick, "next": .tick])
    }

    @Test func atMostOneRunIsThatOfATick() throws {
        let runs = (0..<40).map { run("r\($0)", started: 1 + Double($0) * 0.3, ended: 1.1 + Double($0) * 0.3) }
        let answer = try every(3).answer(runs: runs, sightings: clock([1, 4, 7, 10]))
        let taken = answer.runs.filter { $0.standing == .tick }
        #expect(taken.count == 4 && Set(taken.compactMap(\.tick)).count == 4)
        #expect(taken.map(\.run) == ["r0", "r10", "r20", "r30"])
    }

    @Test func whatAnotherTaskSentIsNoTickHoweverWellItFits() throws {
        let runs = [
            run("part", started: 2.001, ended: 2.1, origin: "it is part of the group g"),
            run("beat", started: 2.2, ended: 2.4),
        ]
        #expect(
            try standings(every(10).answer(runs: runs, sightings: clock([2]))) == [
                "part": .notScheduled, "beat": .tick,
            ]
        )
    }

    @Test func twoThatNothingTellsApartAreAmbiguous() throws {
        let runs = [run("a", started: 2.010, ended: 3), run("b", started: 2.015, ended: 3)]
        let answer = try every(10).answer(runs: runs, sightings: clock([2]))
        #expect(standings(answer) == ["a": .ambiguous, "b": .ambiguous])
        // A message that was seen to be sent tells.
        let sent = [run("a", started: 2.010, ended: 3, sent: 2.004), run("b", started: 2.015, ended: 3, sent: 2.1)]
        #expect(try standings(every(10).answer(runs: sent, sightings: clock([2])))["a"] == .tick)
    }

    @Test func runsThatWaitedForAWorkerAreThoseOfTheFiresInTheirOrder() throws {
        // The worker stood still for three fires.
        let runs = [
            run("a", started: 1.01, ended: 1.1), run("b", started: 7.50, ended: 7.51),
            run("c", started: 7.51, ended: 7.52),
            run("d", started: 7.52, ended: 7.53), run("e", started: 9.01, ended: 9.02),
        ]
        let answer = try every(2).answer(runs: runs, sightings: clock([1, 3, 5, 7, 9]))
        #expect(fired(answer) == ["a": at(1), "b": at(3), "c": at(5), "d": at(7), "e": at(9)])
        #expect(answer.runs.allSatisfy { $0.standing == .tick })
    }

    @Test func runsLongerThanTheirIntervalHaveTheRightTick() throws {
        let fires = (0..<20).map { Double($0) * 2.004 }
        let runs = fires.enumerated().map { number, fire in run("r\(number)", started: fire + 0.02, ended: fire + 5.02)
        }
        let answer = try every(2).answer(runs: runs, sightings: clock(fires))
        for (number, fire) in fires.enumerated() { #expect(fired(answer)["r\(number)"] == at(fire)) }
    }

    @Test func ticksOfAnIntervalThatDriftAreFollowedIntoThePast() throws {
        // Nobody watched: only the last fire is known, and the count. The interval drifts by 8 ms, one run is missing.
        let fires = (0..<50).map { Double($0) * 10.008 }
        var runs = fires.enumerated().map { number, fire in run("r\(number)", started: nil, ended: fire + 0.4) }
        runs.remove(at: 20)
        runs += [run("hand", started: nil, ended: 123.0)]
        let sighting = ClockSighting(entry: entry, last: at(fires[49]), count: 900, seen: at(500))
        let answer = try every(10).answer(runs: runs, sightings: [sighting])
        #expect(standings(answer)["hand"] == .notScheduled)
        #expect(standings(answer)["r49"] == .tick)
        #expect(answer.runs.filter { $0.standing == .bySchedule }.count == 48)
        // Never more than were counted.
        let few = ClockSighting(entry: entry, last: at(fires[49]), count: 3, seen: at(500))
        #expect(try every(10).answer(runs: runs, sightings: [few]).runs.filter { $0.standing.counts }.count == 3)
    }

    @Test func aCrontabsRunsOfThePastAreLaidToItsTicksOnceEach() throws {
        let hourly = TickAttribution(schedule: .crontab(try Crontab(cronOrder: "0 * * * *")), zone: .utc)
        var runs = (0..<6).map { run("r\($0)", started: nil, ended: Double($0) * 3600 + 2) }
        runs += (0..<5).map { run("hand\($0)", started: nil, ended: Double($0) * 3600 + 1700) }
        let sighting = ClockSighting(entry: entry, last: at(5 * 3600 + 0.01), count: 90, seen: at(19_000))
        let answer = hourly.answer(runs: runs, sightings: [sighting])
        #expect((0..<5).allSatisfy { standings(answer)["hand\($0)"] == .notScheduled })
        #expect((0..<6).allSatisfy { standings(answer)["r\($0)"]?.counts == true })
        #expect(answer.runs.filter { $0.standing.counts }.compactMap(\.tick) == (0..<6).map { at(Double($0) * 3600) })
    }

    @Test func whatIsMissingShowsAsAFireWithoutARun() throws {
        // Bailey read the clock at 1, and again after nine more fires.
        let sightings = [
            ClockSighting(entry: entry, last: at(1), count: 7, seen: at(1.2)),
            ClockSighting(entry: entry, last: at(19), count: 16, seen: at(19.3)),
        ]
        let runs = [run("first", started: 1.01, ended: 1.1), run("last", started: 19.01, ended: 19.1)]
        let answer = try every(2).answer(runs: runs, sightings: sightings)
        #expect(answer.fires.filter { $0.run == nil && $0.at > at(1) }.count == 8)
        #expect(standings(answer) == ["first": .tick, "last": .tick])
    }
}

public import LosslessJSON
public import Migration
import Schedules
import Synchronization

/// A crossing's way to Airflow and back, tried on something of its own that runs nothing.
public protocol CrossingRehearsal: Sendable {
    /// Takes away what broken-off rehearsals of the same pipeline have left; how many things. They are this one's: it has their lock.
    func sweep() async throws -> Int

    /// Whether legacy sends its messages to a place that only the application's own client reaches.
    func sendsElsewhere() async throws -> Bool

    /// A copy of an entry whose message legacy leads aside, not made yet.
    ///
    /// - Parameter number: which of the pipeline's.
    func copy(number: Int) -> any FiredCopy

    /// Why legacy's own clock is seen not to run, in words; nil where it is seen to run, or nothing shows whether it does.
    func silence() async throws -> String?

    /// Tries the way, a step at a time. What it made is taken away, also when it is interrupted or a step fails.
    ///
    /// - Parameter remove: takes what has a name away where legacy sends elsewhere; nil where it does not.
    /// - Throws: `CancellationError`; or what a step failed of, which stands in the steps as well.
    func run(_ steps: RehearsalSteps, remove: (@Sendable (String) async throws -> Void)?) async throws
}

/// A copy of an entry that legacy's clock fires once, into a queue that nobody consumes.
public protocol FiredCopy: Sendable {
    /// Its name, and that of the exchange and the queue that legacy's message goes to.
    var name: String { get }
    /// The exchange and the queue that the DAG's message goes to.
    var ours: String { get }

    /// Makes it: legacy's clock fires it soon.
    ///
    /// - Parameters:
    ///   - entry: as it was imported.
    ///   - options: those that lead aside.
    /// - Throws: an error of the legacy system, `Refusal` if the inventory does not hold what it is made of, or `JSONError` if that is not JSON.
    func make(of entry: LegacyEntry, options: JSON) async throws

    /// Whether legacy says that it has fired it.
    func hasFired() async throws -> Bool

    /// Takes the entry away; its messages lie at the broker.
    func remove() async throws
}

/// How copies of a pipeline's entries are called.
enum CopyNames {
    /// What the names of all copies for a pipeline begin with.
    static func beginning(_ pipeline: String) -> String { Rehearsal.mark + StableDigest(pipeline).description + "-" }

    /// The names of a message's two places: legacy's, which is that of the copy, and the DAG's.
    ///
    /// - Parameters:
    ///   - instant: of the rehearsal; names hold it.
    ///   - number: which of the pipeline's.
    static func pair(_ pipeline: String, at instant: Instant, number: Int) -> (legacy: String, dag: String) {
        func name(_ offset: Int) -> String {
            beginning(pipeline) + String(instant.microseconds + Int64(1 + 2 * number + offset))
        }
        return (name(0), name(1))
    }
}

/// The steps of a rehearsal as they are done, each timed and told.
public final class RehearsalSteps: Sendable {
    private let pipeline: String
    private let tell: @Sendable (String) -> Void
    private let done = Mutex<[Rehearsal.Step]>([])

    /// None yet.
    public init(_ pipeline: String, tell: @escaping @Sendable (String) -> Void) {
        self.pipeline = pipeline
        self.tell = tell
    }

    /// Those that were done, in order.
    public var steps: [Rehearsal.Step] { done.withLock { $0 } }

    /// Takes one that was timed elsewhere.
    public func take(_ step: Rehearsal.Step) { done.withLock { $0.append(step) } }

    /// Does one: it says whether it passed, and what was seen.
    ///
    /// - Throws: `StepFailed` if it did not pass, or what it throws.
    public func run(_ name: String, _ body: () async throws -> (Bool, String)) async throws {
        let start = ContinuousClock.now
        tell("\(pipeline): rehearsal: \(name) …")
        let (passed, detail) = try await body()
        take(Rehearsal.Step(name: name, seconds: start.elapsedSeconds, passed: passed, detail: detail))
        if !passed { throw StepFailed(name: name, detail: detail) }
    }

    /// Why a rehearsal does not go on.
    public struct StepFailed: Error, CustomStringConvertible {
        let name: String
        let detail: String

        /// One clause.
        public var description: String { "\(name) failed: \(detail)" }
    }
}

extension ContinuousClock.Instant {
    /// Seconds since then, to the millisecond.
    public var elapsedSeconds: Double {
        let elapsed = duration(to: .now).components
        let seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18
        return (seconds * 1000).rounded() / 1000
    }
}

import LosslessJSON
import Migration
import Schedules
import Store

/// What of a cutover of rows can be tried without moving them: beat fires copies of them, and a preview looks at everything that a cutover looks at.
struct DjangoBeatRehearsal: CrossingRehearsal {
    let crossing: DjangoBeatCrossing
    let connection: DjangoBeatSwitch
    /// When the rehearsal began.
    let began: Instant

    func sweep() async throws -> Int {
        try await connection.removeCopies(CopyNames.beginning(crossing.pipeline))
    }

    /// What is sent is taken away by whoever made its places.
    func sendsElsewhere() async throws -> Bool { false }

    func copy(number: Int) -> any FiredCopy {
        RowCopy(
            CopyNames.pair(crossing.pipeline, at: began, number: number),
            connection: connection,
            longest: crossing.bridge.longest
        )
    }

    /// Nothing but what it fires shows such a beat.
    func silence() async throws -> String? { nil }

    func run(_ steps: RehearsalSteps, remove: (@Sendable (String) async throws -> Void)?) async throws {
        try await steps.run("entries of \(crossing.source)") {
            let report = try await crossing.preview(CutoverRequest()).report
            return (report.holds, report.firstRefusal?.found ?? "a cutover would move its entries")
        }
    }
}

/// A copy of a row whose message beat leads aside: same task, arguments and options, once, into a queue that nobody consumes.
struct RowCopy: FiredCopy {
    let name: String
    let ours: String
    private let connection: DjangoBeatSwitch
    private let longest: Double

    init(_ names: (legacy: String, dag: String), connection: DjangoBeatSwitch, longest: Double) {
        (name, ours) = names
        self.connection = connection
        self.longest = longest
    }

    func make(of entry: LegacyEntry, options: JSON) async throws {
        let table = Array(DjangoBeatSwitch.table.utf8)
        guard let row = entry.raw.first(where: { $0.key == table })?.bytes else {
            throw Refusal(.notImported, "the inventory holds no row of \(entry.id)", "Run bailey import")
        }
        try await connection.copy(of: JSON(parsing: row), name: name, options: options, longest: longest)
    }

    func hasFired() async throws -> Bool {
        let answer = try await connection.fired(name)
        guard answer == "gone" else { return answer == "fired" }
        throw Refusal(
            .gone,
            "the copy \(name) is gone: somebody deleted its row",
            "See what deletes rows that it does not know, then run the command again"
        )
    }

    func remove() async throws { _ = try await connection.removeCopies(name) }
}

extension DjangoBeatCrossing {
    var rehearsalWords: String {
        "install the switch in \(source)’s database if it is not there, and look whether \(members.joined(separator: ", ")) can be moved"
    }

    func rehearsing<Value>(_ journal: Journal, _ body: (any CrossingRehearsal) async throws -> Value)
        async throws -> Value?
    {
        let engine = try await engine(journal)
        try await engine.installed()
        return try await body(
            DjangoBeatRehearsal(
                crossing: self,
                connection: engine.connection,
                began: surroundings.around.now()
            )
        )
    }
}

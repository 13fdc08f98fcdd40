import Foundation
import Legacy
import Testing

@testable import Cutover

@Suite("The SQL of a queue's switch") struct QueueSwitchSQLTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// The profile that comes with Bailey.
    static func backgroundJobs() throws -> QueueProfile {
        let file = root.appendingPathComponent("mappings/profiles/background_jobs.yaml")
        return try QueueProfile(yaml: String(contentsOf: file, encoding: .utf8), file: "background_jobs.yaml")
    }

    @Test func thatOfBackgroundJobsIsTheReviewedOne() throws {
        let sql = try QueueSwitchSQL(queue: "jobs", profile: QueueSwitchSQLTests.backgroundJobs(), timezone: "UTC")
        let golden = QueueSwitchSQLTests.root.appendingPathComponent("Tests/CutoverTests/Golden/background_jobs.sql")
        let made = sql.install(roles: [])
        if ProcessInfo.processInfo.environment["BAILEY_WRITE_GOLDEN"] != nil { try Data(made.utf8).write(to: golden) }
        #expect(try String(contentsOf: golden, encoding: .utf8) == made)
    }
}

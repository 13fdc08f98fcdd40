import Foundation
import LosslessJSON
import TestSupport
import Testing

@Suite("The example of a warehouse", .timeLimit(.minutes(2))) struct WarehouseExampleTests {
    private static let example = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "../../mappings/examples/warehouse"
    ).standardizedFileURL

    @Test func itIsImportedPlannedAndGenerated() async throws {
        try await withRedis { redis in
            try redis.addEntry("other")
            let folder = redis.folder.appendingPathComponent("bridge")
            try FileManager.default.copyItem(at: WarehouseExampleTests.example, to: folder)
            let bailey = Bailey(
                in: folder,
                environment: [
                    "CELERY_BROKER_URL": redis.url, "DATABASE_URL": "postgresql://127.0.0.1:1/app",
                    "WAREHOUSE_URL": "postgresql://u:hidden-word@127.0.0.1:1/warehouse",
                ]
            )
            #expect(try await bailey.run("import").status < 2)
            let planned = try await bailey.run("plan", "--json")
            let plan = try JSON(parsing: planned.output)
            let names = ["daily-refreshes", "history-export", "request-log"]
            let findings = plan["findings"]?.array ?? []
            #expect(findings.allSatisfy { !names.contains($0["pipeline"]?.string ?? "") || $0["severity"] != "error" })
            #expect(plan["pipelines"]?.array?.compactMap { $0["id"]?.string }.filter(names.contains) == names)
            let generated = try await bailey.start(["generate"] + names).ended(within: 60)
            #expect(generated.status < 2, "\(generated.errors)")
            for name in names {
                let file = folder.appendingPathComponent("dags/\(name).py")
                let text = try String(contentsOf: file, encoding: .utf8)
                #expect(!text.contains("hidden-word"))
            }
        }
    }
}

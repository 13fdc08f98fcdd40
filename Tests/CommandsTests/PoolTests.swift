import Foundation
import LosslessJSON
import TestSupport
import Testing

@Suite("Pools of the embedded engine", .timeLimit(.minutes(3))) struct PoolTests {
    /// The most bodies that were alive at once, of three runs of each of three pipelines.
    private func most(_ settings: String) async throws -> Int {
        try await withRedis { server in
            var bailey = Bailey(in: server.folder)
            let place = server.folder.path + "/alive"
            try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
            for name in ["a", "b", "c"] {
                try server.addEntry(name, task: name)
                try server.fired(name, last: "2026-01-01T02:00:00", count: 3)
                try server.addResults(0..<3, task: name)
                let body = "touch \(place)/$$; sleep 0.3; ls \(place) | wc -l; rm \(place)/$$"
                try bailey.write(
                    "pipeline: \(name)\ntasks:\n  t:\n    entry: s/\(name)\n    command: [sh, -c, \"\(body)\"]\n    pool: heavy\n    shadow: pure\n",
                    to: "mappings/\(name).yaml"
                )
            }
            try bailey.settle(redis: server.url, more: settings)
            #expect(try await bailey.run("import").status == 0)
            let shadowed = try await bailey.run("shadow", "--from-history")
            #expect([0, 1].contains(shadowed.status), "\(shadowed.errors)")
            let report = try JSON(parsing: try await bailey.run("report", "--json").output)
            let results = (report["pipelines"]?.array ?? []).flatMap { $0["comparisons"]?.array ?? [] }
                .flatMap { $0["differences"]?.array ?? [] }.compactMap { $0["shadow"]?.int }
            return results.max() ?? 0
        }
    }

    @Test func slotsLimitTheBodiesOfAllPipelinesTogether() async throws {
        #expect(try await most("shadow: {parallelism: 6, pools: {heavy: 1}}\n") <= 1)
        #expect(try await most("shadow: {parallelism: 6, pools: {other: 1}}\n") > 1)
    }

    @Test func aPoolWithoutSlotsIsRefused() async throws {
        try await withFolder { folder in
            var bailey = Bailey(in: folder)
            try bailey.settle(redis: "redis://127.0.0.1:1/0", more: "shadow: {pools: {heavy: 0}}\n")
            let ended = try await bailey.run("plan")
            #expect(ended.status == 2)
            #expect(ended.errors.contains("“heavy” is a pool"), "\(ended.errors)")
        }
    }
}

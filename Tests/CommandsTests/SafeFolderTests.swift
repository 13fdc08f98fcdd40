import Foundation
import TestSupport
import Testing

/// Only root can give files away.
@Suite("bailey, in folders of others", .timeLimit(.minutes(2)), .enabled(if: geteuid() == 0)) struct SafeFolderTests {
    private static let settings = """
        version: 1
        sources:
          s: {kind: redbeat, url: redis://127.0.0.1:1}
          q: {kind: queue, profile: own, url: "postgresql://127.0.0.1:1/x"}
        """

    @Test func whatTheySayIsNotRunUnlessItIsNamed() async throws {
        try await withFolder { folder in
            let bailey = Bailey(in: folder)
            try bailey.write(SafeFolderTests.settings, to: "bailey.yaml")
            try bailey.write("pipeline: p\ntasks: {t: {command: [id]}}\n", to: "mappings/p.yaml")
            let profile = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("../../mappings/profiles/background_jobs.yaml")
            try bailey.write(String(contentsOf: profile, encoding: .utf8), to: "mappings/profiles/own.yaml")
            func give(_ path: String, to user: UInt32) {
                #expect(chown(folder.path + (path.isEmpty ? "" : "/" + path), user, user) == 0)
            }
            // Nothing answers there, which is status 3: the file was read.
            let fine = try await bailey.run("import")
            #expect(fine.status == 3, "\(fine.errors)")
            for path in ["bailey.yaml", "", "mappings/profiles", "mappings/profiles/own.yaml"] {
                give(path, to: 12_345)
                let refused = try await bailey.run("import")
                #expect(refused.status == 2, "\(path): \(refused.errors)")
                #expect(refused.errors.contains("12345") && refused.errors.contains("--config"))
                #expect(try await bailey.run("import", "--config", "bailey.yaml").status == 3)
                give(path, to: 0)
            }
            // A link of one's own to what another wrote is no better.
            try bailey.write(SafeFolderTests.settings, to: "theirs")
            give("theirs", to: 12_345)
            try FileManager.default.removeItem(at: folder.appendingPathComponent("bailey.yaml"))
            try FileManager.default.createSymbolicLink(
                at: folder.appendingPathComponent("bailey.yaml"),
                withDestinationURL: folder.appendingPathComponent("theirs")
            )
            #expect(try await bailey.run("import").status == 2)
            // Whoever called sudo works in a folder of their own.
            give("", to: 12_345)
            let sudo = try await Bailey(in: folder, environment: ["SUDO_UID": "12345"]).run("import")
            #expect(sudo.status == 3, "\(sudo.errors)")
        }
    }

    @Test func mappingsAndStateOfOthersAreLeftAlone() async throws {
        try await withFolder { folder in
            let bailey = Bailey(in: folder)
            try bailey.write(
                "version: 1\nsources:\n  s: {kind: redbeat, url: redis://127.0.0.1:1}\n",
                to: "bailey.yaml"
            )
            try bailey.write("pipeline: p\ntasks: {t: {command: [id]}}\n", to: "mappings/p.yaml")
            let inventory = #"{"bailey":"inventory","version":1,"read_at":"2026-11-28T00:00:00Z"}"#
            try bailey.write(inventory, to: "inventory.json")
            let before = try await bailey.run("plan", "--inventory", "inventory.json")
            #expect(before.output.contains("p") && before.errors.contains("12345") == false)
            for path in ["mappings", "mappings/p.yaml", ".bailey"] {
                let place = folder.path + "/" + path
                try FileManager.default.createDirectory(
                    atPath: folder.path + "/.bailey",
                    withIntermediateDirectories: true
                )
                #expect(chown(place, 12_345, 12_345) == 0)
                let refused =
                    try await path == ".bailey"
                    ? bailey.run("report") : bailey.run("plan", "--inventory", "inventory.json")
                #expect(refused.status == 2 && refused.errors.contains("12345"), "\(path): \(refused.errors)")
                #expect(chown(place, 0, 0) == 0)
            }
            #expect(try await bailey.run("plan", "--inventory", "inventory.json").status == before.status)
        }
    }
}

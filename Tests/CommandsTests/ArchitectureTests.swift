import Foundation
import Testing

@Suite("The picture of the rooms") struct ArchitectureTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func text(_ name: String) throws -> String {
        try String(contentsOf: ArchitectureTests.root.appendingPathComponent(name), encoding: .utf8)
    }

    /// The rooms of `Package.swift`, and which each imports.
    private func rooms() throws -> [String: Set<String>] {
        var rooms: [String: Set<String>] = [:]
        let room = /room\(\s*"(?<name>\w+)"(?:,\s*\[(?<imports>[^\]]*)\])?/
        for found in try text("Package.swift").matches(of: room) {
            let imports = (found.output.imports ?? "").matches(of: /"(\w+)"/).map { String($0.output.1) }
            rooms[String(found.output.name)] = Set(imports)
        }
        return rooms.mapValues { $0.filter { rooms[$0] != nil } }
    }

    private func below(_ room: String, _ rooms: [String: Set<String>]) -> Set<String> {
        (rooms[room] ?? []).reduce(into: []) { $0.formUnion(below($1, rooms).union([$1])) }
    }

    @Test func hasTheArrowsOfThePackage() throws {
        let rooms = try rooms()
        #expect(rooms.count > 10)
        var wanted: Set<String> = []
        for (room, imports) in rooms {
            for other in imports where !imports.contains(where: { below($0, rooms).contains(other) }) {
                wanted.insert("\(room) --> \(other)")
            }
        }
        let page = try text("docs/contributing/architecture.md")
        let drawn = Set(page.matches(of: /(\w+) --> (\w+)/).map { "\($0.output.1) --> \($0.output.2)" })
        #expect(
            drawn == wanted,
            "missing: \(wanted.subtracting(drawn).sorted()); too many: \(drawn.subtracting(wanted).sorted())"
        )
        for room in rooms.keys { #expect(page.contains("`\(room)`"), "the table does not name \(room)") }
    }

    /// Systems are made in one place.
    @Test func makesSystemsInOnePlace() throws {
        let sources = ArchitectureTests.root.appendingPathComponent("Sources")
        let files = FileManager.default.enumerator(atPath: sources.path)?.compactMap { $0 as? String } ?? []
        for file in files where file.hasSuffix(".swift") {
            let code = try String(contentsOf: sources.appendingPathComponent(file), encoding: .utf8)
            let makes = ["RedBeatSystem(", "CelerySystem(", "QueueSystem("].filter(code.contains)
            let isItsOwn = file.hasPrefix("Legacy/")
            #expect(makes.isEmpty || isItsOwn || file == "Operations/SystemKind.swift", "\(file) makes \(makes)")
        }
    }

    /// What commands share prints nothing.
    @Test func operationsDoNotPrint() throws {
        let folder = ArchitectureTests.root.appendingPathComponent("Sources/Operations")
        let files = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
        for file in files where file.hasSuffix(".swift") {
            let code = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
            #expect(
                code.firstMatch(of: /(?m)^\s*print\(|Console\.|standardError|standardOutput|import ArgumentParser/)
                    == nil,
                "\(file)"
            )
        }
    }
}

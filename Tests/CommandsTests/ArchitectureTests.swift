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

    /// A dependency that nothing imports is an arrow that is not there; one that is not declared is there by chance.
    @Test func everyTargetDeclaresWhatItImportsAndNothingElse() throws {
        let package = try text("Package.swift")
        let product = /let (\w+) = Target\.Dependency\.product\(name: "(\w+)"/
        let products = Dictionary(
            uniqueKeysWithValues: package.matches(of: product).map { (String($0.output.1), String($0.output.2)) }
        )
        let targets = package.matches(
            of:
                /(?:room|tests|\.executableTarget)\(\s*(?:name: )?"(?<name>\w+)",\s*(?:dependencies: )?\[(?<needs>[^\]]*)\]/
        )
        #expect(targets.count > 30)
        let folders = ["Sources", "Tests", "Benchmarks/compare", "Benchmarks/shadow"]
        let ours = try folders.flatMap {
            try FileManager.default.contentsOfDirectory(atPath: ArchitectureTests.root.appendingPathComponent($0).path)
        }
        for target in targets {
            let name = String(target.output.name)
            let declared = Set(
                target.output.needs.matches(of: /"?(\w+)"?/).map { String($0.output.1) }.map { products[$0] ?? $0 }
            )
            let imported = try imports(of: name, in: folders).intersection(Set(ours).union(products.values))
            #expect(
                declared == imported,
                "\(name) declares and does not import \(declared.subtracting(imported).sorted()), or the reverse: \(imported.subtracting(declared).sorted())"
            )
        }
    }

    /// What the files of a target import.
    private func imports(of target: String, in folders: [String]) throws -> Set<String> {
        var found: Set<String> = []
        for folder in folders.map({ ArchitectureTests.root.appendingPathComponent("\($0)/\(target)") }) {
            let files = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
            for file in files where file.hasSuffix(".swift") {
                let code = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
                let lines = code.matches(of: /(?m)^(?:@\w+ )*(?:public |package )?import (?:\w+ )?(\w+)/)
                found.formUnion(lines.map { String($0.output.1) })
            }
        }
        return found
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

    /// A walk through files that are not there leads nowhere.
    @Test func everyFileThatThePagesNameIsThere() throws {
        let manager = FileManager.default
        let root = ArchitectureTests.root
        var seen = 0
        for page in ["CONTRIBUTING.md", "docs/guarantees.md", "docs/queues.md", "docs/laboratory.md"]
            + ["architecture", "working", "adding"].map({ "docs/contributing/\($0).md" })
        {
            for quoted in try text(page).matches(
                of:
                    /`((?:Sources|Tests|shadow|mappings|docs|scripts|Benchmarks|Legacy|Store|Planning|Schedules|Airflow|Cutover|Shadow)\/[\w\/.-]+)(?:::\w+)?`/
            ) {
                let path = String(quoted.output.1)
                // Names that stand for any.
                if path.contains("NAME") || path.contains("nnn") { continue }
                seen += 1
                let places = [path, "\(path).swift", "Sources/\(path)", "Sources/\(path).swift"]
                let isThere = places.contains { manager.fileExists(atPath: root.appendingPathComponent($0).path) }
                #expect(isThere, "\(page) names \(path)")
            }
        }
        #expect(seen > 30)
    }

    /// What lets a test end the program in the middle is compiled for tests alone.
    @Test func noReleaseHasTheHooksOfTests() throws {
        let sources = ArchitectureTests.root.appendingPathComponent("Sources")
        let files = FileManager.default.enumerator(atPath: sources.path)?.compactMap { $0 as? String } ?? []
        var seen = 0
        for file in files where file.hasSuffix(".swift") {
            let code = try String(contentsOf: sources.appendingPathComponent(file), encoding: .utf8)
            var depth = 0
            for line in code.split(separator: "\n").map({ $0.trimmingCharacters(in: .whitespaces) }) {
                if line.hasPrefix("#if") { depth += depth > 0 || line == "#if DEBUG" ? 1 : 0 }
                if line.hasPrefix("#endif") { depth = max(0, depth - 1) }
                guard ["JournalDeath", "BAILEY_DIE_AT", "environment[\"BAILEY_TRY"].contains(where: line.contains)
                else { continue }
                seen += 1
                #expect(depth > 0, "\(file): \(line)")
            }
        }
        #expect(seen > 2)
    }

    /// A tool that writes where it was started leaves its files in the root.
    @Test func theRootHoldsNothingThatAToolLeft() throws {
        let own: Set = [
            "Benchmarks", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "Package.swift", "README.md",
            "Sources", "Tests",
            "compose.airflow.yaml", "docs", "mappings", "ruff.toml", "scripts", "shadow",
        ]
        // Those that git ignores.
        let made: Set = ["Package.resolved", "dist", "demo"]
        let found = try FileManager.default.contentsOfDirectory(atPath: ArchitectureTests.root.path).filter {
            !$0.hasPrefix(".")
        }
        #expect(Set(found).subtracting(made) == own)
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

import Cutover
import Foundation
import LosslessJSON
import Migration
import Operations
import Settings
import Testing

@testable import Commands

/// What the pages say that a program can check: links, statuses, words, keys.
@Suite("What the documents say") struct DocumentsTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func text(_ name: String) throws -> String {
        try String(contentsOf: DocumentsTests.root.appendingPathComponent(name), encoding: .utf8)
    }

    /// The words between backticks in the first cells of a section's tables.
    private func firstCells(_ page: String, _ section: String) throws -> [String] {
        let sections = try text(page).components(separatedBy: "\n## ")
        let found = try #require(sections.first { $0.hasPrefix(section) }, "\(page) has no section \(section)")
        return found.split(separator: "\n").filter { $0.hasPrefix("| ") }.flatMap { line in
            (line.components(separatedBy: " | ").first ?? "").matches(of: /`([^`]+)`/).map { String($0.output.1) }
        }
    }

    @Test func everyLinkLeadsSomewhere() throws {
        let root = DocumentsTests.root
        let docs = FileManager.default.enumerator(atPath: root.appendingPathComponent("docs").path)?.compactMap {
            $0 as? String
        }
        let pages = ["README.md", "CONTRIBUTING.md"] + (docs ?? []).filter { $0.hasSuffix(".md") }.map { "docs/\($0)" }
        #expect(pages.count > 80)
        var anchors: [String: Set<String>] = [:]
        for page in pages {
            anchors[page] = Set(
                try text(page).matches(of: /(?m)^#+ (.*)$/).map { heading in
                    heading.output.1.lowercased().filter { $0.isLetter || $0.isNumber || "-_ ".contains($0) }
                        .replacing(" ", with: "-")
                }
            )
        }
        for page in pages {
            for link in try text(page).matches(of: /\]\(([^)#\s]*)(?:#([^)\s]*))?\)/) {
                let (path, anchor) = (String(link.output.1), link.output.2.map(String.init))
                if path.contains("://") { continue }
                let folder = root.appendingPathComponent(page).deletingLastPathComponent()
                let target = path.isEmpty ? root.appendingPathComponent(page) : folder.appendingPathComponent(path)
                #expect(FileManager.default.fileExists(atPath: target.path), "\(page) leads to \(path)")
                let name = String(target.standardizedFileURL.path.dropFirst(root.standardizedFileURL.path.count + 1))
                guard let anchor, let known = anchors[name] else { continue }
                #expect(known.contains(anchor), "\(page) leads to #\(anchor) of \(name)")
            }
        }
    }

    @Test func everyStatusIsInTheTable() throws {
        let table = try text("docs/commands.md").matches(of: /(?m)^\| (\d+) \|/).compactMap { Int32($0.output.1) }
        #expect(table == (0..<256).filter { ExitStatus(rawValue: $0) != nil })
    }

    @Test func everyRefusalHasItsRow() throws {
        let words = try firstCells("docs/cutover.md", "Refusals") + firstCells("docs/queues.md", "What is refused")
        #expect(Set(words) == Set(Refusal.Reason.allCases.map(\.rawValue)))
        #expect(words.count == Set(words).count)
    }

    @Test func everyReasonForWhichATaskOfCelerysFailsHasItsRow() throws {
        let folder = DocumentsTests.root.appendingPathComponent("shadow/bailey_runtime")
        let code = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasPrefix("celery_") }
            .map { try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8) }.joined()
        let raised = Set(code.matches(of: /WireError\(\s*"([a-z-]+)"/).map { String($0.output.1) })
        #expect(raised.count > 8)
        // Only a rehearsal, or the asking of workers, ends so.
        let missing = raised.subtracting(["elsewhere", "closed"]).subtracting(
            try firstCells("docs/runtime.md", "Messages to Celery's workers")
        )
        #expect(missing.isEmpty, "\(missing.sorted())")
    }

    @Test func wordsOfDocumentsAreNamedAsTheyAre() throws {
        let json = try text("docs/json.md")
        func words<Word: RawRepresentable & CaseIterable>(_: Word.Type) -> [String] where Word.RawValue == String {
            Word.allCases.map(\.rawValue)
        }
        for word in words(PipelineStatus.Stage.self) + words(LegacyEntry.Kind.self) + words(LegacyFate.self)
            + words(Comparison.Verdict.self) + words(Claim.How.self) + words(SwitchState.self)
            + words(PayloadKind.self) + words(Severity.self) + words(PolicyVerdict.self)
            + words(EntryJudgement.Verdict.self)
            + words(MessageComparison.Verdict.self) + words(DiscoveredSystem.Certainty.self)
            + words(DiscoveredSystem.Outlook.self) + words(ProfileProposal.Confidence.self)
        { #expect(json.contains("`\(word)`"), "\(word)") }
        let policy = try text("docs/policy.md") + text("docs/cutover.md") + text("docs/queues.md")
        for rule in words(PolicyRule.self) { #expect(policy.contains("`\(rule)`"), "\(rule)") }
        let configuration = try text("docs/configuration.md") + text("docs/shadow.md")
        for word in words(MissedTickPolicy.self) + words(RunParameter.Kind.self) + words(ShadowMode.self) {
            #expect(configuration.contains("`\(word)`"), "\(word)")
        }
        let kinds = Difference.Kind.allCases.map { "`\($0.rawValue)`" }.joined(separator: ", ")
        #expect(json.contains("| a difference | `kind` (\(kinds))"))
        #expect(
            Set(try firstCells("docs/shadow.md", "Differences")) == Set(Difference.Kind.allCases.map(\.rawValue))
        )
    }

    /// `pip wheel shadow` is the project of that name on a public index; `pip wheel ./shadow` is ours.
    @Test func pipIsGivenFoldersAsPaths() throws {
        let files = [
            "Makefile", "scripts/python-env", "docs/runtime.md", "docs/findings/BLY072.md", "compose.airflow.yaml",
        ]
        var seen = 0
        for file in files {
            for call in try text(file).matches(of: /pip"? (?:wheel|install) ([^\n`]*)/) {
                seen += 1
                let words = call.output.1.split(separator: " ")
                #expect(words.last?.contains("/") == true || words.contains("-r"), "\(file): \(call.output.0)")
            }
        }
        #expect(seen > 3)
    }

    @Test func everyProfileIsShippedAndHasItsRow() throws {
        let folder = DocumentsTests.root.appendingPathComponent("mappings/profiles")
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).map {
            $0.replacing(".yaml", with: "")
        }
        let embedded = try text("Sources/CTexts/texts.c").matches(of: /mappings\/profiles\/(\w+)\.yaml/)
        #expect(Set(embedded.map { String($0.output.1) }) == Set(files))
        let listed = try text("Sources/Legacy/Queue/ShippedProfiles.swift").matches(of: /"(\w+)": carried_/)
        #expect(Set(listed.map { String($0.output.1) }) == Set(files))
        let rows = try firstCells("docs/queues.md", "Profiles of other systems")
        #expect(Set(rows).subtracting(["profile"]).union(["background_jobs"]) == Set(files))
        #expect(try text("README.md").contains("[\(files.count - 1) profiles]"))
    }

    /// Keys of a schema, wherever they stand in it.
    private func keys(_ schema: JSON) -> Set<String> {
        switch schema {
        case .object(let object):
            object.members.reduce(into: []) { found, member in
                if member.key == "properties" { found.formUnion(member.value.object?.keys ?? []) }
                found.formUnion(keys(member.value))
            }
        case .array(let items): items.reduce(into: []) { $0.formUnion(keys($1)) }
        default: []
        }
    }

    @Test func everyKindOfDocumentIsNamed() throws {
        let sources = DocumentsTests.root.appendingPathComponent("Sources")
        let files = FileManager.default.enumerator(atPath: sources.path)?.compactMap { $0 as? String } ?? []
        let code = try files.filter { $0.hasSuffix(".swift") }.map {
            try String(contentsOf: sources.appendingPathComponent($0), encoding: .utf8)
        }.joined()
        let kinds = Set(code.matches(of: /"bailey": "([a-z-]+)"/).map { String($0.output.1) })
        #expect(kinds.count > 20)
        let page = try text("docs/json.md")
        let headings = page.matches(of: /(?m)^## ([^(\n]*)/).flatMap {
            $0.output.1.split { ", ".contains($0) }.map(String.init)
        }
        // The head of a bundle is a part of its file.
        for kind in kinds.subtracting(headings).subtracting(["bundle"]) {
            #expect(page.contains("`\(kind)`"), "\(kind)")
        }
    }

    @Test func everyKindOfSourceIsInTheSchemaAndDocumented() throws {
        let schema = try JSON(parsing: try text("mappings/schema/bailey.schema.json"))
        let kinds = schema["$defs"]?["source"]?["properties"]?["kind"]?["enum"]?.array?.compactMap(\.string)
        #expect(kinds == SystemKind.all.map(\.settings.name))
        let rows = [try text("README.md"), try text("docs/configuration.md"), try text("docs/json.md")]
        for kind in kinds ?? [] { #expect(rows.allSatisfy { $0.contains("`\(kind)`") }, "\(kind)") }
    }

    @Test func everyKeyOfASchemaIsDocumented() throws {
        let configuration = try text("docs/configuration.md")
        for (name, page) in [
            ("bailey", configuration + (try text("docs/policy.md"))),
            ("mapping", configuration + (try text("docs/shadow.md"))),
            ("profile", configuration), ("policy", try text("docs/policy.md")),
        ] {
            let keys = keys(try JSON(parsing: try text("mappings/schema/\(name).schema.json")))
            #expect(keys.count > 10)
            // Within backticks or an example, as a word of its own.
            let code = page.components(separatedBy: "`").enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
            let examples = page.components(separatedBy: "```").enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
            let words = Set(
                (code + examples).joined(separator: " ").split { !$0.isLetter && $0 != "_" }.map(String.init)
            )
            let missing = keys.subtracting(words)
            #expect(missing.isEmpty, "\(name): \(missing.sorted())")
        }
    }
}

import ArgumentParser
import Foundation
import Operations
import Settings
import Testing

@testable import Commands

/// The page of commands says what the program can do, and nothing that it cannot.
@Suite("What docs/commands.md says of options") struct DocumentedCommandsTests {
    private static let docs = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("docs")

    private func page(_ name: String) throws -> String {
        try String(contentsOf: DocumentedCommandsTests.docs.appendingPathComponent(name), encoding: .utf8)
    }

    /// Options that a text names.
    private func options(_ text: some StringProtocol) -> Set<String> {
        Set(String(text).matches(of: /--[a-z][a-z-]*[a-z]/).map { String($0.output) })
    }

    /// Every command that does something, by the words that call it.
    private func commands(_ root: any ParsableCommand.Type = Bailey.self, _ words: [String] = []) -> [String:
        any ParsableCommand.Type]
    {
        let children = root.configuration.subcommands
        guard !children.isEmpty else { return [words.joined(separator: " "): root] }
        return children.reduce(into: [:]) { found, child in
            let name = child._commandName
            found.merge(commands(child, words + [name])) { first, _ in first }
        }
    }

    /// What `--help` names of a command itself.
    private func offered(_ command: any ParsableCommand.Type) -> Set<String> {
        options(Bailey.helpMessage(for: command, columns: 400).split(separator: "\nOPTIONS:").last ?? "")
    }

    @Test func everyCommandAndOptionThatIsThereIsDocumented() throws {
        let page = try page("commands.md")
        let all = try FileManager.default.contentsOfDirectory(atPath: DocumentedCommandsTests.docs.path).filter {
            $0.hasSuffix(".md")
        }.map { try self.page($0) }.joined()
        let known = commands()
        #expect(known.count > 15)
        for (name, command) in known {
            #expect(page.contains("`\(name)") || page.contains(", `\(name)"), "no row of the table begins with \(name)")
            // Of a pair the page names the one that changes something.
            let missing = offered(command).subtracting(options(all)).subtracting(["--version", "--help"]).filter {
                !all.contains("--no-" + $0.dropFirst(2))
            }
            #expect(missing.isEmpty, "\(name): \(missing.sorted())")
        }
    }

    /// What README says works, and what it says is not there yet.
    @Test func whatIsNotThereYetIsNotThereAndWhatWorksIs() throws {
        let page = try page("../README.md")
        let lists = /\*\*Works today:\*\*([\s\S]*?)\*\*Not yet:\*\*([\s\S]*?)\. Nobody/
        let both = try #require(page.firstMatch(of: lists)).output
        func names(_ text: Substring) -> Set<String> {
            Set(text.matches(of: /`([a-z_ ]+)`/).map { String($0.output.1) })
        }
        let works = names(both.1)
        #expect(works.count > 10)
        #expect(works.subtracting(commands().keys).isEmpty)
        let kinds = Dictionary(uniqueKeysWithValues: SystemKind.all.map { ($0.settings.name, $0) })
        for missing in names(both.2) {
            #expect(commands()[missing] == nil, "\(missing) is a command, and README says that it is not there yet")
            #expect(kinds[missing]?.bridge == nil, "\(missing) has a switch, and README says that it has none yet")
        }
        // The table's third column begins with “yes” where the sort has a switch.
        for row in page.matches(of: /(?m)^\| `([a-z_]+)` \|[^|]*\| (yes|no)/) {
            let kind = try #require(kinds[String(row.output.1)])
            #expect((kind.bridge != nil) == (row.output.2 == "yes"), "\(row.output.1)")
        }
    }

    /// The commands that the page excepts from a rule: those between `All commands but` or `all but` and a word.
    private func excepted(_ page: String, before: String) throws -> Set<String> {
        let sentence = try #require(page.components(separatedBy: before).first?.components(separatedBy: " but ").last)
        return Set(sentence.matches(of: /`([a-z -]+)`/).map { String($0.output.1) })
    }

    @Test func theOptionsOfAllCommandsAreThoseOfAllButTheExcepted() throws {
        let page = try page("commands.md")
        for (option, but) in [
            ("--config", try excepted(page, before: " take `--config PATH`")),
            ("--json", try excepted(page, before: " take `--json`")),
        ] {
            let without = commands().filter { !offered($0.value).contains(option) }.keys
            #expect(Set(without) == but, "\(option)")
        }
    }

    /// `[--days 365]`: what stands there if the option is left out.
    @Test func aNumberInBracketsIsTheDefault() throws {
        let known = commands()
        var seen = 0
        for line in try page("commands.md").split(separator: "\n") where line.hasPrefix("| `") {
            for call in line.dropFirst(2).prefix(while: { $0 != "|" }).matches(of: /`([^`]+)`/) {
                let words = call.output.1.split(separator: " ").map(String.init)
                let names = [words.prefix(2).joined(separator: " "), words.prefix(1).joined()]
                guard let command = names.compactMap({ known[$0] }).first else { continue }
                let help = Bailey.helpMessage(for: command, columns: 400)
                for option in call.output.1.matches(of: /\[(--[a-z-]+) (\d\w*)\]/) {
                    seen += 1
                    let row = help.split(separator: "\n").first { $0.hasPrefix("  \(option.output.1) ") } ?? ""
                    #expect(row.contains("default: \(option.output.2)"), "\(call.output.1): \(row)")
                }
            }
        }
        #expect(seen > 6)
    }

    @Test func everyOptionThatARowNamesIsThere() throws {
        let known = commands()
        for line in try page("commands.md").split(separator: "\n") where line.hasPrefix("| `") {
            let cell = line.dropFirst(2).prefix { $0 != "|" }
            // A cell may name several commands: each in its own quotes.
            for call in cell.matches(of: /`([^`]+)`/).map({ String($0.output.1) }) {
                let words = call.split(separator: " ").prefix { $0.allSatisfy { $0.isLowercase || $0 == "-" } }
                let names = [words.prefix(2).joined(separator: " "), words.prefix(1).joined()]
                guard let command = names.compactMap({ known[$0] }).first else { continue }
                let unknown = options(call).subtracting(offered(command))
                #expect(unknown.isEmpty, "`\(call)`: \(unknown.sorted())")
            }
        }
    }
}

import Foundation
import Migration
import Testing

@Suite("Findings") struct FindingPagesTests {
    private let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("docs/findings")

    @Test func everyFindingHasItsPageAndEveryPageItsFinding() throws {
        #expect(Set(FindingCode.all.map(\.number)).count == FindingCode.all.count)
        let pages = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0 != "README.md" }
        #expect(Set(pages) == Set(FindingCode.all.map { "\($0.id).md" }))
        let index = try String(contentsOf: folder.appendingPathComponent("README.md"), encoding: .utf8)
        for code in FindingCode.all {
            let page = try String(contentsOf: folder.appendingPathComponent("\(code.id).md"), encoding: .utf8)
            #expect(page.hasPrefix("# \(code.id) \(code.name)\n\nSeverity: `\(code.severity.rawValue)`."), "\(code)")
            #expect(index.contains("| [\(code.id)](\(code.id).md) | \(code.name) | `\(code.severity.rawValue)` |"))
        }
    }
}

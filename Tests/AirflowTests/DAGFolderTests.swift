import Airflow
import Foundation
import Migration
import Schedules
import Testing

@Suite("The DAG folder") final class DAGFolderTests {
    private let path = FileManager.default.temporaryDirectory.path + "/bailey-folder-\(UUID().uuidString)"

    deinit { try? FileManager.default.removeItem(atPath: path) }

    private func file(_ summary: String) -> DAGFile {
        let dag = DAGDefinition(
            id: "p",
            name: "p",
            summary: summary,
            clock: PipelineClock(driver: nil, schedule: nil, timezone: "UTC", timetable: nil),
            entries: [],
            tasks: [TaskDefinition(id: "a", body: .untranslatable(reason: "x"))]
        )
        return DAGFile(dag, words: "never", target: .airflow3, gated: true, sources: [:], environments: [:])
    }

    private func text() throws -> String { try String(contentsOfFile: path + "/p.py", encoding: .utf8) }

    @Test func aSecondRunChangesNothing() throws {
        let folder = DAGFolder(path: path)
        #expect(try folder.write(file("one")) == .created)
        let before = try FileManager.default.attributesOfItem(atPath: path + "/p.py")[.systemFileNumber] as? Int
        #expect(try folder.write(file("one")) == .unchanged)
        #expect(try FileManager.default.attributesOfItem(atPath: path + "/p.py")[.systemFileNumber] as? Int == before)
        #expect(try folder.write(file("two")) == .updated)
        #expect(try text() == file("two").text)
        #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["p.py"])
    }

    @Test func handEditsAndFilesOfOthersAreLeftAlone() throws {
        let folder = DAGFolder(path: path)
        _ = try folder.write(file("one"))
        let edited = try text() + "# mine\n"
        try edited.write(toFile: path + "/p.py", atomically: true, encoding: .utf8)
        #expect(try folder.write(file("two")) == .edited)
        #expect(try text() == edited)
        #expect(try folder.write(file("two"), force: true) == .updated)
        try "print(1)\n".write(toFile: path + "/p.py", atomically: true, encoding: .utf8)
        #expect(try folder.write(file("two")) == .foreign)
        #expect(try text() == "print(1)\n")
    }

    @Test func whenWritingFailsTheOldFileIsWholeAndNothingElseIsLeft() throws {
        let folder = DAGFolder(path: path)
        _ = try folder.write(file("one"))
        // The draft's own place is taken by a folder, so that it cannot be made.
        let draft = path + "/p.py.bailey-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(atPath: draft + "/x", withIntermediateDirectories: true)
        #expect(throws: DAGFolderError.self) { try folder.write(self.file("two")) }
        #expect(try text() == file("one").text)
    }
}

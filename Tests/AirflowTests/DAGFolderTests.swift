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
        // What stands in the file's place is a folder, which no file can be put over.
        try FileManager.default.createDirectory(atPath: path + "/p.py/x", withIntermediateDirectories: true)
        #expect(throws: DAGFolderError.self) { try folder.write(self.file("two")) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["p.py"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: path + "/p.py") == ["x"])
    }

    private func mode() throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path + "/p.py")[.posixPermissions] as? Int
    }

    @Test(arguments: [0o600, 0o640, 0o644, 0o400])
    func whoMayReadAFileStaysAsItWas(_ wanted: Int) throws {
        let folder = DAGFolder(path: path)
        _ = try folder.write(file("one"))
        #expect(chmod(path + "/p.py", mode_t(wanted)) == 0)
        let group = geteuid() == 0 ? gid_t(12_345) : getegid()
        #expect(chown(path + "/p.py", geteuid(), group) == 0)
        #expect(try folder.write(file("two")) == .updated)
        #expect(try mode() == wanted)
        let found = try FileManager.default.attributesOfItem(atPath: path + "/p.py")[.groupOwnerAccountID] as? Int
        #expect(found == Int(group))
    }

    @Test func noOneCanPrepareThePlaceOfADraft() throws {
        let folder = DAGFolder(path: path)
        _ = try folder.write(file("one"))
        let other = path + "/other"
        try "mine".write(toFile: other, atomically: true, encoding: .utf8)
        // As earlier versions named it.
        let draft = path + "/p.py.bailey-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createSymbolicLink(atPath: draft, withDestinationPath: other)
        #expect(try folder.write(file("two")) == .updated)
        #expect(try String(contentsOfFile: other, encoding: .utf8) == "mine")
        #expect(try text() == file("two").text)
    }
}

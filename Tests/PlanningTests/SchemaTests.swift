import Foundation
import LosslessJSON
import Migration
import Testing

@testable import Planning

@Suite("The JSON Schemas of mappings and policies") struct SchemaTests {
    @Test func aMappingHasTheKeysThatTheReaderKnows() throws {
        let schema = try schema("mapping")
        #expect(Set(schema["properties"]?.object?.keys ?? []) == Set(Mapping.keys))
        #expect(Set(schema["$defs"]?["task"]?["properties"]?.object?.keys ?? []) == Set(Mapping.taskKeys))
    }

    @Test func aPolicyHasTheKeysThatTheReaderKnows() throws {
        let schema = try schema("policy")
        #expect(Set(schema["properties"]?.object?.keys ?? []) == Set(CutoverPolicy.keys))
        let kinds = schema["properties"]?["tolerate"]?["items"]?["properties"]?["kind"]?["enum"]?.array
        #expect(kinds?.compactMap(\.string) == Difference.Kind.allCases.map(\.rawValue))
    }

    private func schema(_ name: String) throws -> JSON {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(
            contentsOf: root.appendingPathComponent("mappings/schema/\(name).schema.json"),
            encoding: .utf8
        )
        return try JSON(parsing: text)
    }
}

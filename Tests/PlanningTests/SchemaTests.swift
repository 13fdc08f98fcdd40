import Foundation
import LosslessJSON
import Testing

@testable import Planning

@Suite("The mapping's JSON Schema") struct SchemaTests {
    @Test func itHasTheKeysThatTheReaderKnows() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(
            contentsOf: root.appendingPathComponent("mappings/schema/mapping.schema.json"),
            encoding: .utf8
        )
        let schema = try JSON(parsing: text)
        #expect(Set(schema["properties"]?.object?.keys ?? []) == Set(Mapping.keys))
        #expect(Set(schema["$defs"]?["task"]?["properties"]?.object?.keys ?? []) == Set(Mapping.taskKeys))
    }
}

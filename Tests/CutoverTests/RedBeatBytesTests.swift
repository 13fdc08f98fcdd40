import Legacy
import Schedules
import Testing

@Suite struct RedBeatBytesTests {
    @Test func closedLeavesEverythingElseAsItWas() throws {
        let bytes = Array(#"{"name": "é", "enabled": true}"#.utf8)
        #expect(try RedBeatBytes.closed(bytes) == Array(#"{"name": "é", "enabled": false}"#.utf8))
    }
}

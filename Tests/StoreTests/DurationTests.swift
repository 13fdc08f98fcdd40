import Foundation
import Migration
import Store
import Testing

@Suite("How long runs took, as workers told") struct DurationTests {
    @Test func aRunCountsOnceAndEventsComeFirst() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = try StateStore(path: folder.appendingPathComponent("state.sqlite").path)
        func run(_ id: String, _ seconds: Double?) -> StateStore.ToldRun {
            StateStore.ToldRun(run: id, task: "a", seconds: seconds)
        }
        #expect(try store.keep([run("1", 2), run("2", 4), run("3", 6)], source: "s", witness: .log) == 3)
        #expect(try store.keep([run("1", 9), run("4", 8)], source: "s", witness: .log) == 1)
        #expect(try store.durations(source: "s")["a"] == KnownDurations([2, 4, 6, 8], witness: .log))
        // Another log says that it was tried again: what it took in all nobody knows, whatever is read later.
        #expect(try store.keep([run("4", nil)], source: "s", witness: .log) == 0)
        #expect(try store.keep([run("4", 8)], source: "s", witness: .log) == 0)
        #expect(try store.durations(source: "s")["a"]?.runs == 3)
        #expect(try store.durations(source: "other").isEmpty)
        #expect(try store.keep([run("1", 1)], source: "s", witness: .events) == 1)
        #expect(try store.durations(source: "s")["a"] == KnownDurations([1], witness: .events))
        try store.noteEventsOn(["b", "a", "b"], source: "s")
        #expect(try store.eventsOn(source: "s") == ["a", "b"])
        try store.noteEventsOn([], source: "s")
        #expect(try store.eventsOn(source: "s").isEmpty)
    }
}

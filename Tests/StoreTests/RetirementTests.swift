import Foundation
import GRDB
import LosslessJSON
import Schedules
import Store
import TestSupport
import Testing

@Suite("How far a pipeline is retired") struct RetirementTests {
    private func journal(_ store: StateStore, _ pipeline: String, _ operation: String = "retire") -> Journal {
        Journal(store: store, pipeline: pipeline, operation: operation, token: "t", by: "me") { Instant(seconds: 60) }
    }

    @Test func itsStageChangesWithTheLineThatSaysSo() async throws {
        try await withFolder { folder in
            let store = try StateStore(path: folder.path + "/state.sqlite")
            #expect(try store.retirement(pipeline: "p") == nil)
            try journal(store, "p", "cutover").write(.finish, .after, ["answer": "done"])
            #expect(try store.retirement(pipeline: "p") == nil)
            try journal(store, "p").write(.mark, .before)
            #expect(try store.retirement(pipeline: "p") == .begun)
            try journal(store, "p").write(.unmark, .before)
            #expect(try store.retirement(pipeline: "p") == .begun)
            try journal(store, "p").write(.unmark, .after)
            #expect(try store.retirement(pipeline: "p") == nil)
            try journal(store, "p").write(.finish, .after, ["answer": "changed"])
            #expect(try store.retirement(pipeline: "p") == nil)
            try journal(store, "p").write(.finish, .after, ["answer": "done"])
            try journal(store, "q").write(.mark, .after)
            #expect(try store.retirements() == ["p": .finished(Instant(seconds: 60)), "q": .begun])
        }
    }

    @Test func theStagesOfAnEarlierVersionAreTakenFromItsJournal() async throws {
        try await withFolder { folder in
            let store = try StateStore(path: folder.path + "/state.sqlite")
            try journal(store, "p").write(.mark, .after)
            try journal(store, "p").write(.finish, .after, ["answer": "done"])
            try journal(store, "q").write(.mark, .after)
            try journal(store, "q").write(.unmark, .after)
            try journal(store, "r").write(.mark, .before)
            let known = try store.retirements()
            try await DatabaseQueue(path: store.path).write { database in
                try database.execute(sql: "DROP TABLE retirement")
                try database.execute(sql: "DELETE FROM grdb_migrations WHERE identifier LIKE '7 %'")
            }
            #expect(try StateStore(path: store.path).retirements() == known)
            #expect(known == ["p": .finished(Instant(seconds: 60)), "r": .begun])
        }
    }
}

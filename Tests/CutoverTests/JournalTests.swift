import Cutover
import Foundation
import LosslessJSON
import Schedules
import Store
import TestSupport
import Testing

@Suite("The journal and the operators' locks", .timeLimit(.minutes(1))) struct JournalTests {
    @Test func linesAreKeptInOrderAndNobodyChangesThem() async throws {
        try await withFolder { folder in
            let path = folder.path + "/state.sqlite"
            let store = try StateStore(path: path)
            let journal = Journal(
                store: store,
                pipeline: "p",
                operation: "cutover",
                token: "t1",
                by: "me",
                now: SwitchBench.now
            )
            let value = try await journal.step(
                .close,
                ["definition": #"{"a": "é"}"#],
                outcome: { ["found": .number(JSONNumber($0))] }
            ) { 7 }
            #expect(value == 7)
            await #expect(throws: CancellationError.self) {
                try await journal.step(.settle, outcome: { (_: Int) in [:] }) { throw CancellationError() }
            }
            let lines = try StateStore(path: path).journal(pipeline: "p")
            #expect(lines.map(\.step) == [.close, .close, .settle])
            #expect(lines.map(\.phase) == [.before, .after, .before])
            #expect(lines[0].detail["definition"]?.string == #"{"a": "é"}"#)
            #expect(try store.journal(pipeline: "q").isEmpty)
            for statement in ["DELETE FROM journal", "UPDATE journal SET step = 'x'"] {
                let ended = try run(
                    "python3",
                    "-c",
                    "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute(sys.argv[2])",
                    path,
                    statement
                )
                #expect(ended.status != 0 && ended.errors.contains("append-only"), "\(ended)")
            }
        }
    }

    @Test func theSecondOperatorIsToldWhoHoldsIt() async throws {
        try await withFolder { folder in
            let store = try StateStore(path: folder.path + "/state.sqlite")
            let now = SwitchBench.now()
            let first = OperatorLock.Holder.current(token: "t1", operation: "cutover")
            let second = OperatorLock.Holder.current(token: "t2", operation: "rollback")
            func lock(_ holder: OperatorLock.Holder) -> OperatorLock {
                OperatorLock(store: store, pipeline: "p", holder: holder)
            }
            #expect(try lock(first).take(at: now) == .taken)
            #expect(try lock(second).take(at: now.adding(seconds: 9000)) == .held(by: first, since: now))
            #expect(try OperatorLock(store: store, pipeline: "q", holder: second).take(at: now) == .taken)
            #expect(try lock(first).renew(at: now))
            try lock(second).release()
            #expect(try lock(second).take(at: now) == .held(by: first, since: now))
            try lock(first).release()
            #expect(try lock(second).take(at: now) == .taken)
            #expect(try !lock(first).renew(at: now))
        }
    }

    @Test func theLockOfADeadProcessIsTakenOver() async throws {
        try await withFolder { folder in
            let store = try StateStore(path: folder.path + "/state.sqlite")
            let now = SwitchBench.now()
            let me = OperatorLock.Holder.current(token: "t1", operation: "cutover")
            // Its pid is somebody else's by now.
            var dead = me
            dead.token = "t0"
            dead.born = me.born - 1
            #expect(try OperatorLock(store: store, pipeline: "p", holder: dead).take(at: now) == .taken)
            #expect(
                try OperatorLock(store: store, pipeline: "p", holder: me).take(at: now)
                    == .takenOver(from: dead, since: now)
            )
            // On another machine only its silence tells.
            var far = me
            far.token = "t2"
            far.place = "another boot"
            #expect(try OperatorLock(store: store, pipeline: "q", holder: far).take(at: now) == .taken)
            let mine = OperatorLock(store: store, pipeline: "q", holder: me)
            #expect(try mine.take(at: now.adding(seconds: 60)) == .held(by: far, since: now))
            #expect(
                try mine.take(at: now.adding(seconds: OperatorLock.patience + 1)) == .takenOver(from: far, since: now)
            )
        }
    }

    @Test func aSessionHoldsTheLockAndLetsGoOfItWhateverHappens() async throws {
        try await withFolder { folder in
            let store = try StateStore(path: folder.path + "/state.sqlite")
            @Sendable func session() -> OperatorSession {
                OperatorSession(
                    store: store,
                    pipeline: "p",
                    operation: "cutover",
                    now: SwitchBench.now,
                    sleep: { try await Task.sleep(for: .seconds($0)) },
                    note: { _ in }
                )
            }
            try await session().run { _ in
                let refusal = await #expect(throws: Refusal.self) { try await session().run { _ in } }
                #expect(refusal?.reason == .atWork)
            }
            await #expect(throws: CancellationError.self) { try await session().run { _ in throw CancellationError() } }
            try await session().run { _ in }
            #expect(try store.journal(pipeline: "p").map(\.step) == [.end, .end, .end])
        }
    }
}

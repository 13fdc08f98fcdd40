import Foundation
import GRDB
public import Schedules

/// Who is at work on a pipeline. Two operators at once would be safe (each change is decided in the legacy system's own store), but confusing.
public struct OperatorLock: Sendable {
    /// The process that holds, or wants to hold, a lock.
    public struct Holder: Sendable, Hashable {
        /// The token of its run of the operation.
        public var token: String
        /// What it does.
        public var operation: String
        /// User, host and process, for people.
        public var by: String
        /// The machine's boot and the process namespace: only there does a pid mean anything.
        public var place: String
        /// Its process id.
        public var pid: Int32
        /// When that process was born, in clock ticks since the boot: pids are used again.
        public var born: Int64

        /// Makes a holder.
        public init(token: String, operation: String, by: String, place: String, pid: Int32, born: Int64) {
            self.token = token
            self.operation = operation
            self.by = by
            self.place = place
            self.pid = pid
            self.born = born
        }
    }

    /// What came of an attempt to take a lock.
    public enum Attempt: Sendable, Hashable {
        /// It was free.
        case taken
        /// Its holder had died; what it did may be half done.
        case takenOver(from: Holder, since: Instant)
        /// Somebody else holds it.
        case held(by: Holder, since: Instant)
    }

    /// Seconds without a sign of life after which the lock of a process on another machine counts as that of a dead one.
    public static let patience: Int64 = 120

    private let store: StateStore
    private let pipeline: String
    private let holder: Holder

    /// The lock of a pipeline, for a holder.
    public init(store: StateStore, pipeline: String, holder: Holder) {
        self.store = store
        self.pipeline = pipeline
        self.holder = holder
    }

    /// Takes the lock if it is free or its holder is dead; one transaction, so that of two who find a dead holder one gets it.
    ///
    /// - Throws: `StoreError`.
    public func take(at now: Instant) throws(StoreError) -> Attempt {
        try store.change("taking the lock of \(pipeline)") { database in
            var dead: (Holder, Instant)?
            if let row = try Row.fetchOne(
                database,
                sql: "SELECT * FROM operator_lock WHERE pipeline = ?",
                arguments: [pipeline]
            ) {
                let other = Holder(row)
                let since = Instant(iso8601: row["taken_at"]) ?? now
                if other.token != holder.token {
                    let seen = Instant(iso8601: row["seen_at"]) ?? now
                    guard isDead(other, seen: seen, now: now) else { return .held(by: other, since: since) }
                    dead = (other, since)
                }
            }
            try database.execute(
                sql: """
                    INSERT OR REPLACE INTO operator_lock (pipeline, token, operation, "by", place, pid, born, taken_at, seen_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    pipeline, holder.token, holder.operation, holder.by, holder.place, holder.pid, holder.born,
                    now.iso8601, now.iso8601,
                ]
            )
            if let (other, since) = dead { return .takenOver(from: other, since: since) }
            return .taken
        }
    }

    /// Gives a sign of life. Returns whether the lock is still this holder's.
    ///
    /// - Throws: `StoreError`.
    public func renew(at now: Instant) throws(StoreError) -> Bool {
        try store.change("renewing the lock of \(pipeline)") { database in
            try database.execute(
                sql: "UPDATE operator_lock SET seen_at = ? WHERE pipeline = ? AND token = ?",
                arguments: [now.iso8601, pipeline, holder.token]
            )
            return database.changesCount == 1
        }
    }

    /// Lets go of the lock, if it is still this holder's.
    ///
    /// - Throws: `StoreError`.
    public func release() throws(StoreError) {
        try store.write("releasing the lock of \(pipeline)") { database in
            try database.execute(
                sql: "DELETE FROM operator_lock WHERE pipeline = ? AND token = ?",
                arguments: [pipeline, holder.token]
            )
        }
    }

    private func isDead(_ other: Holder, seen: Instant, now: Instant) -> Bool {
        if other.place == holder.place { return Holder.birth(of: other.pid) != other.born }
        return seen.adding(seconds: OperatorLock.patience) < now
    }
}

extension OperatorLock.Holder {
    fileprivate init(_ row: Row) {
        self.init(
            token: row["token"],
            operation: row["operation"],
            by: row["by"],
            place: row["place"],
            pid: row["pid"],
            born: row["born"]
        )
    }

    /// This process, as a holder.
    public static func current(token: String, operation: String) -> OperatorLock.Holder {
        let pid = getpid()
        let boot = (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? ""
        let space = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")) ?? ""
        let user = ProcessInfo.processInfo.environment["SUDO_USER"] ?? NSUserName()
        let host = ProcessInfo.processInfo.hostName
        return OperatorLock.Holder(
            token: token,
            operation: operation,
            by: "\(user) on \(host), process \(pid)",
            place: boot.trimmingCharacters(in: .whitespacesAndNewlines) + " " + space,
            pid: pid,
            born: birth(of: pid) ?? 0
        )
    }

    /// When the process of a pid was born, in clock ticks since the boot; nil if there is none (a zombie is none).
    static func birth(of pid: Int32) -> Int64? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            // The name, in parentheses, may itself hold spaces and parentheses.
            let end = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X" else { return nil }
        return Int64(fields[19])
    }
}

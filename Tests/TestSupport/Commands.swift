public import Foundation
import Synchronization

/// A program that ran to its end.
public struct Ended: Sendable {
    /// Its exit status; for one that a signal ended, the signal's number.
    public let status: Int32
    /// What it wrote on standard output.
    public let output: String
    /// What it wrote on standard error.
    public let errors: String
}

/// A program that runs. It inherits nothing but its three standard files: Foundation's `Process` hands a socket to the child and waits
/// until nobody holds it, which for a program that becomes a daemon is never.
public final class Running: Sendable {
    /// The process id.
    public let pid: Int32
    private let files: (output: URL, errors: URL)
    private let status = Mutex<Int32?>(nil)

    /// Starts a program; what it writes goes to files, so that it never waits for a reader.
    public init(_ words: [String], in folder: URL? = nil, environment: [String: String]? = nil, input: URL? = nil)
        throws
    {
        let place = FileManager.default.temporaryDirectory.appendingPathComponent("bailey-run-\(UUID().uuidString)")
        files = (place.appendingPathExtension("out"), place.appendingPathExtension("err"))
        pid = try spawn(
            words,
            in: folder,
            environment: environment ?? ProcessInfo.processInfo.environment,
            files: [input?.path ?? "/dev/null", files.output.path, files.errors.path]
        )
    }

    /// Whether it has not ended.
    public var isRunning: Bool { reap(WNOHANG) == nil }

    /// Sends it a signal, unless it has ended.
    public func signal(_ number: Int32) { if isRunning { kill(pid, number) } }

    /// What it has written on standard output so far.
    public var outputSoFar: String { text(files.output) }

    /// What it has written on standard error so far.
    public var errorsSoFar: String { text(files.errors) }

    /// Waits for its end, holding the thread: for programs that end soon.
    public func ended() -> Ended {
        let raw = reap(0) ?? 0
        defer { for file in [files.output, files.errors] { try? FileManager.default.removeItem(at: file) } }
        return Ended(
            status: raw & 0x7F == 0 ? (raw >> 8) & 0xFF : raw & 0x7F,
            output: text(files.output),
            errors: text(files.errors)
        )
    }

    /// Waits for its end, and kills it when the time is over.
    public func ended(within seconds: Double) async throws -> Ended {
        do {
            try await waitUntil("process \(pid) has ended", seconds: seconds) { !isRunning }
        } catch {
            signal(SIGKILL)
            throw NotInTime(description: "\(error); it wrote \(ended().errors)")
        }
        return ended()
    }

    private func text(_ file: URL) -> String {
        String(decoding: FileManager.default.contents(atPath: file.path) ?? Data(), as: UTF8.self)
    }

    /// The status that `wait` gives; nil while it runs.
    private func reap(_ options: Int32) -> Int32? {
        status.withLock { status in
            if status == nil {
                var raw: Int32 = 0
                if waitpid(pid, &raw, options) == pid { status = raw }
            }
            return status
        }
    }
}

/// Starts a program with nothing but three files open, and no signal ignored or blocked.
private func spawn(_ words: [String], in folder: URL?, environment: [String: String], files: [String]) throws -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (number, path) in files.enumerated() {
        let flags = number == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC
        posix_spawn_file_actions_addopen(&actions, Int32(number), path, flags, 0o600)
    }
    // glibc has calls for these two that Swift's module of it does not show. Closing what is not open is no error here.
    for descriptor in 3..<Int32(1024) { posix_spawn_file_actions_addclose(&actions, descriptor) }
    let words = (folder.map { ["/usr/bin/env", "-C", $0.path] } ?? []) + words
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in arguments + variables { free(text) } }
    var pid: pid_t = 0
    let code = posix_spawnp(&pid, words[0], &actions, &attributes, &arguments, &variables)
    guard code == 0 else {
        throw NotInTime(description: "\(words[0]) cannot be started: \(String(cString: strerror(code)))")
    }
    return pid
}

/// Runs a program to its end.
@discardableResult
public func run(_ words: String..., in folder: URL? = nil, environment: [String: String]? = nil, input: URL? = nil)
    throws
    -> Ended
{
    try Running(words, in: folder, environment: environment, input: input).ended()
}

/// A condition that did not hold within its limit.
public struct NotInTime: Error, CustomStringConvertible {
    /// What was waited for.
    public let description: String

    /// A condition that did not hold.
    public init(description: String) { self.description = description }
}

/// Waits for a condition.
///
/// - Throws: `NotInTime` after the limit, or what the condition throws.
public func waitUntil(_ what: String, seconds: Double = 60, _ condition: () async throws -> Bool) async throws {
    let end = Date(timeIntervalSinceNow: seconds)
    while try await !condition() {
        guard Date() < end else { throw NotInTime(description: "not within \(seconds) s: \(what)") }
        try await Task.sleep(for: .milliseconds(20))
    }
}

/// A new empty folder, removed after the body.
public func withFolder<Value>(_ body: (URL) async throws -> Value) async throws -> Value {
    let folder = URL(fileURLWithPath: "/tmp/bailey-test-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}

/// A port of the loopback interface that was free a moment ago.
public func freePort() -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
            _ = bind(descriptor, pointer, length)
            _ = getsockname(descriptor, pointer, &length)
        }
    }
    return Int(UInt16(bigEndian: address.sin_port))
}

public import Foundation

/// A program that ran to its end.
public struct Ended: Sendable {
    /// Its exit status; for one that a signal ended, the signal's number.
    public let status: Int32
    /// What it wrote on standard output.
    public let output: String
    /// What it wrote on standard error.
    public let errors: String
}

/// A program that runs.
public final class Running: @unchecked Sendable {
    // Safe: the process is set up before anybody else sees it, and Process locks what is read afterwards.
    private let process = Process()
    private let files: (output: URL, errors: URL)

    /// The process id.
    public var pid: Int32 { process.processIdentifier }
    /// Whether it has not ended.
    public var isRunning: Bool { process.isRunning }

    /// Starts a program; what it writes goes to files, so that it never waits for a reader.
    public init(_ words: [String], in folder: URL? = nil, environment: [String: String]? = nil, input: URL? = nil)
        throws
    {
        let place = FileManager.default.temporaryDirectory.appendingPathComponent("bailey-run-\(UUID().uuidString)")
        files = (place.appendingPathExtension("out"), place.appendingPathExtension("err"))
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = words
        if let folder { process.currentDirectoryURL = folder }
        if let environment { process.environment = environment }
        process.standardInput = try input.map { try FileHandle(forReadingFrom: $0) } ?? FileHandle.nullDevice
        for file in [files.output, files.errors] {
            _ = FileManager.default.createFile(atPath: file.path, contents: nil)
        }
        process.standardOutput = try FileHandle(forWritingTo: files.output)
        process.standardError = try FileHandle(forWritingTo: files.errors)
        try process.run()
    }

    /// What it has written on standard error so far.
    public var errorsSoFar: String { (try? String(contentsOf: files.errors, encoding: .utf8)) ?? "" }

    /// Waits for its end.
    public func ended() -> Ended {
        process.waitUntilExit()
        defer { for file in [files.output, files.errors] { try? FileManager.default.removeItem(at: file) } }
        return Ended(
            status: process.terminationStatus,
            output: (try? String(contentsOf: files.output, encoding: .utf8)) ?? "",
            errors: (try? String(contentsOf: files.errors, encoding: .utf8)) ?? ""
        )
    }
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
}

/// Waits for a condition.
///
/// - Throws: `NotInTime` after the limit, or what the condition throws.
public func waitUntil(_ what: String, seconds: Double = 20, _ condition: () async throws -> Bool) async throws {
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
func freePort() -> Int {
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

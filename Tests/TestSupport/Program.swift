import Foundation

/// The `bailey` that was built with these tests: it lies beside the program that runs them.
public let baileyProgram: String = {
    let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return URL(fileURLWithPath: tests).deletingLastPathComponent().appendingPathComponent("bailey").path
}()

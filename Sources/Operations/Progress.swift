import Dispatch

/// Tells how far something is, first after two seconds and then every five, until it ends.
package func withProgress<Value>(
    _ line: @escaping @Sendable () -> String,
    tell: @escaping @Sendable (String) -> Void,
    _ body: () async throws -> Value
) async rethrows -> Value {
    let ticker = ticker(line, tell)
    defer { ticker.cancel() }
    return try await body()
}

/// The same for what computes without a pause. Inlined, it makes the optimiser of Swift 6.3.1 write code that its own verifier refuses.
@inline(never)
package func withProgress<Value>(
    _ line: @escaping @Sendable () -> String,
    tell: @escaping @Sendable (String) -> Void,
    _ body: () throws -> Value
) rethrows -> Value {
    let ticker = ticker(line, tell)
    defer { ticker.cancel() }
    return try body()
}

private func ticker(
    _ line: @escaping @Sendable () -> String,
    _ tell: @escaping @Sendable (String) -> Void
) -> any DispatchSourceTimer {
    let timer = DispatchSource.makeTimerSource(queue: .global())
    timer.schedule(deadline: .now() + 2, repeating: 5)
    timer.setEventHandler { tell("  " + line()) }
    timer.resume()
    return timer
}

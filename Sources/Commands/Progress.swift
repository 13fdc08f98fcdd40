/// Says on standard error how far something is, first after two seconds and then every five, until it ends.
func withProgress<Value>(
    _ line: @escaping @Sendable () -> String,
    _ body: () async throws -> Value
) async rethrows -> Value {
    let ticker = Task {
        try await Task.sleep(for: .seconds(2))
        while true {
            Console.note("  " + line())
            try await Task.sleep(for: .seconds(5))
        }
    }
    defer { ticker.cancel() }
    return try await body()
}

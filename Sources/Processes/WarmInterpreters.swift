/// The warm interpreters of an engine: one for each interpreter, environment and folder that its bodies have.
public actor WarmInterpreters {
    private enum Place {
        case starting(Task<WarmInterpreter?, Never>)
        case warm(WarmInterpreter)
        /// Each body is a new interpreter.
        case cold
    }

    private let program: String
    private let guardProgram: String
    private let tell: @Sendable (String) -> Void
    private var places: [WarmInterpreter.Kind: Place] = [:]
    /// Those that were used, the latest last.
    private var order: [WarmInterpreter.Kind] = []
    private var losses: [WarmInterpreter.Kind: Int] = [:]
    /// More than so many at once are no gain: the one that was used longest ago goes.
    private static let most = 16
    private static let mostLosses = 3

    /// No interpreter yet.
    ///
    /// - Parameters:
    ///   - program: the text that they run.
    ///   - guardProgram: Bailey's own program; see `BodyGuard`.
    ///   - tell: takes a line for people: why bodies of an interpreter start anew each time.
    public init(program: String, guardProgram: String, tell: @escaping @Sendable (String) -> Void) {
        (self.program, self.guardProgram, self.tell) = (program, guardProgram, tell)
    }

    /// Runs a body; nil if none of it ran, and it is to be started by itself.
    ///
    /// - Throws: `WarmInterpreter.Failure.outputLimit`; `CancellationError`.
    public nonisolated func run(_ kind: WarmInterpreter.Kind, input: String, limit: Int) async throws
        -> WarmInterpreter.Ended?
    {
        guard let interpreter = await interpreter(kind) else { return nil }
        do { return try await interpreter.run(input: input, limit: limit) } catch WarmInterpreter.Failure.gone {
            await lose(kind, interpreter)
            return nil
        }
    }

    private func interpreter(_ kind: WarmInterpreter.Kind) async -> WarmInterpreter? {
        switch places[kind] {
        case .cold: return nil
        case .warm(let interpreter):
            if order.last != kind {
                order.removeAll { $0 == kind }
                order.append(kind)
            }
            return interpreter
        case .starting(let start): return await start.value
        case nil: break
        }
        let start = Task { [program, guardProgram, tell] () -> WarmInterpreter? in
            do { return try await WarmInterpreter(kind, program: program, guardProgram: guardProgram) } catch {
                if case WarmInterpreter.Failure.cold(let why) = error {
                    tell("each body in \(kind.python) starts an interpreter of its own: \(why)")
                }
                return nil
            }
        }
        places[kind] = .starting(start)
        let interpreter = await start.value
        guard case .starting? = places[kind] else { return interpreter }
        places[kind] = interpreter.map { .warm($0) } ?? .cold
        order.append(kind)
        if order.count > WarmInterpreters.most { places[order.removeFirst()] = nil }
        return interpreter
    }

    /// One that is gone is started anew, a few times.
    private func lose(_ kind: WarmInterpreter.Kind, _ interpreter: WarmInterpreter) {
        guard case .warm(let present)? = places[kind], present === interpreter else { return }
        losses[kind, default: 0] += 1
        order.removeAll { $0 == kind }
        places[kind] = losses[kind, default: 0] < WarmInterpreters.mostLosses ? nil : .cold
    }
}

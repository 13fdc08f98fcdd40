import Foundation
import LosslessJSON
import Migration
import Postgres
import Processes
import Schedules
import Shadow

/// What a Python body costs, forked of a warm interpreter and started by itself, and what it takes to compare the rows of two databases.
@main struct ShadowBenchmark {
    static func main() async throws {
        BodyGuard.runIfAsked()
        let words = Array(ProcessInfo.processInfo.arguments.dropFirst())
        switch words.first {
        case "bodies"? where words.count == 4:
            try await bodies(python: words[1], folder: words[2], count: Int(words[3]) ?? 300)
        case "rows"? where words.count == 5: try await rows(words[1], words[2], table: words[3], key: words[4])
        default:
            print("usage: ShadowBenchmark bodies PYTHON FOLDER COUNT | rows LEGACY SHADOW TABLE KEY")
            exit(2)
        }
    }

    private static func bodies(python: String, folder: String, count: Int) async throws {
        try "def quick(number):\n    return number\n".write(
            toFile: folder + "/quick_body.py",
            atomically: true,
            encoding: .utf8
        )
        var costs: [Double] = []
        for (name, isWarm) in [("started", false), ("forked", true)] {
            let runner = BodyRunner(
                environments: ["app": .init(python: python, path: [folder], variables: [:])],
                directory: folder,
                inherited: ["PATH": "/usr/bin:/bin"],
                guardProgram: "/proc/self/exe",
                isWarm: isWarm
            )
            for parallelism in [1, 2] {
                let engine = EmbeddedEngine(
                    runner: runner,
                    parallelism: parallelism,
                    now: { Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) },
                    sleep: { _ in }
                )
                let call = PythonCall(callable: "quick_body:quick", environment: "app", args: [1])
                let one = TaskDefinition(id: "warming", body: .python(call), shadow: .pure)
                _ = try await engine.run([one], payload: nil)
                let tasks = (0..<count).map { TaskDefinition(id: "t\($0)", body: .python(call), shadow: .pure) }
                let (clock, before) = (ContinuousClock(), processorSeconds())
                let began = clock.now
                let run = try await engine.run(tasks, payload: nil)
                let cost = seconds(clock.now - began) / Double(count) * 1000
                let processor = (processorSeconds() - before) / Double(count) * 1000
                guard run.tasks.allSatisfy({ $0.result == 1 }) else { throw CancellationError() }
                if parallelism == 1 { costs.append(cost) }
                print(
                    String(
                        format: "%@, %d at once  %7.2f ms a body, %6.2f ms of processor seen here",
                        name,
                        parallelism,
                        cost,
                        processor
                    )
                )
            }
        }
        print(String(format: "ratio             %7.2f", costs[0] / costs[1]))
    }

    private static func rows(_ legacy: String, _ shadow: String, table: String, key: String) async throws {
        let clock = ContinuousClock()
        let began = clock.now
        let left = try await PostgresConnection(to: try PostgresURL(legacy), statementTimeout: 3600)
        let right = try await PostgresConnection(to: try PostgresURL(shadow), statementTimeout: 3600)
        let effect = TableEffect(connection: "legacy", table: table.split(separator: ".").map(String.init), key: [key])
        let comparison = try await TableComparison(effect, [:], in: left)
        let copy = try await right.copy(comparison.query)
        let file = FileManager.default.temporaryDirectory.path + "/bailey-rows-\(UUID().uuidString).tsv"
        let found = try await comparison.compare(left, with: { try await copy.block() }, file: file)
        unlink(file)
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        print(String(format: "bailey    %7.2f s, %d MB", seconds(clock.now - began), usage.ru_maxrss / 1024))
        print("          \(found.told.joined())")
    }

    private static func seconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return Double(seconds) + Double(attoseconds) / 1e18
    }

    /// Of this process and the children it has waited for.
    private static func processorSeconds() -> Double {
        [RUSAGE_SELF, RUSAGE_CHILDREN].reduce(0) { sum, who in
            var usage = rusage()
            getrusage(__rusage_who_t(who.rawValue), &usage)
            let micro = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec
            return sum + Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(micro) / 1e6
        }
    }
}

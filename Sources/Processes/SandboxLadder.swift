import CSandbox
import Foundation
import Subprocess
import SystemPackage

/// Finds the best sandbox that this machine permits, by trying.
public actor SandboxLadder {
    /// Why there is none, with what would permit it.
    public struct Refusal: Error, Sendable, CustomStringConvertible {
        /// In words.
        public let description: String
    }

    /// What was found: the rung, and why none above it.
    public struct Choice: Sendable, CustomStringConvertible {
        /// The rung.
        public let rung: Sandbox.Rung
        /// Why those above it are not used.
        public let passedOver: [String]

        /// For reports.
        public var description: String {
            passedOver.isEmpty ? "\(rung)" : "\(rung) (\(passedOver.joined(separator: "; ")))"
        }
    }

    private let program: String
    private let path: String
    private let highest: Int
    private let usesBubblewrap: Bool
    private var answer: Task<Choice, any Error>?

    /// A ladder.
    ///
    /// - Parameters:
    ///   - program: Bailey's own program, which is the sandbox; see `Sandbox`.
    ///   - path: where bubblewrap is looked for, as in `PATH`.
    ///   - usesBubblewrap: whether the first rung is tried.
    ///   - highest: the newest of Landlock's interface that is used; 0 for none.
    public init(program: String, path: String, usesBubblewrap: Bool = true, highest: Int = 1000) {
        (self.program, self.path, self.usesBubblewrap, self.highest) = (program, path, usesBubblewrap, highest)
    }

    /// What keeps bodies from everything else on this machine. It is tried once.
    ///
    /// - Throws: `Refusal`.
    public func choice() async throws -> Choice {
        if let answer { return try await answer.value }
        let task = Task { try await self.climb() }
        answer = task
        return try await task.value
    }

    private func climb() async throws -> Choice {
        var reasons: [String] = []
        guard bailey_can_answer_calls() != 0 else {
            throw Refusal(
                description:
                    "this kernel lets no process answer system calls of its children (seccomp, Linux 5.9 and later); a sandbox needs it"
            )
        }
        if !usesBubblewrap {
            reasons.append("bubblewrap is not used")
        } else if let found = bubblewrap {
            if let reason = await failure(of: .bubblewrap(path: found)) {
                reasons.append("bubblewrap cannot be used: \(reason)")
            } else {
                return Choice(rung: .bubblewrap(path: found), passedOver: [])
            }
        } else {
            reasons.append("bubblewrap (bwrap) is not installed")
        }
        let version = min(Int(bailey_landlock_version()), highest)
        if version < 1 {
            reasons.append("this kernel has no Landlock, or was started without it")
        } else if let reason = await failure(of: .landlock(version: version)) {
            reasons.append("Landlock cannot be used: \(reason)")
        } else {
            return Choice(rung: .landlock(version: version), passedOver: reasons)
        }
        throw Refusal(
            description: reasons.joined(separator: "; ")
                + ". Install bubblewrap and permit user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns), or run on a kernel with Landlock (Linux 5.13 and later, “landlock” in /sys/kernel/security/lsm) where the container's seccomp profile allows landlock_* and seccomp"
        )
    }

    /// The program, where a path of `PATH` that nobody else can give has it.
    private var bubblewrap: String? {
        path.split(separator: ":").filter { $0.hasPrefix("/") }.map { "\($0)/bwrap" }.first {
            access($0, X_OK) == 0
        }
    }

    /// Why a program does not run in such a sandbox, or can write outside of it; nil if all holds.
    private func failure(of rung: Sandbox.Rung) async -> String? {
        do {
            let outside = FileManager.default.temporaryDirectory.path
            let sandbox = try Sandbox(rung, in: outside)
            let script = "echo x > inside && test -s inside && ! (echo x > ../outside) 2> /dev/null"
            let words = try sandbox.arguments(
                ["/bin/sh", "-c", script],
                limits: Sandbox.Limits(memory: 256 << 20, cpu: 10, processes: 16, disk: 1 << 20)
            )
            var options = PlatformOptions()
            options.createSession = true
            let result = try await Subprocess.run(
                .path(FilePath(program)),
                arguments: Arguments(words),
                environment: .custom(["PATH": "/usr/bin:/bin"]),
                workingDirectory: FilePath(outside),
                platformOptions: options,
                output: .discarded,
                error: .string(limit: 65_536)
            )
            if sandbox.report().started, result.terminationStatus.isSuccess { return nil }
            let said = result.standardError.split(separator: "\n").first.map(String.init)
            return (said ?? "what was tried in it ended with \(result.terminationStatus)").replacing(
                "bailey-guard: ",
                with: ""
            )
        } catch {
            return "\(error)"
        }
    }
}

import Foundation

/// Puts files into a branch of a git repository, from a clone in a temporary folder, so that nobody's working tree is touched.
struct GitDelivery: Sendable {
    let repository: String
    let branch: String

    /// Hands a fresh clone of the branch to a body.
    func withClone<Value>(_ body: (String) async throws -> Value) async throws -> Value {
        try await Scratch.with { scratch in
            let clone = scratch + "/clone"
            try await git(
                ["clone", "--quiet", "--depth", "1", "--branch", branch, "--single-branch", "--", repository, clone],
                "cloning branch \(branch) of \(GitDelivery.shown(repository))",
                in: scratch
            )
            return try await body(clone)
        }
    }

    /// Commits the files and pushes, in one step for all who read the branch; nothing happens if they are there already.
    func commit(_ files: [DAGDelivery.File], folder: String) async throws {
        let place = GitDelivery.shown(repository)
        try await withClone { clone in
            let target = DAGFolder(path: clone + "/" + folder)
            for file in files { _ = try target.write(file) }
            try await git(["add", "--"] + files.map { folder + "/" + $0.name }, "adding the files", in: clone)
            guard try await !git(["status", "--porcelain"], "looking for changes", in: clone).isEmpty else { return }
            let who = try await Program(variables: GitDelivery.quiet).run(["git", "config", "user.email"], in: clone)
            // Without an identity of the user's own git would refuse.
            let identity = who.succeeded ? [] : ["-c", "user.name=bailey", "-c", "user.email=bailey@localhost"]
            let names = files.map(\.name).joined(separator: ", ")
            try await git(
                identity + ["commit", "--quiet", "-m", "Deploy \(names)"],
                "committing to \(place)",
                in: clone
            )
            try await git(
                ["push", "--quiet", "origin", "HEAD:\(branch)"],
                "pushing to branch \(branch) of \(place)",
                in: clone
            )
        }
    }

    /// Nobody is there to be asked for a password.
    private static let quiet = ["GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes"]

    @discardableResult
    private func git(_ words: [String], _ operation: String, in folder: String) async throws -> String {
        let ending = try await Program(variables: GitDelivery.quiet).run(["git"] + words, in: folder)
        guard ending.succeeded else {
            throw DeliveryError(
                operation,
                "git says: " + GitDelivery.complaint(ending.output),
                "The branch is as it was. Mend it, or run deploy again if somebody pushed meanwhile"
            )
        }
        return ending.output
    }

    /// What git says of a failure, without its warnings.
    private static func complaint(_ output: String) -> String {
        let lines = output.split(separator: "\n").filter { !$0.hasPrefix("warning:") }
        return shown(lines.suffix(4).joined(separator: " "))
    }

    /// A text in which no URL shows credentials.
    static func shown(_ text: String) -> String { text.replacing(/:\/\/[^\/@\s]+@/, with: "://***@") }
}

import Foundation
import Processes

/// Puts files into a branch of a git repository, from a clone in a temporary folder, so that nobody's working tree is touched.
struct GitDelivery: Sendable {
    let repository: GitRepository
    let branch: String
    let variables: [String: String]

    /// - Parameter variables: those that git gets beside the plain ones.
    init(repository: String, branch: String, variables: [String: String] = [:]) {
        self.repository = GitRepository(repository)
        self.branch = branch
        self.variables = variables
    }

    /// The repository for people.
    var shown: String { Credentials.hidden(in: repository.address, secrets: repository.secrets) }

    /// Hands a fresh clone of the branch to a body.
    func withClone<Value>(_ body: (String) async throws -> Value) async throws -> Value {
        try await Scratch.with { scratch in
            let clone = scratch + "/clone"
            try await git(
                [
                    "clone", "--quiet", "--depth", "1", "--branch", branch, "--single-branch", "--", repository.address,
                    clone,
                ],
                "cloning branch \(branch) of \(shown)",
                in: scratch
            )
            return try await body(clone)
        }
    }

    /// Commits the files and pushes, in one step for all who read the branch; nothing happens if they are there already.
    func commit(_ files: [DAGDelivery.File], folder: String) async throws {
        let place = shown
        try await withClone { clone in
            let target = DAGFolder(path: clone + "/" + folder)
            for file in files { _ = try target.write(file) }
            try await git(["add", "--"] + files.map { folder + "/" + $0.name }, "adding the files", in: clone)
            guard try await !git(["status", "--porcelain"], "looking for changes", in: clone).isEmpty else { return }
            let who = try await program.run(["git", "config", "user.email"], in: clone)
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

    private var program: Program {
        Program(variables: GitDelivery.quiet.merging(variables) { $1 }.merging(repository.variables) { $1 })
    }

    @discardableResult
    private func git(_ words: [String], _ operation: String, in folder: String) async throws -> String {
        let ending = try await program.run(["git"] + words, in: folder)
        guard ending.succeeded else {
            throw DeliveryError(
                operation,
                "git says: " + complaint(ending.output),
                "The branch is as it was. Mend it, or run deploy again if somebody pushed meanwhile"
            )
        }
        return ending.output
    }

    /// What git says of a failure, without its warnings.
    private func complaint(_ output: String) -> String {
        let lines = output.split(separator: "\n").filter { !$0.hasPrefix("warning:") }
        return Credentials.hidden(in: lines.suffix(4).joined(separator: " "), secrets: repository.secrets)
    }
}

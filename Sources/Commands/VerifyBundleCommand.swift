import ArgumentParser
import Operations

struct VerifyBundleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify-bundle",
        abstract: "Look whether a bundle of evidence is as bailey report --bundle wrote it.",
        discussion: """
            Each part must have the hash that the manifest says, none may be missing or more, and the parts must agree with one another. Who can change \
            the file can change its hashes as well: with --digest the manifest must be the one whose SHA-256 was told when the bundle was made. \
            Needs no workspace. Ends with status 1 if anything is wrong.
            """
    )

    @Option(help: ArgumentHelp("The SHA-256 of the manifest, as it was told.", valueName: "hex"))
    var digest: String?

    @Flag(name: .long, help: "Print one JSON document on standard output.")
    var json = false

    @Argument(help: "The bundle.")
    var file: String

    func validate() throws {
        if let digest, digest.count != 64 || !digest.allSatisfy(\.isHexDigit) {
            throw ValidationError("--digest is no SHA-256: write its 64 hexadecimal digits.")
        }
    }

    func run() throws {
        let verdict = try BundleVerification.verify(file, digest: digest)
        if json { Console.print(verdict.json) } else { Console.print(verdict.textLines) }
        if !verdict.holds { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
    }
}

import ArgumentParser
import Operations

struct RulesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rules",
        abstract: "Rules of comparing.",
        subcommands: [Propose.self]
    )

    struct Propose: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Propose rules for what changes between legacy's own runs.",
            discussion:
                "Learnt from legacy against legacy, over runs that were compared and had equal inputs. Nothing is written or applied."
        )

        @OptionGroup var common: CommonOptions

        @Argument(help: "The pipeline; all if none is named.")
        var pipeline: String?

        func run() async throws {
            let proposals = try Workspace(common).ruleProposals(pipeline: pipeline)
            if common.json { Console.print(proposals.json) } else { Console.print(proposals.textLines) }
            // That nothing was looked at is no finding that nothing changes.
            if proposals.runs == 0 { throw ExitCode(ExitStatus.doesNotHold.rawValue) }
        }
    }
}

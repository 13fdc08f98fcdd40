import Legacy
import Postgres

/// One row that an expression of the profile cannot take is legacy's, and never stops the moving of the others: what reads many rows at once
/// asks an expression by a function that says nothing of such a row. A trigger has one row, and takes its errors itself.
extension QueueRowSQL {
    /// What may be unknown of a row. A payload or a count is never guessed: an expression that cannot take one is an error.
    private static let guarded = ["type", "status", "started", "due", "key"]

    private var guarded: [(meaning: String, sql: String)] {
        QueueRowSQL.guarded.compactMap { meaning in profile.expressions[meaning].map { (meaning, $0) } }
    }

    /// The same expressions, asked by these functions.
    var guarding: QueueRowSQL {
        var rows = self
        for (meaning, _) in guarded { rows.profile.guards[meaning] = function("says_\(meaning)") }
        return rows
    }

    /// The functions. They take a row of any type, so that nothing of the table hangs on them.
    var guards: String {
        let functions = guarded.map { meaning, sql in
            let type = ["started", "due"].contains(meaning) ? momentType(profile.kind(meaning)) : "text"
            let text = type == "text" ? "::text" : ""
            return """
                CREATE OR REPLACE FUNCTION \(function("says_\(meaning)"))(bailey_row anyelement) RETURNS \(type) LANGUAGE plpgsql STABLE AS $bailey$
                #variable_conflict use_column
                BEGIN
                    RETURN (SELECT (\(sql))\(text) FROM (SELECT bailey_row.*) AS jobs);
                EXCEPTION WHEN data_exception OR cardinality_violation OR integrity_constraint_violation OR external_routine_exception
                    OR external_routine_invocation_exception OR program_limit_exceeded OR plpgsql_error THEN
                    RETURN NULL;
                END $bailey$;
                """
        }
        return functions.joined(separator: "\n\n")
    }

    /// What removes them.
    var guardDrops: [String] {
        QueueRowSQL.guarded.map { "DROP FUNCTION IF EXISTS \(function("says_\($0)"))(anyelement);" }
    }

    /// Reads all that waits as taking it does, by the expressions that no function stands before; nil where there is none.
    var proof: String? {
        let read = ["payload", "attempts", "max_attempts"].filter { profile.expressions[$0] != nil }
        guard !read.isEmpty else { return nil }
        let counts = read.map { $0 == "payload" ? profile.text($0, of: "j") : profile.count($0, of: "j") ?? "NULL" }
        return "SELECT \(counts.map { "count(\($0))" }.joined(separator: ", ")) FROM \(table) j WHERE \(waits("j"))"
    }
}

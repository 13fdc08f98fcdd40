import Migration
import Testing

@Suite("Statements of SQL") struct SQLStatementTests {
    /// A text, and its statements' parts.
    private static let table: [(String, [[String]])] = [
        ("", []), (" ; ;; -- nothing\n /* ; */", []), ("SELECT 1", [["SELECT 1"]]), ("SELECT 1;", [["SELECT 1"]]),
        (" SELECT 1 ;\n SELECT 2 ", [["SELECT 1"], ["SELECT 2"]]),
        ("SELECT :a, :b_2::int, :a", [["SELECT ", "a", ", ", "b_2", "::int, ", "a", ""]]),
        ("SELECT now()::date, x::text[]", [["SELECT now()::date, x::text[]"]]),
        ("SELECT ':a; ''b' || E'\\':c;' || :d", [["SELECT ':a; ''b' || E'\\':c;' || ", "d", ""]]),
        ("SELECT '\\'; SELECT :a", [["SELECT '\\'"], ["SELECT ", "a", ""]]),
        ("SELECT name'x\\' || :a", [["SELECT name'x\\' || ", "a", ""]]),
        ("SELECT \"a;:b\"\"\" FROM t", [["SELECT \"a;:b\"\"\" FROM t"]]),
        ("SELECT 1 -- :a; 'x\nFROM t", [["SELECT 1 -- :a; 'x\nFROM t"]]),
        ("/* :a /* ; */ ' */ SELECT :b", [["/* :a /* ; */ ' */ SELECT ", "b", ""]]),
        ("DO $$ BEGIN x := 1; END $$; SELECT 1", [["DO $$ BEGIN x := 1; END $$"], ["SELECT 1"]]),
        ("DO $b$ :a; $$ ; $b$", [["DO $b$ :a; $$ ; $b$"]]), ("SELECT $1, a$b$c, '::'", [["SELECT $1, a$b$c, '::'"]]),
        // An accent after a quote, and a lone carriage return after a comment.
        ("SELECT '\u{301}'; SELECT ':a', :b", [["SELECT '\u{301}'"], ["SELECT ':a', ", "b", ""]]),
        ("SELECT \"\u{200d}\";\u{fe0f} SELECT 2", [["SELECT \"\u{200d}\""], ["\u{fe0f} SELECT 2"]]),
        ("SELECT 1 -- x\r; SELECT :a --\r\n, 2", [["SELECT 1 -- x"], ["SELECT ", "a", " --\r\n, 2"]]),
        ("SELECT 'open ; :a", [["SELECT 'open ; :a"]]), ("SELECT «:имя», :é", [["SELECT «:имя», :é"]]),
    ]

    @Test func textsAreCutWherePostgreSQLWouldCutThem() {
        for (text, parts) in SQLStatementTests.table {
            #expect(SQLStatement.all(text).map(\.parts) == parts, "\(text)")
        }
    }

    @Test func theFirstWordIsNotThatOfAComment() {
        let words = SQLStatement.all("-- drop\ncommit; /* x */ (select 1); $$x$$").map(\.word)
        #expect(words == ["COMMIT", "", ""])
    }
}

import LosslessJSON
import Testing

@testable import Reports

@Suite("Tables for terminals") struct TextTableTests {
    @Test func oneLongNameHidesNothingOfTheOthers() {
        var table = TextTable(["NAME", "STATE", "WHY"])
        table.add([String(repeating: "a", count: 5000), "live", "x"])
        table.add(["b", "legacy", String(repeating: "y", count: 500)])
        let lines = table.lines()
        #expect(lines.allSatisfy { $0.count <= 160 })
        #expect(lines[0].contains("STATE") && lines[0].hasSuffix("WHY"))
        #expect(lines[1].contains("aaa…  live") && lines[1].hasSuffix("x"))
        #expect(lines[2].hasPrefix("b ") && lines[2].contains("legacy") && lines[2].hasSuffix("y…"))
    }

    /// A terminal gives signs of East Asian scripts and emoji two columns, and marks on other letters none.
    @Test func columnsAreThoseOfATerminal() {
        let table: [(String, Int)] = [
            ("", 0), ("abc", 3), ("é", 1), ("e\u{301}", 1), ("ключ", 4), ("漢字", 4), ("한글", 4), ("ｱ", 1), ("Ａ", 2),
            ("👍", 2),
            ("👩‍👩‍👧‍👦", 2), ("❤️", 2), ("a\u{200D}", 1),
        ]
        for (text, columns) in table { #expect(text.columns == columns, "\(text)") }
        #expect("漢字漢字".cut(columns: 5) == "漢字…" && "漢字".cut(columns: 4) == "漢字" && "漢字".cut(columns: 3) == "漢…")
        var rows = TextTable(["NAME", "B"])
        rows.add(["漢字", "x"])
        rows.add(["abcd", "x"])
        #expect(rows.lines() == ["NAME  B", "漢字  x", "abcd  x"])
    }

    /// Two values that differ in what nobody sees do not look the same.
    @Test func whatNobodySeesIsSpelled() throws {
        let table: [(String, String)] = [
            ("a\u{200B}b", "a\\u200bb"), ("\u{FEFF}a", "\\ufeffa"), ("a\u{AD}", "a\\xad"), ("\u{E0041}", "\\ue0041"),
            ("\u{1B}[1m", "\\x1b[1m"), ("\u{202E}", "\\u202e"), ("👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"), ("می‌خواهم", "می‌خواهم"),
        ]
        for (text, visible) in table {
            #expect(text.visible.unicodeScalars.elementsEqual(visible.unicodeScalars), "\(visible)")
            // In JSON it is an escape, of the same value.
            let json = JSON.string(text).text().visibleJSON
            #expect(
                try JSON(parsing: json).string.map { Array($0.unicodeScalars) } == Array(text.unicodeScalars),
                "\(json)"
            )
            #expect(!json.unicodeScalars.contains { $0.isMisleading || $0.isInvisible })
        }
    }

    @Test func whatFitsIsWhole() {
        var table = TextTable(["A", "B"])
        table.add([String(repeating: "a", count: 100), String(repeating: "b", count: 50)])
        #expect(table.lines()[1] == String(repeating: "a", count: 100) + "  " + String(repeating: "b", count: 50))
    }
}

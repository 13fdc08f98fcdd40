import Reports
import Testing

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

    @Test func whatFitsIsWhole() {
        var table = TextTable(["A", "B"])
        table.add([String(repeating: "a", count: 100), String(repeating: "b", count: 50)])
        #expect(table.lines()[1] == String(repeating: "a", count: 100) + "  " + String(repeating: "b", count: 50))
    }
}

/// Ids that Airflow takes, made of names that may hold anything.
enum PipelineIdentifier {
    /// An id of letters, digits, `_`, `-` and `.`; where characters had to be replaced, a digest of the name keeps it unique.
    static func make(_ name: String) -> String {
        var id = ""
        var changed = false
        for byte in name.utf8 {
            if (97...122).contains(byte) || (65...90).contains(byte) || (48...57).contains(byte) || "_-.".utf8.contains(byte) {
                id.unicodeScalars.append(UnicodeScalar(byte))
            } else {
                changed = true
                if !id.hasSuffix("_") { id.append("_") }
            }
        }
        if id.utf8.count > 120 {
            id = String(id.prefix(120))
            changed = true
        }
        return changed || id.isEmpty ? id + "_" + digest(name) : id
    }

    /// Eight hexadecimal digits of FNV-1a.
    private static func digest(_ text: String) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let digits = String(hash >> 32, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

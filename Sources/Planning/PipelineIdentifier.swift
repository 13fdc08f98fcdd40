import Migration

/// Ids that Airflow takes, made of names that may hold anything.
enum PipelineIdentifier {
    /// An id of letters, digits, `_`, `-` and `.`; where characters had to be replaced, a digest of the name keeps it unique.
    static func make(_ name: String) -> String {
        var id = ""
        var changed = false
        for byte in name.utf8 {
            if (97...122).contains(byte) || (65...90).contains(byte) || (48...57).contains(byte)
                || "_-.".utf8.contains(byte)
            {
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
        return changed || id.isEmpty ? id + "_" + StableDigest(name).description.prefix(8) : id
    }
}

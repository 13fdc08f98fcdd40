/// A short digest that is the same in every run and on every machine (64-bit FNV-1a), for names and for noticing changed files. It protects
/// against accidents, not against forgery.
public struct StableDigest: Sendable, Hashable, CustomStringConvertible {
    private let hash: UInt64

    /// The digest of a text.
    public init(_ text: String) {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        self.hash = hash
    }

    /// Sixteen hexadecimal digits.
    public var description: String {
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

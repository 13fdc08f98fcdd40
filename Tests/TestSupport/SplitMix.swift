/// A small seeded generator (SplitMix64), so that a failing case can be run again.
public struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    /// One that begins with a seed.
    public init(state: UInt64) { self.state = state }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A number below a limit.
    public mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}

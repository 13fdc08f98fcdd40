import Foundation
package import Migration
package import Schedules

/// The machine's clock.
package func currentInstant() -> Instant {
    Instant(microseconds: Int64((Date().timeIntervalSince1970 * 1_000_000).rounded(.down)))
}

extension Surroundings {
    /// The machine's clock, waits by it, and somebody who takes the lines.
    package static func machine(tell: @escaping @Sendable (String) -> Void) -> Surroundings {
        Surroundings(now: currentInstant, sleep: { try await Task.sleep(for: .seconds($0)) }, tell: tell)
    }
}

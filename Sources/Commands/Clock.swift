import Foundation
import Schedules

/// The machine's clock.
func currentInstant() -> Instant {
    Instant(microseconds: Int64((Date().timeIntervalSince1970 * 1_000_000).rounded(.down)))
}

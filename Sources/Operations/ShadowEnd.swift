/// How shadowing ended, as steps of the journal.
package enum ShadowEnd {
    /// It broke off.
    package static let brokenOff = "broken-off"
    /// It ended, after one that had broken off.
    package static let ended = "ended"
}

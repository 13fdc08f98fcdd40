/// Which failures of a question are tried again, and after how long.
struct AirflowRetry: Sendable {
    /// Attempts in all.
    var attempts = 5
    /// Seconds before the second attempt; each further wait is twice as long.
    var first = 0.5
    /// The longest wait in seconds, whatever the server asks for.
    var longest = 15.0

    /// What became of an attempt.
    enum Ending {
        case answer(AirflowAnswer)
        case silence(AirflowSilence)
    }

    /// Seconds to wait before the next attempt; nil if there is to be none.
    ///
    /// Too many requests (429) and no connection at all mean that nothing was done, so that any question may be put again. After a
    /// failure of the server or a lost answer only one that does no more when it is asked twice may be.
    ///
    /// - Parameter attempt: the number of the attempt that ended so, from 1.
    func wait(after ending: Ending, attempt: Int, repeatable: Bool) -> Double? {
        guard attempt < attempts else { return nil }
        var asked: Double?
        switch ending {
        case .answer(let answer):
            switch answer.status {
            case 429: break
            case 500, 502, 503, 504: guard repeatable else { return nil }
            default: return nil
            }
            asked = answer.retryAfter.flatMap { Double($0) }
        case .silence(let silence):
            switch silence.kind {
            case .unreachable: break
            case .broken, .timeout: guard repeatable else { return nil }
            case .certificate, .tooLong: return nil
            }
        }
        var wait = first
        for _ in 1..<attempt { wait *= 2 }
        return min(longest, max(wait, asked ?? 0))
    }
}

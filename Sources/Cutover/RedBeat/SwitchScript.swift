import CTexts
import LosslessJSON
import Redis
import Schedules

/// The scripts that decide who owns ticks; `Scripts/README.md` says what each takes and answers.
enum SwitchScript: String, CaseIterable {
    case close, settle, claim, bound, repark, restore, retire, finish, status
    case giveBack = "give_back"

    private var own: UnsafePointer<CChar> {
        switch self {
        case .close: carried_close_lua()
        case .settle: carried_settle_lua()
        case .claim: carried_claim_lua()
        case .bound: carried_bound_lua()
        case .repark: carried_repark_lua()
        case .restore: carried_restore_lua()
        case .retire: carried_retire_lua()
        case .finish: carried_finish_lua()
        case .status: carried_status_lua()
        case .giveBack: carried_give_back_lua()
        }
    }

    /// What is sent to Redis; the same value each time, for it remembers the script's digest.
    var script: RedisScript { SwitchScript.scripts[self] ?? made }

    private static let scripts = Dictionary(uniqueKeysWithValues: allCases.map { ($0, $0.made) })

    private var made: RedisScript {
        RedisScript(String(cString: carried_common_lua()) + "\n" + String(cString: own))
    }
}

/// A script's answer: a flat list of texts, the first of which is the status word.
struct SwitchAnswer {
    let script: SwitchScript
    let items: [[UInt8]]

    init(_ script: SwitchScript, _ value: RedisValue) throws(SwitchError) {
        self.script = script
        guard let values = value.array else {
            throw SwitchError(
                script.rawValue,
                "an answer that is no list",
                "This Bailey and its scripts do not belong together; install it anew"
            )
        }
        items = values.map { $0.bytes ?? $0.int.map { Array(String($0).utf8) } ?? [] }
    }

    var word: String { text(0) }

    func text(_ index: Int) -> String {
        index < items.count ? String(decoding: items[index], as: UTF8.self) : ""
    }

    func int(_ index: Int) throws(SwitchError) -> Int64 {
        guard let value = Int64(text(index)) else { throw unexpected() }
        return value
    }

    func instant(_ index: Int) throws(SwitchError) -> Instant { Instant(microseconds: try int(index)) }

    /// An entry's place, counted from 0; scripts count from 1.
    func entry(_ index: Int) throws(SwitchError) -> Int {
        let place = try int(index)
        guard (1...1_000_000).contains(place) else { throw unexpected() }
        return Int(place) - 1
    }

    func unexpected() -> SwitchError {
        let shown = items.prefix(6).map { String(decoding: $0.prefix(40), as: UTF8.self) }.joined(separator: " ")
        return SwitchError(
            script.rawValue,
            "the answer “\(shown)”, which this Bailey does not know",
            "The switch was written by another version of Bailey; use that one"
        )
    }
}

/// Why the switch could not be asked or changed.
public struct SwitchError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was being done.
    public let operation: String
    /// What was found.
    public let found: String
    /// What to do next.
    public let advice: String

    /// Makes an error.
    public init(_ operation: String, _ found: String, _ advice: String) {
        self.operation = operation
        self.found = found
        self.advice = advice
    }

    /// One line.
    public var description: String { "The switch, \(operation): \(found). \(advice)" }
}

extension Optional<[UInt8]> {
    /// A value that may be absent, as scripts take it: `=bytes` or `-`.
    var packed: [UInt8] { map { [UInt8(ascii: "=")] + $0 } ?? [UInt8(ascii: "-")] }
}

extension [UInt8] {
    /// A value that may be absent, as scripts answer it.
    var unpacked: [UInt8]? { first == UInt8(ascii: "=") ? Array(dropFirst()) : nil }
}

extension Instant {
    /// Microseconds as scripts take them.
    var argument: [UInt8] { Array(String(microseconds).utf8) }
}

extension Optional<Instant> {
    /// Microseconds as scripts take them, empty if there are none.
    var argument: [UInt8] { self?.argument ?? [] }
}

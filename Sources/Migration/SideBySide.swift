import Dispatch
import Foundation
import Synchronization

/// What becomes of each of many values, in their order, computed on all processors: for work that takes microseconds a value and waits for nothing.
package func sideBySide<Value: Sendable, Made: Sendable>(
    _ values: [Value],
    _ make: @Sendable (Value) -> Made
) -> [Made] {
    let parts = min(ProcessInfo.processInfo.activeProcessorCount, 8)
    guard parts > 1, values.count >= 64 else { return values.map(make) }
    let size = (values.count + parts - 1) / parts
    let made = Mutex([[Made]](repeating: [], count: parts))
    DispatchQueue.concurrentPerform(iterations: parts) { part in
        let some = values.dropFirst(part * size).prefix(size).map(make)
        made.withLock { $0[part] = some }
    }
    return made.withLock { $0.flatMap { $0 } }
}

import Dispatch

/// Runs an actor's jobs on a dispatch queue of its own, so that libpq's blocking calls never hold a thread of the shared pool.
final class QueueExecutor: SerialExecutor {
    private let queue = DispatchQueue(label: "bailey.postgres")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}

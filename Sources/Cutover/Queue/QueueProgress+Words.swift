extension QueueProgress {
    /// The step for people.
    public var line: String {
        switch self {
        case .installed: "install: schema bailey and the triggers are in place"
        case .closed(let type, let fence): "close: \(type): new jobs are held (fence \(fence))"
        case .held(let type, let count): "hold: \(type): \(count) waiting jobs are held"
        case .waiting(let type, let reason, let amount):
            switch reason {
            case .pending: "settle: \(type): waiting for \(amount) jobs that somebody has locked …"
            case .transactions: "settle: \(type): waiting for transactions that began before …"
            case .running: "settle: \(type): waiting for \(amount) jobs that legacy runs …"
            case .pause: "settle: \(type): waiting until the workers have paused for \(amount) s more …"
            }
        case .settled(let type): "settle: \(type): DAG runs take its jobs from now on"
        case .released(let type, let count): "give-back: \(type): \(count) jobs wait for legacy again"
        case .returned(let type, let count): "give-back: \(type): \(count) jobs of dead runs"
        case .blocked(let rest):
            "give-back: \(rest.type): waiting for \(rest.held) jobs that are locked by \(rest.blockers.map(\.text).joined(separator: "; ")) …"
        case .swept(let type): "give-back: \(type): no transaction can hold a job any more"
        }
    }
}

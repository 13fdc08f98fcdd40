import Migration
import Settings

extension SandboxRules {
    /// What a task's `sandbox` says; what it leaves out is as in `SandboxRules`.
    init(_ task: YAMLFields, _ problems: Problems) {
        self.init()
        let known = ["network", "memory", "cpu", "processes", "disk"]
        guard let node = task.node("sandbox"), let fields = YAMLFields(node, known: known, problems: problems) else {
            return
        }
        for text in fields.strings("network") ?? [] {
            if let place = Place(text) {
                network.append(place)
            } else {
                problems.note(
                    node,
                    "“network” has “\(text)”; write host:port, such as db.internal:5432 (one host, no pattern)"
                )
            }
        }
        // Each is resolved for every body, and each address is a rule of its own.
        if network.count > 16 { problems.note(node, "“network” names \(network.count) places; at most 16 can be held") }
        memory = fields.bytes("memory") ?? memory
        cpu = fields.duration("cpu") ?? cpu
        disk = fields.bytes("disk") ?? disk
        processes = fields.int("processes") ?? processes
        if memory < 16 << 20 { problems.note(node, "“memory” is less than the 16MB that a program needs to start") }
        if cpu < 1 { problems.note(node, "“cpu” is less than a second, which is what is counted") }
        if !(1...100_000).contains(processes) { problems.note(node, "“processes” must be from 1 to 100000") }
    }
}

import LosslessJSON
import Migration
import Postgres
import Schedules
import Store

/// What the operations on a pipeline's entries share: the switch, the journal, the time, and whom to tell.
struct DjangoBeatEngine: Sendable {
    /// How a cutover ended.
    enum Outcome: Sendable {
        case done(from: Instant)
        /// What somebody had left half done was completed.
        case completed(from: Instant)
        case already(from: Instant)
        case givenBackByOthers

        var word: String {
            switch self {
            case .done: "done"
            case .completed: "completed"
            case .already: "already"
            case .givenBackByOthers: "given-back-by-others"
            }
        }

        var from: Instant? {
            switch self {
            case .done(let from), .completed(let from), .already(let from): from
            case .givenBackByOthers: nil
            }
        }
    }

    /// What became of entries that were closing.
    enum Settled: Sendable {
        case airflow(from: Instant)
        case legacy
        /// They cannot be taken over, and are to be given back. Whether another try may end otherwise.
        case refused(Refusal, again: Bool)
    }

    let connection: DjangoBeatSwitch
    let pipeline: String
    let journal: Journal
    /// How long a loop of beat's takes at most, in seconds.
    let longest: Double
    let now: @Sendable () -> Instant
    let sleep: @Sendable (Double) async throws -> Void
    let tell: @Sendable (CutoverProgress) -> Void

    var source: String { connection.source }

    func found(claims: Int = 20) async throws -> (now: Instant, found: DjangoBeatStatus.Pipeline?) {
        let status = try await connection.status([pipeline], claims: claims)
        return (status.now, status.pipelines[pipeline])
    }

    // MARK: Cutting over

    /// Moves the entries to Airflow, or completes what was half done.
    ///
    /// - Throws: `Refusal`: nothing was changed then, or everything was given back; else it broke off, and the next command goes on.
    func cutOver(_ group: DjangoBeatGroup, _ request: CutoverRequest) async throws -> Outcome {
        try await installed()
        if let outcome = try await recovered(group) { return outcome }
        try await asked(request)
        let keys = JSON.array(group.entries.map { .string($0.id.name) })
        try await journal.step(
            .check,
            ["source": .string(source), "keys": keys],
            outcome: { (_: Void) in ["holds": true] }
        ) {
            for check in try await checks(group, request) {
                tell(.checked(check))
                if let refusal = check.refusal { throw refusal }
            }
        }
        for attempt in 1... {
            try await moment(group, request)
            try await close(group, request)
            switch try await settle() {
            case .airflow(let from): return .done(from: from)
            case .legacy: return .givenBackByOthers
            case .refused(let refusal, let again):
                _ = try await giveBack(onlyClosing: true)
                guard again, attempt < 4 else { throw refusal }
                tell(.recovering(refusal.found + "; everything was given back, and is tried again"))
                // Beat loads what was given back in its next loop, and runs what is due.
                try await sleep(longest)
            }
        }
        return .givenBackByOthers
    }

    /// Installs the switch where it is not, which moves nothing.
    func installed() async throws {
        guard try await connection.installation() != .present else { return }
        try await journal.step(.install, outcome: { (_: Void) in [:] }) { try await connection.install() }
    }

    /// That the DAG's gate asks here. Before the switch is installed no gate can leave a mark, so that a first command only installs it.
    private func asked(_ request: CutoverRequest) async throws {
        let marks = try await connection.status([pipeline]).pipelines[pipeline]?.asked ?? []
        if marks.contains(where: { request.installation == nil || $0.installation == request.installation }) { return }
        throw Refusal(
            .notInstalled,
            "no gate of \(pipeline)\(request.installation.map { " in the installation \($0)" } ?? "") has asked the switch in \(source)’s database yet",
            "The switch is installed now, and nothing was moved: run the command again after the DAG's next run"
        )
    }

    /// Completes what somebody left half done; nil if there is nothing and legacy owns the entries.
    private func recovered(_ group: DjangoBeatGroup) async throws -> Outcome? {
        guard let found = try await found().found, let record = found.record, record.state != .legacy else {
            return nil
        }
        guard Set(found.entries.map(\.name)) == Set(group.entries.map(\.id.name)) else {
            throw Refusal(
                .disagree,
                "the pipeline \(pipeline) was cut over with other entries than it has now",
                "Run bailey rollback \(pipeline) first: it gives back exactly what was taken"
            )
        }
        if record.isRetiring { throw retiring }
        // A journal that cannot be read is no journal without a rollback.
        if try journal.store.journaledOwnership(pipeline).isRollbackForgotten(by: record) {
            tell(.recovering("the database had forgotten a rollback: giving it back again first"))
            _ = try await giveBack()
            return nil
        }
        switch try await heal() {
        case .ended, .undone: return nil
        case .sound: return .already(from: record.windows.last?.from ?? now())
        case .settled, .parked:
            let from = try await self.found().found?.record?.windows.last?.from
            return .completed(from: from ?? now())
        }
    }

    /// Waits until nothing is due soon by a crontab, for a while: a tick that falls due before beat was seen to load its schedule runs late.
    private func moment(_ group: DjangoBeatGroup, _ request: CutoverRequest) async throws {
        let began = now()
        let patience = request.patience ?? 60
        while true {
            let at = try await connection.status([]).now
            if let wanted = request.at, at.adding(seconds: Int64(longest)) < wanted {
                try await sleep(min(wanted.seconds(since: at) - longest, 10))
                continue
            }
            guard let due = group.nextDue(after: at), due.seconds(since: at) < 2 * longest,
                now().seconds(since: began) < min(patience, 2 * longest)
            else { return }
            tell(.waitingForMoment("waiting until legacy has run what is due at \(due.iso8601)"))
            try await sleep(min(due.seconds(since: at) + 1, longest))
        }
    }

    private func close(_ group: DjangoBeatGroup, _ request: CutoverRequest) async throws {
        let status = try await connection.status([pipeline])
        let ends = ([request.until] + group.entries.map(\.expires)).compactMap { $0 }.min()
        let asked = status.pipelines[pipeline]?.asked.first?.installation
        let order: JSON = [
            "by": .string(journal.token), "clock": group.hasEntryClock ? "entry" : "own",
            "slack": .number(JSONNumber(Int(group.slack))), "longest": .number(JSONNumber(Int(longest * 1_000_000))),
            "told": JSON(group.told(at: status.now)), "until": JSON(ends),
            "ticks": request.ticks.map { .number(JSONNumber($0)) } ?? .null,
            "installation": .string(request.installation ?? asked ?? ""),
            "entries": .array(
                group.entries.map { entry in
                    [
                        "name": .string(entry.id.name), "row": entry.row, "kind": .string(entry.kind),
                        "schedule": entry.scheduleRow,
                    ]
                }
            ),
        ]
        let fence = status.pipelines[pipeline]?.record?.fence ?? 0
        let detail: JSON = [
            "entries": .array(
                group.entries.map {
                    [
                        "state": "legacy", "definition": .string($0.row.text()), "meta": "",
                        "fence": .number(JSONNumber(Int(fence))),
                    ]
                }
            )
        ]
        let answer = try await journal.step(.close, detail, outcome: { (answer: JSON) in closing(answer) }) {
            try await connection.close(pipeline, order)
        }
        guard answer["answer"]?.string == "closed" else { throw refusal(answer) }
        tell(.closed(at: answer["at"].instant ?? now(), fence: Int64(answer["fence"]?.int ?? 0)))
    }

    private func closing(_ answer: JSON) -> JSON {
        guard answer["answer"]?.string == "closed", let at = answer["at"].instant else {
            return ["refused": answer["answer"] ?? .null]
        }
        return ["closed_at": .string(at.iso8601), "fence": answer["fence"] ?? .null]
    }

    /// Waits until beat was seen to have loaded its schedule, and settles the entries, whoever closed them.
    func settle() async throws -> Settled {
        try await journal.step(
            .settle,
            outcome: { (settled: Settled) in
                if case .airflow = settled { ["state": "airflow"] } else { ["state": "legacy"] }
            }
        ) {
            var told: String?
            while true {
                let answer = try await connection.settle(pipeline)
                switch answer["answer"]?.string {
                case "waiting":
                    let why = answer["why"]?.string
                    if why != told { tell(.waitingForMoment("until beat is seen to load its schedule (\(why ?? ""))")) }
                    told = why
                    try await sleep(0.2)
                case "settled", "already":
                    let from = try await found().found?.record?.windows.last?.from ?? now()
                    tell(.settled(from: from, why: nil))
                    return .airflow(from: from)
                case "not-closing": return .legacy
                case let word: return .refused(refusal(answer), again: word == "shadowed" || word == "uneven")
                }
            }
        }
    }

    // MARK: Giving back

    /// Gives the entries back; the answer of the switch, nil if there was nothing to give.
    ///
    /// - Parameter fence: nil for whatever it is.
    func giveBack(fence: String? = nil, recreates: Bool = false, onlyClosing: Bool = false) async throws -> JSON? {
        guard let found = try await found().found, let record = found.record, record.state != .legacy else {
            return nil
        }
        let entries = found.entries
        if let fence, fence != "\(record.fence)" { return nil }
        let seen: JSON = ["state": .string(record.state.rawValue), "fence": .number(JSONNumber(Int(record.fence)))]
        let detail: JSON = ["entries": .array(entries.map { _ in seen })]
        let answer = try await journal.step(.giveBack, detail, outcome: { (answer: JSON) in givenBack(answer) }) {
            try await connection.giveBack(
                pipeline,
                fence: fence.flatMap { Int64($0) },
                recreates: recreates,
                onlyClosing: onlyClosing
            )
        }
        switch answer["answer"]?.string {
        case "given":
            tell(.gaveBack(at: answer["at"].instant ?? now()))
            if answer["told"]?.bool != true { try await tellBeat() }
            return answer
        case "retiring": throw retiring
        default: return nil
        }
    }

    /// Tells beat of what was given back, at the first moment at which that may be. Where none comes, the next gate, `bailey watch` or the next
    /// command does, and beat loads its schedule every five minutes by itself.
    private func tellBeat() async throws {
        let end = now().adding(microseconds: Int64((2 * longest + 10) * 1_000_000))
        tell(
            .waitingForMoment(
                "until beat may be told: not around a minute, and not before it has loaded what it was told last"
            )
        )
        while now() < end, try await connection.tell() == "owing" { try await sleep(0.25) }
    }

    private func givenBack(_ answer: JSON) -> JSON {
        guard answer["answer"]?.string == "given", let at = answer["at"].instant else { return ["nothing": true] }
        return ["given_back_at": .string(at.iso8601)]
    }

    var retiring: Refusal {
        Refusal(
            .retiring,
            "\(pipeline) is being retired: its DAG runs without its gate, or is about to",
            "Finish it, or put the gate back with bailey retire \(pipeline) --undo --execute"
        )
    }

    func retirementUnderWay() async throws -> Refusal? {
        try await found().found?.record?.isRetiring == true ? retiring : nil
    }

    /// Waits until so many ticks from an instant on were claimed, and tells each.
    func firstClaims(_ count: Int, from: Instant) async throws {
        var told: Set<Instant> = []
        while told.count < count {
            guard let record = try await found(claims: max(count, 20)).found?.record, record.state == .airflow else {
                return
            }
            for claim in record.claims.reversed() where claim.tick >= from && told.insert(claim.tick).inserted {
                tell(.claimed(claim))
            }
            if told.count < count { try await sleep(0.25) }
        }
    }
}

extension JSON {
    /// An instant as the functions take it.
    fileprivate init(_ instant: Instant?) {
        self = instant.map { .number(JSONNumber(Int($0.microseconds))) } ?? .null
    }
}

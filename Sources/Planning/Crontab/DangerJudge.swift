import Migration

/// What a command that empties a Redis or throws waiting messages away means for what is kept there.
struct DangerJudge: Sendable {
    /// Databases of a Redis that hold something of Celery's, each with what.
    let kept: [(place: DangerousCommand.Place, what: String)]
    /// The servers that were looked at.
    let looked: [DangerousCommand.Place]

    init(kept: [(place: DangerousCommand.Place, what: String)], looked: [DangerousCommand.Place]) {
        (self.kept, self.looked) = (kept, looked)
    }

    /// Against what an inventory was read from.
    init(_ inventory: Inventory) {
        kept = inventory.sources.compactMap { source in
            DangerousCommand.Place(address: source.address).map { ($0, "\(source.name) (\(source.address))") }
        }
        looked = kept.map(\.place)
    }

    /// The finding, without its place.
    ///
    /// - Parameter schedule: when the command runs, as it is written.
    func finding(_ danger: DangerousCommand, when schedule: String) -> Finding {
        switch danger {
        case .purge(let words):
            let words = ShownCommand.of(words)
            return Finding(
                .purgesQueues,
                text:
                    "“\(words)” at “\(schedule)” throws away the messages that wait: a run that was sent, by beat or by a DAG, is lost, and the DAG waits for an answer that never comes. Take the line out before a cutover."
            )
        case .flush(let words, let place): return flush(ShownCommand.of(words), place, schedule)
        }
    }

    private func flush(_ words: String, _ place: DangerousCommand.Place, _ schedule: String) -> Finding {
        let hit = kept.filter { DangerJudge.mayBe(place, $0.place) }
        let held = hit.map(\.what).joined(separator: ", ")
        let loss =
            "RedBeat's schedule, the switch and waiting messages go with it: whatever was cut over is legacy's again, or nobody's"
        let emptied = "“\(words)” at “\(schedule)” empties"
        if place.host == nil {
            return Finding(
                .flushesRedis,
                text:
                    "\(emptied) a Redis that the line does not name in words\(hit.isEmpty ? "" : "; it may be that of \(held)"). If it is, \(loss). Take the line out, or see that it is another."
            )
        }
        if hit.isEmpty {
            let isSeen = looked.contains { $0.host == place.host && $0.port == place.port }
            return Finding(
                .flushesRedis,
                severity: isSeen ? .info : .warning,
                text: isSeen
                    ? "\(emptied) \(shown(place)), in which this look found nothing of Celery's. See that neither RedBeat nor a broker is moved there."
                    : "\(emptied) \(shown(place)), a server that was not looked at. If RedBeat or a broker is there, \(loss)."
            )
        }
        guard hit.contains(where: { $0.place.host == place.host }) else {
            return Finding(
                .flushesRedis,
                text:
                    "\(emptied) \(shown(place)) of the crontab's machine, which may be that of \(held). If it is, \(loss). Take the line out, or see that it is another."
            )
        }
        return Finding(
            .flushesRedis,
            text: "\(emptied) \(shown(place)), which holds \(held). \(loss). Take the line out before a cutover."
        )
    }

    /// Whether what a command empties may be another place. A machine calls itself otherwise than others call it.
    private static func mayBe(_ emptied: DangerousCommand.Place, _ other: DangerousCommand.Place) -> Bool {
        guard let host = emptied.host else { return true }
        let isSame = host == other.host || host == "127.0.0.1" || other.host == "127.0.0.1"
        return isSame && emptied.port == other.port
            && (emptied.database == nil || other.database == nil || emptied.database == other.database)
    }

    private func shown(_ place: DangerousCommand.Place) -> String {
        "redis://\(place.host ?? "?"):\(place.port)" + (place.database.map { "/\($0)" } ?? ", all of its databases")
    }
}

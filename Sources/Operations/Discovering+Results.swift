import Migration
import Redis

/// Where the results of what was found are.
extension Discovering {
    /// Has a source that calls Celery tasks read their results where they are kept, if that is not the broker.
    ///
    /// What a person named counts; else what the workers say, where one of the URLs leads there.
    ///
    /// - Parameter broker: Celery's broker, if there is one and no other.
    func addResults(to system: inout DiscoveredSystem, of broker: DiscoveredSystem?) {
        guard !system.parts.isDisjoint(with: [.stored, .told]), system.settings != nil else { return }
        // Where results are looked for if nobody says anything.
        let usual = broker?.address ?? system.address
        if let results {
            guard let url = try? RedisURL(results.url), url.address != usual else { return }
            add(results.reference, to: &system)
            return
        }
        guard let told = broker?.results ?? system.results else { return }
        guard let url = try? RedisURL(told) else {
            if !told.isEmpty, told != "disabled://", !system.parts.contains(.results) {
                let scheme = told.prefix { $0 != ":" }
                system.advice += ". Its workers keep results in “\(scheme)”, which Bailey does not read"
            }
            return
        }
        guard url.address != usual else { return }
        system.evidence.append("its workers keep results at \(url.address)")
        if let server = servers.first(where: { (try? RedisURL($0.url))?.address == url.address }) {
            add(server.reference, to: &system)
        } else if let server = servers.first(where: { (try? RedisURL($0.url))?.place == url.place }) {
            add(joined(server.reference, "db=\(url.database)"), to: &system)
        } else {
            system.advice +=
                ". Its results are at \(url.address), to which no URL that was given leads: give it too, or write results_url by hand, else none is found"
        }
    }

    private func add(_ reference: String, to system: inout DiscoveredSystem) {
        system.settings?.append(DiscoveredSystem.Setting("results_url", reference))
    }
}

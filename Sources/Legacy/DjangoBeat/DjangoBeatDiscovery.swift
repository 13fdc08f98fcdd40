import Foundation
public import Migration
import Postgres
import Schedules

/// The tables of `django_celery_beat` in a database.
extension DjangoBeatSystem {
    static let signature = PostgresCatalogue.Signature(
        "django_celery_beat",
        [
            "name", "task", "args", "kwargs", "crontab_id", "interval_id", "enabled", "last_run_at", "total_run_count",
            "date_changed",
        ]
    )

    public static func discover(at server: ServerLook) async throws -> [DiscoveredSystem] {
        guard case .postgres(let look) = server else { return [] }
        var found: [DiscoveredSystem] = []
        for table in look.tables where table.marks.first == signature.name {
            var one = DiscoveredSystem(
                what: "django_celery_beat",
                kind: "django_celery_beat",
                address: look.url.address,
                place: table.full,
                certainty: .likely,
                evidence: ["\(table.full) has its columns"] + look.counted(table),
                amount: table.rows,
                unit: "entries",
                outlook: .moves,
                advice: "Its ticks can be moved to Airflow and given back. Its broker is written as broker_url"
            )
            one.parts = [.stored, .results]
            one.writers = look.writers(of: table)
            one.settings = []
            if table.name != DjangoBeatTables.tasks {
                one.blocked = "the table is called \(table.name), and a source looks for \(DjangoBeatTables.tasks)"
            } else if !table.isOnPath {
                one.query = "schema=\(table.schema.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")"
            }
            if !table.isReadable { one.blocked = "this role may not read \(table.full): GRANT SELECT ON it" }
            if one.blocked == nil { try await read(&one, look) }
            found.append(one)
        }
        return found
    }

    private static func read(_ found: inout DiscoveredSystem, _ look: PostgresLook) async throws {
        var url = look.url.text
        if let query = found.query { url += (url.contains("?") ? "&" : "?") + query }
        do {
            let reading = try await DjangoBeatTables(source: "discovered", url: PostgresURL(url), timezone: nil).read(
                zones: look.zones
            )
            found.certainty = .certain
            found.amount = reading.summary.found
            found.entries = reading.entries.map(\.id.name)
            if !reading.unread.isEmpty {
                found.evidence.append(
                    "\(reading.unread.count) of \(reading.summary.found) rows are no entries that can be read"
                )
            }
            let enabled = reading.entries.filter(\.enabled).count
            found.evidence.append("\(enabled) of its entries are enabled")
            if let last = reading.entries.compactMap(\.lastRun).max() {
                found.evidence.append("the latest last run is \(last.iso8601)")
            }
            found.keeps = reading.entries.compactMap { RedBeatSystem.tooOften($0, zones: look.zones) }
        } catch let error as PostgresError {
            found.blocked = error.found
        } catch let error as UnusableSource {
            found.blocked = error.description
        }
    }
}

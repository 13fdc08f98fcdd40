package import Cutover
import Foundation
package import Legacy
package import Migration
package import Schedules
package import Settings

/// A sort of legacy system: how `bailey.yaml` names it, how a source of it is made, and what moves its work.
package struct SystemKind: Sendable {
    package typealias Discovering = @Sendable (ServerLook) async throws -> [DiscoveredSystem]
    package typealias Bridging = @Sendable (SourceSettings, any LegacySystem, BridgeSurroundings) -> any Bridge

    package let settings: SourceKind
    package let make: @Sendable (SourceSettings, Place) -> any LegacySystem
    /// Nil of one that has no switch: it can be read and shadowed.
    package let bridge: Bridging?
    /// What of this sort one look at a server shows.
    package let discover: Discovering

    package init(
        _ settings: SourceKind,
        bridge: Bridging? = nil,
        discover: @escaping Discovering = { _ in [] },
        make: @escaping @Sendable (SourceSettings, Place) -> any LegacySystem
    ) {
        self.settings = settings
        self.bridge = bridge
        self.discover = discover
        self.make = make
    }

    /// What of a workspace a system may need beside its own settings.
    package struct Place: Sendable {
        package let profiles: QueueProfiles
        package let now: @Sendable () -> Instant
        package let interpreters: Interpreters
        /// The folder of `bailey.yaml`.
        package let folder: String

        /// The application that a source's settings name.
        fileprivate func code(_ source: SourceSettings) -> (@Sendable () throws -> ApplicationCode)? {
            source.celery?.app.map { app in
                {
                    try interpreters.code(
                        app,
                        environment: source.celery?.environment,
                        timeout: source.celery?.timeout
                    )
                }
            }
        }
    }

    /// Every sort there is. The one place that lists them.
    private static let shipped = [
        SystemKind(SourceKind(name: "redbeat"), bridge: redBeat, discover: { try await RedBeatSystem.discover(at: $0) })
        {
            source,
            _ in RedBeatSystem(source)
        },
        SystemKind(SourceKind(name: "celery"), discover: { try await CelerySystem.discover(at: $0) }) {
            source,
            place in
            CelerySystem(source, code: place.code(source), now: place.now) {
                "bailey-\(UUID().uuidString.lowercased())"
            }
        },
        SystemKind(
            SourceKind(name: "django_celery_beat"),
            bridge: djangoBeat,
            discover: { try await DjangoBeatSystem.discover(at: $0) }
        ) { source, _ in DjangoBeatSystem(source) },
        SystemKind(
            SourceKind(name: "queue", required: ["profile": "background_jobs"]),
            bridge: queue,
            discover: { try await QueueSystem.discover(at: $0) }
        ) { source, place in
            QueueSystem(source, profiles: place.profiles)
        },
        SystemKind(
            SourceKind(name: "workflow", required: ["profile": "demos"]),
            discover: { try await WorkflowSystem.discover(at: $0) }
        ) { source, place in
            WorkflowSystem(source, profiles: place.profiles)
        },
        SystemKind(SourceKind(name: "pg_cron"), discover: { try await PgCronSystem.discover(at: $0) }) { source, _ in
            PgCronSystem(source)
        },
        SystemKind(SourceKind(name: "apscheduler"), discover: { try await APSchedulerSystem.discover(at: $0) }) {
            source,
            _ in APSchedulerSystem(source)
        },
        SystemKind(SourceKind(name: "crontab", keys: ["users"], isOfFiles: true)) { source, place in
            CrontabSystem(source, folder: place.folder)
        },
        SystemKind(SourceKind(name: "kubernetes", isOfFiles: true)) { source, place in
            KubernetesSystem(source, folder: place.folder)
        },
    ]

    private static let redBeat: Bridging = { source, _, around in
        RedBeatBridge(
            url: source.url,
            place: RedBeatPlace(source),
            rights: { try RedBeatSystem(source).rights(for: [.look, .move]) },
            surroundings: around
        )
    }

    private static let djangoBeat: Bridging = { source, _, around in
        DjangoBeatBridge(
            source: source.name,
            url: source.url,
            // Where nobody says anything the package's scheduler sleeps for five seconds at most; 300 is what is usual of others.
            loop: source.maxInterval == 300 ? 5 : source.maxInterval,
            surroundings: around
        )
    }

    private static let queue: Bridging = { source, system, around in
        QueueBridge(
            source: source.name,
            table: {
                guard let queue = system as? QueueSystem else {
                    throw OperationFailure(.defect, "the source \(source.name) is no queue")
                }
                return try queue.source()
            },
            surroundings: around
        )
    }

    /// Sorts that somebody adds from outside, for as long as a task runs: a test's own.
    @TaskLocal package static var added: [SystemKind] = []

    package static var all: [SystemKind] { shipped + added }
}

extension RedBeatPlace {
    /// How a RedBeat source keeps its schedule.
    init(_ source: SourceSettings) {
        self.init(
            source: source.name,
            prefix: source.prefix,
            lock: source.lockKey,
            maxInterval: source.maxInterval
        )
    }
}

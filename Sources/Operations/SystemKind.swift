import Foundation
package import Legacy
package import Schedules
package import Settings

/// A sort of legacy system: how `bailey.yaml` names it, and how a source of it is made.
package struct SystemKind: Sendable {
    package let settings: SourceKind
    package let make: @Sendable (SourceSettings, Place) -> any LegacySystem

    package init(_ settings: SourceKind, make: @escaping @Sendable (SourceSettings, Place) -> any LegacySystem) {
        self.settings = settings
        self.make = make
    }

    /// What of a workspace a system may need beside its own settings.
    package struct Place: Sendable {
        package let profiles: QueueProfiles
        package let now: @Sendable () -> Instant
        package let interpreters: Interpreters

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
        SystemKind(SourceKind(name: "redbeat")) { source, _ in RedBeatSystem(source) },
        SystemKind(SourceKind(name: "celery")) { source, place in
            CelerySystem(source, code: place.code(source), now: place.now) {
                "bailey-\(UUID().uuidString.lowercased())"
            }
        },
        SystemKind(SourceKind(name: "queue", required: ["profile": "background_jobs"])) { source, place in
            QueueSystem(source, profiles: place.profiles)
        },
    ]

    /// Sorts that somebody adds from outside, for as long as a task runs: a test's own.
    @TaskLocal package static var added: [SystemKind] = []

    package static var all: [SystemKind] { shipped + added }
}

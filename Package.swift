// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// A room of the design: a library target that imports only rooms above it in this file.
func room(
    _ name: String,
    _ dependencies: [Target.Dependency] = [],
    exclude: [String] = []
) -> Target {
    .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

/// The tests of one room.
func tests(
    _ name: String,
    _ dependencies: [Target.Dependency],
    exclude: [String] = [],
    resources: [Resource]? = nil
) -> Target {
    .testTarget(
        name: name,
        dependencies: dependencies,
        exclude: exclude,
        resources: resources,
        swiftSettings: settings
    )
}

let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let nioHTTP = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")

let package = Package(
    name: "bailey",
    products: [.executable(name: "bailey", targets: ["bailey"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        .systemLibrary(name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),

        room("LosslessJSON"),
        room("Schedules", ["LosslessJSON"]),
        room("Settings", ["LosslessJSON", yams]),
        room("Migration", ["LosslessJSON", "Schedules"]),
        .target(name: "CGuard"),
        // Texts of other languages: Lua, SQL, Python, profiles.
        .target(name: "CTexts"),
        .target(name: "CSandbox", dependencies: ["CGuard"]),
        room("Processes", ["CGuard", "CSandbox", subprocess, systemPackage]),
        room("Transport", [nioSSL]),
        room("Redis", ["CHiredis", "Transport", nioCore, nioPosix, nioSSL]),
        room("Postgres", ["CLibpq"]),
        room(
            "Warehouse",
            ["LosslessJSON", "Postgres", "CTexts"],
            // CTexts embeds them.
            exclude: ["SQL"]
        ),
        room("Store", ["LosslessJSON", "Schedules", "Migration", grdb]),
        room(
            "Legacy",
            ["LosslessJSON", "Schedules", "Settings", "Migration", "Processes", "Redis", "Postgres", "CTexts", "CZlib"]
        ),
        room(
            "Airflow",
            [
                "Transport", "LosslessJSON", "Schedules", "Migration", "Processes", httpClient, nioCore, nioHTTP,
                nioPosix,
                nioSSL,
                subprocess,
                systemPackage,
                "CTexts",
            ]
        ),
        room("Planning", ["LosslessJSON", "Schedules", "Settings", "Migration"]),
        room(
            "Shadow",
            [
                "LosslessJSON", "Schedules", "Migration", "Airflow", "Postgres", "Processes", nioCore, nioHTTP,
                nioPosix,
                subprocess, systemPackage, "CTexts",
            ]
        ),
        room(
            "Cutover",
            ["LosslessJSON", "Schedules", "Migration", "Redis", "Postgres", "Store", "Legacy", "CTexts"],
            // CTexts embeds them.
            exclude: ["RedBeat/Scripts", "Queue/SQL", "DjangoBeat/SQL"]
        ),
        room(
            "Alerts",
            [
                "LosslessJSON", "Schedules", "Migration", "Processes", httpClient, nioCore, nioPosix, nioHTTP,
                subprocess, systemPackage,
            ]
        ),
        room("Reports", ["LosslessJSON", "Schedules", "Migration"]),
        room(
            "Operations",
            [
                "LosslessJSON", "Schedules", "Settings", "Migration", "Redis", "Postgres", "Store", "Legacy",
                "Airflow", "Planning", "Processes", "Shadow", "Cutover", "Alerts", "Reports", "Warehouse", nioPosix,
            ]
        ),
        room(
            "Commands",
            [
                "LosslessJSON", "Schedules", "Settings", "Migration", "Redis", "Postgres", "Store", "Legacy",
                "Airflow", "Shadow", "Cutover", "Alerts", "Reports", "Warehouse", "Operations", arguments,
            ]
        ),
        .executableTarget(name: "bailey", dependencies: ["Commands", "Processes", arguments], swiftSettings: settings),
        .executableTarget(
            name: "PairsBenchmark",
            dependencies: ["LosslessJSON", "Schedules", "Migration", "Shadow", "Store"],
            path: "Benchmarks/compare/PairsBenchmark",
            swiftSettings: settings
        ),

        .executableTarget(
            name: "ShadowBenchmark",
            dependencies: ["LosslessJSON", "Migration", "Postgres", "Processes", "Schedules", "Shadow"],
            path: "Benchmarks/shadow/ShadowBenchmark",
            swiftSettings: settings
        ),

        tests("LosslessJSONTests", ["LosslessJSON", "TestSupport"]),
        tests(
            "SchedulesTests",
            ["Schedules", "LosslessJSON", "TestSupport"],
            exclude: ["Generators"],
            resources: [.copy("Fixtures")]
        ),
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: settings),
        tests("RedisTests", ["Redis", "TestSupport"]),
        tests("PostgresTests", ["Postgres", "TestSupport"]),
        tests("WarehouseTests", ["Warehouse", "Postgres", "LosslessJSON", "TestSupport"], exclude: ["Golden"]),
        tests(
            "LegacyTests",
            ["Legacy", "LosslessJSON", "Migration", "Postgres", "Redis", "Schedules", "Settings", "TestSupport"],
            exclude: ["Fixtures", "Generators"]
        ),
        tests(
            "StoreTests",
            ["Store", "LosslessJSON", "Migration", "Schedules", "TestSupport", grdb],
            exclude: ["Fixtures"]
        ),
        tests(
            "ReadersTests",
            [
                "LosslessJSON", "Schedules", "Settings", "Migration", "Redis", "Postgres", "Store", "Legacy", "Airflow",
                "Planning", "Shadow", "Cutover", "Reports", "Operations", "TestSupport", nioCore, nioEmbedded, grdb,
            ]
        ),
        tests(
            "CommandsTests",
            ["Commands", "Cutover", "LosslessJSON", "Migration", "Operations", "Settings", "TestSupport", arguments]
        ),
        tests("ReportsTests", ["Reports", "LosslessJSON", "Migration", "Schedules"]),
        tests("MigrationTests", ["Migration", "Schedules", "LosslessJSON"]),
        tests("AlertsTests", ["Alerts", "Schedules", "LosslessJSON", "TestSupport", nioCore], exclude: ["Receivers"]),
        tests("PlanningTests", ["Planning", "Migration", "Schedules", "Settings", "LosslessJSON"]),
        tests(
            "AirflowTests",
            ["Airflow", "Migration", "Schedules", "LosslessJSON", "TestSupport"],
            exclude: ["Golden", "Recorded", "git_server.py"]
        ),
        tests("TicksTests", ["LosslessJSON", "TestSupport"]),
        tests(
            "ShadowTests",
            ["Shadow", "Airflow", "Migration", "Processes", "Schedules", "LosslessJSON", "TestSupport"],
            exclude: ["Fixtures", "Sandbox"]
        ),
        tests(
            "CutoverTests",
            [
                "Cutover", "Legacy", "Store", "Redis", "Postgres", "Settings", "Migration", "Schedules", "LosslessJSON",
                "TestSupport",
            ],
            exclude: ["Golden"]
        ),
        // A legacy system of the tests' own, and a program that has it among the others.
        .target(
            name: "ThirdSystem",
            dependencies: [
                "Operations", "Cutover", "Legacy", "Settings", "Store", "Migration", "Schedules", "LosslessJSON",
            ],
            path: "Tests/ThirdSystem",
            exclude: ["almanac"],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "BaileyWithAlmanac",
            dependencies: ["ThirdSystem", "Commands", "Operations", "Processes", arguments],
            path: "Tests/BaileyWithAlmanac",
            swiftSettings: settings
        ),
        tests(
            "ContractTests",
            [
                "ThirdSystem", "Commands", "Operations", "Cutover", "Legacy", "Postgres", "Settings", "Store",
                "Migration",
                "Schedules",
                "LosslessJSON", "TestSupport", arguments, grdb,
            ]
        ),
    ],
    swiftLanguageModes: [.v6]
)

import Foundation
import LosslessJSON
import TestSupport
import Testing

@Suite("bailey status, of entries that last ran long ago", .timeLimit(.minutes(3))) struct BoundedStatusTests {
    @Test func aLastRunInTheYearOneIsNotWalkedFrom() async throws {
        try await withRedis { server in
            let schedules = [
                (
                    "minutely",
                    #"{"__type__":"crontab","minute":"*","hour":"*","day_of_week":"*","day_of_month":"*","month_of_year":"*"}"#
                ),
                ("minute", #"{"__type__":"interval","every":60.0,"relative":false}"#),
                ("relative", #"{"__type__":"interval","every":60.0,"relative":true}"#),
            ]
            let meta =
                #"{"last_run_at":{"__type__":"datetime","year":1,"month":1,"day":1,"hour":0,"minute":0,"second":0,"microsecond":0,"timezone":"UTC"},"total_run_count":1}"#
            for (name, schedule) in schedules {
                try server.addEntry(name, schedule: schedule)
                try server.cli("HSET", "redbeat:\(name)", "meta", meta)
            }
            var bailey = Bailey(in: server.folder)
            try bailey.settle(redis: server.url)
            #expect(try await bailey.run("import").status == 0)
            let status = try await bailey.run("status", "--json")
            #expect(status.status == 0, "\(status.errors)")
            let pipelines = try JSON(parsing: status.output)["pipelines"]?.array ?? []
            #expect(pipelines.count == 3)
            for pipeline in pipelines { #expect(pipeline["next_tick"]?.string?.hasPrefix("20") == true, "\(pipeline)") }
        }
    }
}

import Foundation
import TestSupport
import Testing

@Suite("What bailey prints and writes gets out whole, or it says so", .timeLimit(.minutes(3))) struct WrittenWholeTests
{
    @Test func aFullDiskIsNoSuccess() async throws {
        try await withRedis { server in
            try server.addEntry("a")
            var bailey = Bailey(in: server.folder)
            try bailey.settle(redis: server.url)
            #expect(try await bailey.run("import").status == 0)
            for words in [["report"], ["report", "--json"], ["plan", "--json"], ["status"]] {
                let full = try bailey.start(words, wrapper: ["sh", "-c", "\"$@\" > /dev/full", "sh"]).ended()
                #expect(full.status == 3 && full.errors.contains("No space left on device"), "\(words): \(full)")
                // That nobody reads it is another matter.
                let gone = try bailey.start(words, wrapper: ["sh", "-c", "\"$@\" | true", "sh"]).ended()
                #expect(gone.status == 0 && gone.errors.isEmpty, "\(words): \(gone)")
            }
        }
    }

    @Test func aReportTakesThePlaceOfNoDeviceAndOfNoLink() async throws {
        try await withRedis { server in
            try server.addEntry("a")
            var bailey = Bailey(in: server.folder)
            try bailey.settle(redis: server.url)
            #expect(try await bailey.run("import").status == 0)
            let folder = server.folder.path
            // A device of the tests' own: whoever may, would put a file in the place of the machine's.
            #expect(mkfifo(folder + "/pipe", 0o600) == 0)
            let reader = try Running(["cat", "pipe"], in: server.folder)
            #expect(try await bailey.run("report", "--html", "pipe").status == 0)
            let page = reader.ended().output
            #expect(page.hasPrefix("<!doctype html>") && page.hasSuffix("</html>\n"))
            var found = stat()
            #expect(lstat(folder + "/pipe", &found) == 0 && found.st_mode & S_IFMT == S_IFIFO)
            #expect(symlink("real.html", folder + "/link.html") == 0)
            #expect(try await bailey.run("report", "--html", "link.html").status == 0)
            #expect(lstat(folder + "/link.html", &found) == 0 && found.st_mode & S_IFMT == S_IFLNK)
            #expect(try String(contentsOfFile: folder + "/real.html", encoding: .utf8).utf8.count == page.utf8.count)
            let bundle = try await bailey.run("report", "--bundle", "pipe")
            #expect(bundle.status == 2 && bundle.errors.contains("no file that a bundle could take the place of"))
            #expect(lstat(folder + "/pipe", &found) == 0 && found.st_mode & S_IFMT == S_IFIFO)
        }
    }
}

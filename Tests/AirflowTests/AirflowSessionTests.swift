import Foundation
import LosslessJSON
import Schedules
import Testing

@testable import Airflow

@Suite("Questions to Airflow") struct AirflowSessionTests {
    private let question = AirflowRequest(operation: "listing the DAGs", path: "/api/v2/dags")
    private let token = answer(201, #"{"access_token":"fresh.token"}"#)

    // MARK: What is tried again

    @Test(arguments: [
        (200, true, false), (404, true, false), (409, true, false), (422, true, false), (429, true, true),
        (429, false, true),
        (500, true, true), (500, false, false), (502, true, true), (503, true, true), (503, false, false),
        (504, true, true),
    ]) func answersTriedAgain(status: Int, repeatable: Bool, again: Bool) {
        let wait = AirflowRetry().wait(after: .answer(answer(status)), attempt: 1, repeatable: repeatable)
        #expect((wait != nil) == again)
    }

    @Test func silencesTriedAgain() {
        func wait(_ kind: AirflowSilence.Kind, _ repeatable: Bool) -> Double? {
            let silence = AirflowSilence(kind: kind, found: "")
            return AirflowRetry().wait(after: .silence(silence), attempt: 1, repeatable: repeatable)
        }
        // Nothing was asked, so nothing can be done twice.
        #expect(wait(.unreachable, false) != nil)
        #expect(wait(.broken, true) != nil)
        #expect(wait(.broken, false) == nil)
        #expect(wait(.timeout, false) == nil)
        #expect(wait(.certificate, true) == nil)
    }

    @Test func waitsGrowAndAreBounded() {
        let retry = AirflowRetry(attempts: 8)
        let waits = (1...8).map { retry.wait(after: .answer(answer(503)), attempt: $0, repeatable: true) }
        #expect(waits == [0.5, 1, 2, 4, 8, 15, 15, nil])
        let asked = AirflowRetry.Ending.answer(answer(429, retryAfter: "7"))
        #expect(retry.wait(after: asked, attempt: 1, repeatable: true) == 7)
        let tooLong = AirflowRetry.Ending.answer(answer(429, retryAfter: "900"))
        #expect(retry.wait(after: tooLong, attempt: 1, repeatable: true) == 15)
    }

    @Test func goesOnUntilItIsAnswered() async throws {
        let broken = AirflowSilence(kind: .broken, found: "reset")
        let player = Player([
            .success(token), .failure(broken), .success(answer(503)), .success(answer(200, "{}")),
        ])
        let found = try await player.session().ask(question, basic: false)
        #expect(found.status == 200)
        #expect(player.waits == [0.5, 1])
    }

    @Test func givesUp() async throws {
        let player = Player([.success(token)] + Array(repeating: .success(answer(503, "busy")), count: 9))
        let error = await #expect(throws: AirflowError.self) {
            try await player.session().ask(question, basic: false)
        }
        #expect(error?.code == .server)
        #expect(player.asked.count == 6)
        #expect(error?.description.contains("http://airflow.example:8080, listing the DAGs: 503 busy") == true)
    }

    // MARK: Logging in

    @Test(arguments: ["3.3.2-invalid-token", "3.3.2-expired-token", "3.3.2-no-token"])
    func logsInAgainWhenTheTokenIsStale(name: String) async throws {
        let player = Player([
            .success(answer(201, #"{"access_token":"old"}"#)), .success(try recorded(name)),
            .success(answer(201, #"{"access_token":"new"}"#)), .success(answer(200, "{}")), .success(answer(200, "{}")),
        ])
        let session = try player.session()
        _ = try await session.ask(question, basic: false)
        _ = try await session.ask(question, basic: false)
        #expect(player.asked.map(\.authorization) == [nil, "Bearer old", nil, "Bearer new", "Bearer new"])
        #expect(player.asked[0].request.path == "/auth/token")
    }

    @Test func aTokenThatIsRefusedTwiceIsAnError() async throws {
        let stale = try recorded("3.3.2-invalid-token")
        let player = Player([.success(token), .success(stale), .success(token), .success(stale)])
        let error = await #expect(throws: AirflowError.self) {
            try await player.session().ask(question, basic: false)
        }
        #expect(error?.code == .forbidden)
        #expect(player.asked.count == 4)
    }

    @Test func manyQuestionsLogInOnce() async throws {
        let player = Player([.success(token)] + Array(repeating: .success(answer(200, "{}")), count: 20))
        let session = try player.session()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { _ = try await session.ask(question, basic: false) } }
            try await group.waitForAll()
        }
        #expect(player.asked.filter { $0.request.path == "/auth/token" }.count == 1)
    }

    @Test func withoutAUserNothingLogsIn() async throws {
        let player = Player([.success(answer(200, "{}"))])
        _ = try await player.session(user: nil, password: nil).ask(question, basic: false)
        #expect(player.asked.map(\.authorization) == [nil])
    }

    @Test func twoElevenGetsUserAndPassword() async throws {
        let player = Player([.success(answer(200, "{}"))])
        _ = try await player.session(user: "a", password: "ü").ask(question, basic: true)
        #expect(player.asked.map(\.authorization) == ["Basic YTrDvA=="])
    }

    // MARK: Errors

    @Test(arguments: [
        ("3.3.2-wrong-password", AirflowError.Code.authentication, "Invalid credentials")
    ]) func wrongPassword(name: String, code: AirflowError.Code, words: String) async throws {
        let player = try Player(name)
        let error = await #expect(throws: AirflowError.self) {
            try await player.session().ask(question, basic: false)
        }
        #expect(error?.code == code)
        #expect(error?.description.contains(words) == true)
        #expect(error?.operation == "logging in as “bridge”")
        #expect(error?.description.contains("s3cret-word") == false)
    }

    @Test(arguments: [
        ("2.11.2-wrong-password", AirflowError.Code.forbidden), ("3.3.2-forbidden", .forbidden),
        ("3.3.2-conflict", .conflict), ("3.3.2-missing", .notFound), ("2.11.2-missing", .notFound),
        ("3.3.2-connection-refused", .refused),
    ]) func codesOfRefusals(name: String, code: AirflowError.Code) async throws {
        let player = try Player(name)
        let error = await #expect(throws: AirflowError.self) {
            try await player.session().ask(question, basic: true)
        }
        #expect(error?.code == code)
    }

    @Test func whatIsSecretIsNeverRepeated() async throws {
        let body = #"{"detail":"the password s3cret-word of redis://u:pass-word@h is no good"}"#
        let player = Player([.success(answer(422, body))])
        var request = question
        request.secrets = ["pass-word"]
        let error = await #expect(throws: AirflowError.self) { try await player.session().ask(request, basic: true) }
        #expect(error?.found == "422 the password *** of redis://u:***@h is no good")
        // Pydantic's errors repeat the input; only place and message are shown.
        let echoed = answer(
            422,
            #"{"detail":[{"loc":["body","port"],"msg":"no integer","input":{"password":"hidden"}}]}"#
        )
        #expect(echoed.detail == "body.port: no integer")
    }

    @Test func nobodyThere() async throws {
        let access = try AirflowAccess(url: "http://127.0.0.1:9", user: "a", password: "b")
        let player = Player([])
        let error = await #expect(throws: AirflowError.self) {
            try await AirflowClient.with(access, now: { Instant(seconds: 0) }, sleep: player.sleep) { _ in }
        }
        #expect(error?.code == .unreachable)
        #expect(error?.description.contains("http://127.0.0.1:9, asking for its version") == true)
        #expect(error?.description.contains("refused") == true)
        #expect(player.waits == [0.5, 1, 2, 4])
    }

    @Test func anotherServerThanAirflow() async throws {
        let page = answer(200, "<!doctype html><title>Shop</title>")
        let error = await #expect(throws: AirflowError.self) { try await Player([.success(page)]).client() }
        #expect(error?.code == .unexpected)
        #expect(error?.found == "200 a web page, not the API's JSON")
    }

    @Test(arguments: ["ftp://x", "airflow.example", "http://", "http://u:hush@h/", "http://h/?a=1", ""])
    func addressesThatCannotBeUsed(url: String) {
        let error = #expect(throws: AirflowError.self) { try AirflowAccess(url: url) }
        #expect(error?.code == .badURL)
        #expect(error?.description.contains("hush") == false)
    }

    @Test func addresses() throws {
        #expect(try AirflowAccess(url: "HTTPS://h:8443/airflow//").address == "https://h:8443/airflow")
        #expect(try AirflowAccess(url: "http://[::1]:8080").address == "http://[::1]:8080")
        #expect(throws: AirflowError.self) { try AirflowAccess(url: "http://h", user: "a") }
        #expect(throws: AirflowError.self) { try AirflowAccess(url: "http://h", authorities: "/nowhere/ca.pem") }
        #expect(throws: AirflowError.self) { try AirflowAccess(url: "http://h", certificate: "/etc/hostname") }
    }
}

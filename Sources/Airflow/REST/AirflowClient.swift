import LosslessJSON
public import Schedules

/// One Airflow through its stable REST API: version 2 of Airflow 3, version 1 of Airflow 2.11. Never its metadata database.
public struct AirflowClient: Sendable {
    /// What it says its version is.
    public let version: AirflowVersion
    /// Seconds by which its clock was ahead of this machine's at the first answer, to about a second; nil if it gave no date.
    public let clockAhead: Double?
    let session: AirflowSession
    let now: @Sendable () -> Instant
    let sleep: @Sendable (Double) async throws -> Void

    /// The most entries that the API gives at once, whatever it is asked for.
    static let pageSize = 100

    /// The most entries that are read of one list.
    static let mostEntries = 100_000

    /// The address without credentials.
    public var address: String { session.access.address }

    /// Connects, and hands the client to a body.
    ///
    /// - Parameters:
    ///   - now: this machine's clock.
    ///   - sleep: waits so many seconds.
    /// - Throws: `AirflowError` if nobody answers, or the Airflow is older than 2.11; what the body throws.
    public static func with<Value>(
        _ access: AirflowAccess,
        now: @escaping @Sendable () -> Instant,
        sleep: @escaping @Sendable (Double) async throws -> Void,
        _ body: (AirflowClient) async throws -> Value
    ) async throws -> Value {
        let http = try AirflowHTTP(access)
        do {
            let session = AirflowSession(
                access: access,
                send: { try await http.send($0, authorization: $1) },
                sleep: sleep
            )
            let value = try await body(AirflowClient(session: session, now: now, sleep: sleep))
            await http.close()
            return value
        } catch {
            await http.close()
            throw error
        }
    }

    /// Finds out the version.
    init(
        session: AirflowSession,
        now: @escaping @Sendable () -> Instant,
        sleep: @escaping @Sendable (Double) async throws -> Void
    ) async throws {
        self.session = session
        self.now = now
        self.sleep = sleep
        var request = AirflowRequest(operation: "asking for its version", path: "/api/v2/version")
        var answer = try await session.answerWithoutLogin(request)
        if answer.status == 404 {
            request.path = "/api/v1/version"
            answer = try await session.answerWithoutLogin(request)
        }
        let text = (try? JSON(parsing: answer.body))?["version"]?.string
        guard (200..<300).contains(answer.status), let text, let version = AirflowVersion(text) else {
            throw session.error(
                answer.status >= 500 ? .server : .unexpected,
                request,
                "\(answer.status) \(answer.detail.prefix(200))",
                "Is target.airflow.url the address that people open in a browser?"
            )
        }
        guard version.standing != .tooOld else {
            throw session.error(
                .version,
                request,
                "it is Airflow \(version)",
                "Bailey works with 2.11 and 3; upgrade it, or place the generated files by hand"
            )
        }
        self.version = version
        clockAhead = answer.date.flatMap { Instant(httpDate: $0) }.map { $0.seconds(since: now()) }
    }

    // MARK: Questions

    /// Asks the API; the path stands behind `/api/vN`.
    func ask(_ request: AirflowRequest) async throws -> JSON {
        var request = request
        request.path = (version.isThree ? "/api/v2" : "/api/v1") + request.path
        let answer = try await session.ask(request, basic: !version.isThree)
        if answer.body.isEmpty { return .null }
        do {
            return try JSON(parsing: answer.body)
        } catch {
            guard request.method == .get else { return .null }
            throw session.error(
                .unexpected,
                request,
                "\(error)",
                "Is there a proxy in front of Airflow that answers in its place?"
            )
        }
    }

    /// Asks for one object.
    func object<Value>(_ request: AirflowRequest, _ read: (JSON) -> Value?) async throws -> Value {
        let json = try await ask(request)
        guard let value = read(json) else {
            throw session.error(
                .unexpected,
                request,
                "the answer is not what Airflow \(version) should give: \(json.text().prefix(120))",
                "Please report this"
            )
        }
        return value
    }

    /// Asks for all entries of a list, page by page.
    func list<Value>(_ request: AirflowRequest, _ key: String, _ read: (JSON) -> Value?) async throws -> [Value] {
        var found: [Value] = []
        var pages = Paging(limit: AirflowClient.pageSize)
        while let offset = pages.next {
            var page = request
            page.query += [("limit", "\(pages.limit)"), ("offset", "\(offset)")]
            let json = try await object(page) { $0[key]?.array == nil ? nil : $0 }
            let entries = json[key]?.array ?? []
            for entry in entries { if let value = read(entry) { found.append(value) } }
            guard found.count <= AirflowClient.mostEntries else {
                let claimed = json["total_entries"]?.int.map { " of \($0)" } ?? ""
                throw session.error(
                    .unexpected,
                    page,
                    "the list has more than \(AirflowClient.mostEntries) entries\(claimed)",
                    "See whether that can be; delete what is old (airflow db clean), or a proxy answers in its place"
                )
            }
            pages.received(entries.count, total: json["total_entries"]?.int)
        }
        return found
    }

    /// What a question gives, or nil if what it is about does not exist.
    func unlessMissing<Value>(_ body: () async throws -> Value) async throws -> Value? {
        do { return try await body() } catch let error as AirflowError where error.code == .notFound { return nil }
    }

    /// Whether a thing was made; false if it exists already.
    func unlessThere(_ body: () async throws -> Void) async throws -> Bool {
        do {
            try await body()
            return true
        } catch let error as AirflowError where error.code == .conflict { return false }
    }

    /// Asks again and again until there is a value, with growing pauses.
    ///
    /// - Parameters:
    ///   - seconds: the limit.
    ///   - pause: the first pause in seconds; the longest is ten times that.
    /// - Returns: nil when the limit has passed.
    public func poll<Value>(seconds: Double, pause: Double = 0.5, _ look: () async throws -> Value?) async throws
        -> Value?
    {
        let end = now().adding(microseconds: Int64(seconds * 1_000_000))
        var wait = pause
        while true {
            if let value = try await look() { return value }
            let left = end.seconds(since: now())
            guard left > 0 else { return nil }
            try await sleep(min(wait, left))
            wait = min(wait * 1.3, pause * 10)
        }
    }
}

/// Where to go on in a list that comes in pages.
struct Paging: Sendable, Hashable {
    let limit: Int
    /// The offset of the next page; nil when all are there.
    private(set) var next: Int? = 0

    init(limit: Int) { self.limit = limit }

    /// Notes a page: some lists of 2.11 come whole, whatever the limit; some of 3.3 leave out the total.
    mutating func received(_ count: Int, total: Int?) {
        let reached = (next ?? 0) + count
        let more = total.map { reached < $0 } ?? (count >= limit)
        next = count > 0 && more ? reached : nil
    }
}

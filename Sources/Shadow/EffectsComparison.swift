import Foundation
import LosslessJSON
import Migration
import Postgres
import Schedules

/// Lets a body have its effects where they do no harm, and compares them with legacy's.
struct EffectsComparison: Sendable {
    /// Where a body with effects runs.
    struct Place: Sendable {
        /// URLs that stand in the place of others.
        var connections: [String: String] = [:]
        /// Variables that lead the body there.
        var variables: [String: String] = [:]
        /// Queries whose rows are written to files before all that SQL did is rolled back; nil where it is kept.
        var rows: [(query: String, file: String)]?
    }

    /// URLs of connections by name.
    let connections: [String: String]
    /// Where the keys of rows that differ are written, many as they may be; nil for nowhere.
    let folder: String?

    /// Runs a body in a place for its effects, and compares those if it succeeded.
    ///
    /// - Parameters:
    ///   - facts: what the run knows of itself, which conditions may name.
    ///   - run: the id of the run, for the name of a file.
    /// - Throws: what the body throws.
    func around(
        _ task: TaskDefinition,
        _ facts: RunFacts,
        run: String,
        _ body: (Place) async throws -> EmbeddedEngine.TaskRun
    ) async throws -> EmbeddedEngine.TaskRun {
        var ended: EmbeddedEngine.TaskRun?
        do {
            guard let copy = task.rows.copy else {
                return try await rolledBack(task, facts, run, { ended = $0 }, body)
            }
            return try await DatabaseCopies.with(copy, url: try url(copy.connection)) { place, missing in
                var leading = Place(connections: [copy.connection: place])
                if let variable = copy.variable { leading.variables[variable] = place }
                var result = try await body(leading)
                ended = result
                guard result.state == .success else { return result }
                var all = EffectFindings()
                for effect in task.rows.tables {
                    let opened = try await opened(effect, task, facts)
                    let target =
                        effect.connection == copy.connection
                        ? place : DatabaseCopies.leading(place, to: copy.template)
                    let shadow = try await connected(target)
                    let rows = try await shadow.copy(opened.table.query)
                    let found = try await opened.table.compare(
                        opened.connection,
                        with: { try await rows.block() },
                        file: file(task, effect, run)
                    )
                    all.differences += found.differences
                    all.told += found.told
                }
                if !missing.isEmpty {
                    let names = missing.joined(separator: ", ")
                    all.told.append("the copy lacks settings of legacy's database that its role may not give: \(names)")
                }
                result.rows = .success(all)
                return result
            }
        } catch let error as CancellationError {
            throw error
        } catch {
            // That the effects are not known is no failure of the body.
            var result =
                ended
                ?? EmbeddedEngine.TaskRun(task: task.id, state: .failed, observedOnly: false, attempts: 0)
            result.rows = .failure(
                EffectsUnknown(description: "the effects of “\(task.id)” are not known: \(error)")
            )
            return result
        }
    }

    /// SQL that runs in legacy's own database, in a transaction that is rolled back once its rows are read.
    private func rolledBack(
        _ task: TaskDefinition,
        _ facts: RunFacts,
        _ run: String,
        _ keep: (EmbeddedEngine.TaskRun) -> Void,
        _ body: (Place) async throws -> EmbeddedEngine.TaskRun
    ) async throws -> EmbeddedEngine.TaskRun {
        var opened: [(connection: PostgresConnection, table: TableComparison, file: String)] = []
        let scratch = FileManager.default.temporaryDirectory.path + "/bailey-rows-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: scratch,
            withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700]
        )
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        for (index, effect) in task.rows.tables.enumerated() {
            let (connection, table) = try await self.opened(effect, task, facts)
            opened.append((connection, table, "\(scratch)/\(index)"))
        }
        var result = try await body(Place(rows: opened.map { ($0.table.query, $0.file) }))
        keep(result)
        guard result.state == .success else { return result }
        var all = EffectFindings()
        for (connection, table, rows) in opened {
            let reader = try RowFile(rows)
            let found = try await table.compare(
                connection,
                with: { try reader.block() },
                file: file(task, table.effect, run)
            )
            all.differences += found.differences
            all.told += found.told
        }
        result.rows = .success(all)
        return result
    }

    private func opened(_ effect: TableEffect, _ task: TaskDefinition, _ facts: RunFacts) async throws
        -> (connection: PostgresConnection, table: TableComparison)
    {
        var values: JSONObject = task.body.input["params"]?.object ?? [:]
        if let tick = facts.tick {
            values["tick"] = .string(tick.iso8601)
            values["date"] = .string(facts.zone.local(at: tick).date.description)
        }
        for name in effect.condition?.parameters ?? [] where values[name] == nil {
            throw RowComparison.Failure(
                description: "“where” of \(effect.name) names :\(name), which this run does not know"
            )
        }
        let connection = try await connected(try url(effect.connection))
        return (connection, try await TableComparison(effect, values, in: connection))
    }

    private func connected(_ url: String) async throws -> PostgresConnection {
        try await PostgresConnection(to: try PostgresURL(url), statementTimeout: 3600)
    }

    private func url(_ name: String) throws -> String {
        guard let url = connections[name] else {
            throw RowComparison.Failure(description: "“connections” of bailey.yaml has no “\(name)”")
        }
        return url
    }

    /// Where the keys of a table's rows that differ are written.
    private func file(_ task: TaskDefinition, _ effect: TableEffect, _ run: String) -> String? {
        func plain(_ text: String) -> String {
            String(
                text.unicodeScalars.map {
                    $0.isASCII && $0.properties.isAlphabetic || "0123456789-_".unicodeScalars.contains($0)
                        ? Character($0) : "_"
                }
            )
        }
        return folder.map { "\($0)/\(plain(run))-\(plain(task.id))-\(plain(effect.name)).tsv" }
    }
}

/// Why it is not known how effects compare.
public struct EffectsUnknown: Error, Sendable, CustomStringConvertible {
    public let description: String
}

/// A file of rows, read in blocks of whole lines.
private final class RowFile: Sendable {
    private nonisolated(unsafe) let file: UnsafeMutablePointer<FILE>  // safe: blocks are asked for one after another
    private nonisolated(unsafe) var rest: [UInt8] = []  // safe: as the file's
    private static let blockSize = 256 * 1024

    init(_ path: String) throws {
        guard let file = fopen(path, "re") else {
            throw RowComparison.Failure(description: "the rows that shadow left were not written")
        }
        self.file = file
    }

    func block() throws -> [UInt8]? {
        while true {
            let before = rest.count
            rest.append(contentsOf: repeatElement(0, count: RowFile.blockSize))
            let count = rest.withUnsafeMutableBytes { bytes in
                fread(bytes.baseAddress.map { $0 + before }, 1, RowFile.blockSize, file)
            }
            rest.removeLast(RowFile.blockSize - count)
            guard ferror(file) == 0 else {
                throw RowComparison.Failure(description: "the rows that shadow left cannot be read")
            }
            if count == 0 {
                defer { rest = [] }
                return rest.isEmpty ? nil : rest
            }
            guard let end = rest.lastIndex(of: RowLines.newline) else { continue }
            let block = Array(rest[...end])
            rest.removeFirst(block.count)
            return block
        }
    }

    deinit { fclose(file) }
}

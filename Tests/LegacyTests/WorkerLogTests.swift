import Legacy
import Testing

@Suite("A Celery worker's log") struct WorkerLogTests {
    private func read(_ lines: [String]) -> WorkerLog {
        var log = WorkerLog()
        for line in lines { log.take(Array(line.utf8)) }
        return log
    }

    /// What the log says that the run `i` of the task `a.b` took.
    private func seconds(_ lines: String...) -> Double? { read(lines).runs["i"]?.seconds }

    @Test func aSuccessIsFoundInWhateverStandsBeforeIt() {
        let said = "Task a.b[i] succeeded in 0.5s: 'Task c[d] succeeded in 9s: 1'"
        for before in [
            "[2026-11-30 02:00:00,123: INFO/ForkPoolWorker-1] ", "[30/11/2026 02:00:00] INFO ",
            "\u{1b}[32m[2026-11-30 02:00:00,123: INFO/MainProcess]\u{1b}[0m ", "INFO:celery.app.trace:",
            "worker_1  | [2026-11-30 02:00:00,123: INFO/ForkPoolWorker-1] ", "1 дек. 02:00:00 INFO: ",
            "Nov 30 02:00:00 host celery[12]: [2026-11-30 02:00:00,123: INFO/ForkPoolWorker-1] ",
            #"{"level": "INFO", "logger": "celery.app.trace", "message": ""#, #"{"level": "info", "msg": ""#,
            "2026-11-30 02:00:00,1 INFO [celery.app.trace] ", "02:00:00 [info     ] ",
        ] {
            #expect(seconds(before + said) == 0.5, "\(before)")
            #expect(read([before + said]).runs.count == 1, "\(before)")
        }
        #expect(seconds("INFO Task a.b[i] succeeded in 1.5e-05s: None\r") == 1.5e-05)
    }

    @Test func whatATaskSaidIsNone() {
        let said = "Task a.b[i] succeeded in 0.5s: 1"
        for before in [
            "ValueError: ", "  File \"x\", line 3: ", "[2026-11-30 02:00:00,123: WARNING/ForkPoolWorker-1] ",
            "[2026-11-30 02:00:00,123: INFO/ForkPoolWorker-1] mine[j]: ", "INFO:mine:", "", "2026-11-30T02:00:00Z ",
            "INFORMATION: mine ",
            #"{"level": "INFO", "logger": "mine", "message": ""#,
        ] {
            #expect(seconds(before + said) == nil, "\(before)")
        }
        // A log without levels tells that the message was received as well.
        for before in ["", "2026-11-30T02:00:00Z ", "[02:00:00] "] {
            #expect(seconds(before + "Task a.b[i] received", before + said) == 0.5, "\(before)")
        }
    }

    @Test func lengthsThatAreNoneAreLeftOut() {
        for length in ["-1", "nan", "inf", "1e99", "soon", "", "0x10"] {
            #expect(seconds("INFO Task a.b[i] succeeded in \(length)s: 1") == nil, "\(length)")
        }
        for line in [
            "INFO Task a.b[] succeeded in 1s: 1", "INFO Task [i] succeeded in 1s: 1", "INFO Task a.b[i", "Task ",
        ] {
            #expect(read([line]).runs.isEmpty, "\(line)")
        }
    }

    @Test func aRunThatWasTriedAgainCountsNowhereInWhicheverOrder() {
        let retry = "INFO Task a.b[i] retry: Retry in 5s"
        let success = "INFO Task a.b[i] succeeded in 1s: 1"
        for lines in [[retry, success], [success, retry]] {
            let log = read(lines)
            #expect(log.runs["i"] != nil && log.runs["i"]?.seconds == nil)
        }
    }

    @Test func whatHasNoEndIsCounted() {
        let log = read([
            "[2026-11-28 02:00:00,1: INFO/MainProcess] Task a[1] received",
            "[2026-11-28 02:00:01,1: INFO/MainProcess] Task a[2] received",
            "[2026-11-28 02:00:02,1: ERROR/ForkPoolWorker-1] Task a[2] raised unexpected: ValueError('x')",
            "[2026-11-28 02:00:03,1: ERROR/ForkPoolWorker-1] Task handler raised error: WorkerLostError('x')",
            "[2026-11-28 02:00:04,1: INFO/MainProcess] Task a[3] received",
            "[2026-11-30 02:00:00,1: INFO/ForkPoolWorker-1] Task a[3] succeeded in 2s: 1",
        ])
        #expect(log.open == 1 && log.failed == ["2"] && log.runs.count == 1 && log.lines == 6)
        #expect(log.span?.first == "2026-11-28 02:00:00" && log.span?.last == "2026-11-30 02:00:00")
        #expect(!read(["nothing", "Task"]).tellsOfTasks)
    }
}

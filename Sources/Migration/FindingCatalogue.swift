/// Every finding there is. A number is never used again for something else; `docs/findings/` has a page for each.
extension FindingCode {
    // Sources: 1–11
    public static let unreadRecord = FindingCode(1, "unread-record", .warning)
    public static let stopsBeat = FindingCode(2, "stops-beat", .error)
    public static let neverFires = FindingCode(3, "not-in-schedule-set", .warning)
    public static let unknownStatus = FindingCode(4, "unknown-status-word", .warning)
    public static let zoneUnknown = FindingCode(5, "zone-unknown", .warning)
    public static let zoneDisagrees = FindingCode(6, "zone-disagrees", .warning)
    public static let historyBiased = FindingCode(7, "history-biased", .info)
    public static let staticEntry = FindingCode(8, "static-entry", .info)
    public static let disabledEntry = FindingCode(9, "disabled-entry", .info)
    public static let toldByWorkers = FindingCode(10, "told-by-workers", .warning)

    public static let incompleteReading = FindingCode(11, "incomplete-reading", .error)

    // Meaning of schedules: 12–29
    public static let crontabDayAnd = FindingCode(12, "crontab-day-and", .info)
    public static let minuteStar = FindingCode(13, "minute-star", .warning)
    public static let subMinute = FindingCode(14, "sub-minute", .info)
    public static let intervalDrift = FindingCode(15, "interval-drift", .warning)
    public static let dstFold = FindingCode(16, "dst-fold", .info)
    public static let legacyFallBack = FindingCode(17, "legacy-late-at-fall-back", .info)
    public static let rruleWeekdayNth = FindingCode(18, "rrule-weekday-nth-lost", .warning)
    public static let rruleFixedOffset = FindingCode(19, "rrule-fixed-offset", .warning)
    public static let onceAnHour = FindingCode(20, "once-an-hour", .info)
    public static let scheduleNeverDue = FindingCode(21, "never-due", .warning)
    public static let baileyTimetable = FindingCode(22, "needs-bailey-timetable", .info)
    public static let rruleEnds = FindingCode(23, "rrule-ends", .info)
    public static let differsByVersion = FindingCode(24, "differs-by-version", .warning)
    public static let setAside = FindingCode(26, "set-aside", .info)
    public static let zoneContradicted = FindingCode(25, "zone-contradicted", .error)
    public static let scheduleUnsupported = FindingCode(27, "schedule-unsupported", .warning)
    public static let readFromCode = FindingCode(28, "read-from-code", .info)
    public static let codeDiffers = FindingCode(29, "code-differs", .error)

    // Meaning of runs: 30–49
    public static let expires = FindingCode(30, "expires-option", .info)
    public static let retryRuleInCode = FindingCode(33, "retry-rule-in-code", .warning)
    public static let absorbedEntry = FindingCode(34, "absorbed-entry", .warning)
    public static let queueLatency = FindingCode(36, "queue-latency", .warning)
    public static let untranslatable = FindingCode(37, "untranslatable", .warning)
    public static let keptOnLegacy = FindingCode(38, "kept-on-legacy", .info)
    public static let messageRouteUnknown = FindingCode(39, "message-route-unknown", .error)
    public static let workersTold = FindingCode(40, "workers-told", .info)
    public static let workersChanged = FindingCode(41, "workers-changed", .warning)
    public static let resultNotAwaited = FindingCode(42, "result-not-awaited", .warning)
    public static let taskRepeats = FindingCode(43, "task-repeats", .info)
    public static let canvasArguments = FindingCode(44, "canvas-arguments", .warning)
    public static let boundedEntry = FindingCode(45, "bounded-entry", .warning)

    public static let runsElsewhere = FindingCode(46, "runs-elsewhere", .warning)
    public static let overlapDiffers = FindingCode(47, "overlap-differs", .info)
    public static let scheduleMisleads = FindingCode(49, "schedule-misleads", .warning)
    public static let secretInCommand = FindingCode(48, "secret-in-command", .warning)

    // Mappings: 50–67
    public static let unknownEntry = FindingCode(50, "unknown-entry", .error)
    public static let unknownTask = FindingCode(51, "unknown-task", .error)
    public static let duplicateIdentity = FindingCode(52, "duplicate-id", .error)
    public static let dependencyCycle = FindingCode(53, "dependency-cycle", .error)
    public static let entryMappedTwice = FindingCode(54, "entry-mapped-twice", .error)
    public static let unknownEnvironment = FindingCode(55, "unknown-environment", .error)
    public static let clockAmbiguous = FindingCode(56, "clock-ambiguous", .error)
    public static let invalidMapping = FindingCode(57, "invalid-mapping", .error)
    public static let unclassifiedBody = FindingCode(58, "unclassified-body", .info)
    public static let airflowLimit = FindingCode(59, "airflow-limit", .error)
    public static let impossibleWait = FindingCode(60, "impossible-wait", .error)

    public static let renamedEntry = FindingCode(61, "renamed-entry", .info)
    public static let assetUnannounced = FindingCode(62, "asset-unannounced", .warning)
    public static let latenessUnseen = FindingCode(63, "lateness-unseen", .warning)
    public static let templateStays = FindingCode(64, "template-stays", .warning)

    public static let poolUndeclared = FindingCode(65, "pool-undeclared", .warning)
    public static let poolTooSmall = FindingCode(66, "pool-too-small", .error)
    public static let poolDiffers = FindingCode(67, "pool-differs", .error)

    // Airflow: 68–79
    public static let connectionElsewhere = FindingCode(68, "connection-elsewhere", .error)
    public static let connectionUnseen = FindingCode(69, "connection-unseen", .warning)
    public static let dagIDTaken = FindingCode(70, "dag-id-taken", .error)
    public static let moduleMissing = FindingCode(71, "module-missing", .error)
    public static let runtimeMissing = FindingCode(72, "runtime-missing", .error)
    public static let importError = FindingCode(73, "import-error", .error)
    public static let timetableUnknown = FindingCode(74, "timetable-unknown", .error)
    public static let structureDiffers = FindingCode(75, "structure-differs", .error)
    public static let airflowUntested = FindingCode(76, "airflow-untested", .warning)
    public static let unpauseUnsafe = FindingCode(77, "unpause-unsafe", .error)
    public static let setupMissing = FindingCode(78, "setup-missing", .warning)
    public static let notParsed = FindingCode(79, "not-parsed", .error)
    // The switch: 80–99
    public static let cannotPark = FindingCode(80, "clock-cannot-be-parked", .warning)
    public static let ungatedMissedTicks = FindingCode(90, "ungated-missed-ticks", .info)
    public static let timetableStays = FindingCode(91, "timetable-stays", .warning)
    public static let jobsNeedTheSwitch = FindingCode(92, "jobs-need-the-switch", .error)
    public static let noSwitch = FindingCode(93, "no-switch", .info)
    public static let flushesRedis = FindingCode(94, "flushes-redis", .error)
    public static let purgesQueues = FindingCode(95, "purges-queues", .error)

    /// All of them, by number.
    public static let all: [FindingCode] = [
        .unreadRecord, .stopsBeat, .neverFires, .unknownStatus, .zoneUnknown, .zoneDisagrees, .historyBiased,
        .staticEntry, .disabledEntry, .toldByWorkers, .incompleteReading,
        .crontabDayAnd, .minuteStar, .subMinute, .intervalDrift, .dstFold, .legacyFallBack, .rruleWeekdayNth,
        .rruleFixedOffset, .onceAnHour, .scheduleNeverDue, .baileyTimetable, .rruleEnds, .differsByVersion,
        .zoneContradicted, .setAside, .scheduleUnsupported, .readFromCode, .codeDiffers,
        .expires, .retryRuleInCode, .absorbedEntry,
        .queueLatency, .untranslatable, .keptOnLegacy, .messageRouteUnknown, .workersTold, .workersChanged,
        .resultNotAwaited, .taskRepeats, .canvasArguments, .boundedEntry,
        .runsElsewhere, .overlapDiffers, .secretInCommand, .scheduleMisleads,
        .unknownEntry, .unknownTask, .duplicateIdentity, .dependencyCycle, .entryMappedTwice, .unknownEnvironment,
        .clockAmbiguous, .invalidMapping, .unclassifiedBody, .airflowLimit, .impossibleWait, .renamedEntry,
        .assetUnannounced, .latenessUnseen, .templateStays,
        .poolUndeclared,
        .poolTooSmall,
        .poolDiffers,
        .connectionElsewhere, .connectionUnseen,
        .dagIDTaken, .moduleMissing, .runtimeMissing, .importError, .timetableUnknown, .structureDiffers,
        .airflowUntested,
        .unpauseUnsafe, .setupMissing, .notParsed,
        .cannotPark, .ungatedMissedTicks, .timetableStays, .jobsNeedTheSwitch, .noSwitch,
        .flushesRedis, .purgesQueues,
    ]
}

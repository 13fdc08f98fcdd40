/// Which texts can name a variable of a generated file.
enum PythonNames {
    /// Whether a variable of this name hides nothing that the file uses.
    static func isFree(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(48...57).contains(first), !taken.contains(name) else { return false }
        // Functions and helper variables begin so.
        guard !name.hasPrefix("run_"), !name.hasPrefix("take_"), !name.hasPrefix("_") else { return false }
        return name.utf8.allSatisfy {
            (97...122).contains($0) || (65...90).contains($0) || (48...57).contains($0) || $0 == 95
        }
    }

    private static let taken: Set<String> = Set(
        """
        False None True and as assert async await break class continue def del elif else except finally for from global if import in is
        lambda match nonlocal not or pass raise return try type while with yield case
        BaseException KeyboardInterrupt RuntimeError dict float getattr int isinstance len list max min print range repr set str tuple
        base64 datetime json os pendulum signal subprocess sys time uuid importlib redis airflow bailey_runtime
        AirflowSkipException Asset BaileyGate BaileyTimetable BaseHook CeleryTask CommandTask Connection CronTriggerTimetable DAG DOCUMENTATION Dataset
        DeltaTriggerTimetable FailingTask MultipleCronTriggerTimetable Param PythonOperator PythonTask TaskGroup alert_when_late gate
        get_current_context job log_late_tasks task
        """.split { $0 == " " || $0 == "\n" }.map(String.init)
    )
}

import CTexts

/// What schema `bailey` holds for all queues of a database: tables, and functions that find the queue's own ones. Its SQL stands in `SQL`.
enum QueueSwitchSchema {
    /// The version of tables and functions; another one is refused.
    static let version = 1

    /// The functions that Bailey and Airflow call; all others are called by these.
    static let callable = [
        "mark(text, text, text, boolean)", "hand_over(text, text, text, text)",
        "bucket(text)", "close(text, text, integer, text, text, boolean, interval)", "hold(text, text, integer)",
        "look(text, text)", "held_now(text, text)", "stranded(text)", "blockers(text, text)",
        "settle(text, text, bigint)", "release(text, text, text, text)", "give_back(text, text, integer)",
        "sweep(text, text)", "located(text)",
        "take(text, text, text, integer)",
        "finish(text, text, text, text, text)", "give_up(text, text, text[], text)", "mode(text, text, text)",
        "is_due(text, text, text)",
    ]

    /// All of it, in the order in which it is run.
    static let all = [
        carried_queue_tables_sql(), carried_queue_helpers_sql(), carried_queue_returning_sql(),
        carried_queue_moving_sql(), carried_queue_running_sql(), carried_queue_retiring_sql(),
    ].map { String(cString: $0) }.joined(separator: "\n")
}

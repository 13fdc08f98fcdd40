// room Schedules

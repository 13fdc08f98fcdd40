"""What Airflow loads for Bailey: the timetable and the legacy schedules behind it."""

# The id of the first task of every gated DAG.
GATE = "gate"

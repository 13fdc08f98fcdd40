"""What Airflow loads for Bailey: the timetable and the legacy schedules behind it."""

# The id of the first task of every gated DAG.
GATE = "gate"
# The DAG's parameter by which a person who starts a run chooses what it does.
MODE_PARAM = "bailey_mode"

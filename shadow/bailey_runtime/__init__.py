"""What Airflow loads for Bailey: the timetable and the legacy schedules behind it."""

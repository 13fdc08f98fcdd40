// room Airflow

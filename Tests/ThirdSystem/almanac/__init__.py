"""What an almanac brings to Airflow."""

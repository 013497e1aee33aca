"""Everything Airloop knows, as plain Python: nothing in here imports Airflow."""

"""The Airloop page in Airflow's interface."""

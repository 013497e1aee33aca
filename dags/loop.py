"""Every DAG of this project for Airflow, made from the specs under config/; `airloop eject` gives one its own file."""

from airloop_dags import build

build()

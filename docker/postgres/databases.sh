#!/bin/sh
# Run by the image's entrypoint on an empty volume: a role and a database for each, and none sees another's.
set -eu
make() {
    psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
        --set role="$1" --set password="$2" --set database="$3" <<'SQL'
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', :'role', :'password')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'role') \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'database') \gexec
SQL
}
make airflow "$AIRFLOW_DB_PASSWORD" airflow
make mlflow "$MLFLOW_DB_PASSWORD" mlflow
make airloop "$LEDGER_DB_PASSWORD" airloop
make airloop "$LEDGER_DB_PASSWORD" tuning

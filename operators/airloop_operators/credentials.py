"""What Airflow connections say of a bucket or a database, as the variables that a step is given."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from airloop.errors import SpecError, UnreachableError
from airloop.execution.pods.kubeconfig import names_a_cluster
from airloop.settings import Settings
from airloop.specs import DatasetSpec
from airloop.storage.options import with_credentials

#: Airflow's types of connections whose name is not SQLAlchemy's.
_DRIVERS = {"postgres": "postgresql"}


def storage_credentials(settings: Settings) -> dict[str, str]:
    """The ``AWS_…`` variables of the connection that the settings name; none where they name none.

    Read when a step starts, so that a connection that was changed counts at once, and kept nowhere: neither in
    XComs nor in requests, rendered fields or pods.

    :raises SpecError: if there is no such connection, or it yields no credentials
    :raises UnreachableError: if the server that gives temporary ones does not answer
    """
    if settings.storage_connection is None:
        return {}
    # The hook brings boto3: only who names a connection pays for it.
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook
    from botocore import exceptions as aws

    name = settings.storage_connection
    try:
        hook: Any = AwsGenericHook(aws_conn_id=name, client_type="s3")
        found = hook.get_session().get_credentials()
        # One look at both halves: a role's keys are renewed now and then.
        keys = found and found.get_frozen_credentials()
        region, endpoint = hook.region_name, hook.conn_config.get_service_endpoint_url("s3")
    except (aws.ConnectionError, aws.HTTPClientError) as error:  # a role is assumed at a server
        raise UnreachableError(
            "the server of temporary keys does not answer", value=str(error), where=name
        ) from error
    except (AirflowNotFoundException, ValueError, aws.BotoCoreError, aws.ClientError) as error:
        raise _refusal(name, str(error)) from error
    if keys is None:
        raise _refusal(name, "it yields no credentials")
    return _variables(keys, region, endpoint)


def with_storage(settings: Settings) -> Settings:
    """The settings with the credentials of the stores, for what reads or writes them in this very process.

    :raises SpecError: if there is no such connection, or it yields no credentials
    :raises UnreachableError: if the server that gives temporary ones does not answer
    """
    options = with_credentials(settings.storage_options, storage_credentials(settings))
    return settings.model_copy(update={"storage_options": options})


def _variables(keys: Any, region: str | None, endpoint: str | None) -> dict[str, str]:
    variables = {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_SESSION_TOKEN": keys.token,
        "AWS_REGION": region,
        "AWS_ENDPOINT_URL": endpoint,
    }
    # The connection's own fields are masked in logs already; those of an assumed role are not.
    for secret in (keys.secret_key, keys.token):
        if secret:
            mask_secret(secret)
    return {variable: value for variable, value in variables.items() if value}


def source_credentials(dataset: DatasetSpec) -> dict[str, str]:
    """The URLs of the Airflow connections that a dataset's source names, by the variables in which its step finds them.

    :raises SpecError: if there is no such connection, or no URL can be made of it
    """
    return {
        variable: _url(name, dataset.name) for variable, name in dataset.source.connections.items()
    }


def _url(name: str, dataset: str) -> str:
    """A connection as SQLAlchemy writes it."""
    import sqlalchemy as sa

    where = f"config/datasets/{dataset}.yaml, key source.connection"
    remedy = f"airflow connections add {name} --conn-type postgres --conn-host …"
    try:
        found: Any = BaseHook.get_connection(name)
    except AirflowNotFoundException as error:
        raise SpecError(
            "there is no such Airflow connection", value=name, where=where, remedy=remedy
        ) from error
    driver = _DRIVERS.get(found.conn_type, found.conn_type)
    if driver == "sqlite":  # Airflow keeps the path as the host
        return f"sqlite:///{found.host or found.schema or ''}"
    url = sa.URL.create(
        driver, found.login, found.password, found.host, found.port, found.schema or None
    )
    text = url.render_as_string(hide_password=False)
    mask_secret(text)
    return text


def require_cluster(name: str) -> None:
    """See that the connection to the cluster names one.

    The client libraries would otherwise take whatever ``KUBECONFIG`` or ``~/.kube`` says: maybe another cluster, often
    with the rights of an administrator.

    :raises SpecError: if there is no such connection, or it leaves the choice to the machine
    """
    try:
        extra = BaseHook.get_connection(name).extra_dejson
    except AirflowNotFoundException:
        what = (
            "there is no such connection, and no cluster is taken from the machine's own kubeconfig"
        )
    else:
        if names_a_cluster(extra):
            return
        what = (
            "the connection names no cluster, and none is taken from the machine's own kubeconfig"
        )
    raise SpecError(
        what,
        value=name,
        where="kubernetes.connection_id of the settings",
        remedy=f"export AIRFLOW_CONN_{name.upper()} before `airloop up`, or `airflow connections add {name}`, "
        "with in_cluster, kube_config_path or kube_config",
    )


def _refusal(name: str, why: str) -> SpecError:
    return SpecError(
        f"the connection gives no access to the storage: {why.splitlines()[0][:200]}",
        value=name,
        where="storage_connection of the settings",
        remedy=f"airflow connections add {name} --conn-type aws --conn-login … --conn-password …",
    )

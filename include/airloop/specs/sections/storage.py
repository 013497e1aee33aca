"""The options of a bucket: which there are, and which must not stand in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator

from airloop.issues import SpecIssue, refuse

#: What must not stand in a file: only in the environment, or in an Airflow connection.
SECRETS: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
#: Every option, with what it means.
OPTIONS: Final = {
    "aws_endpoint_url": "address of the server; AWS' own without one",
    "aws_region": "region of the bucket",
    "aws_access_key_id": "who asks; for the environment only",
    "aws_secret_access_key": "for the environment only",
    "aws_session_token": "for the environment only",
    "aws_virtual_hosted_style_request": "`true`: the bucket is part of the host's name",
    "aws_server_side_encryption": "`AES256`, `aws:kms` or `aws:kms:dsse`",
    "aws_sse_kms_key_id": "the key of `aws:kms`",
}
#: deltalake's way out where a server knows no conditional puts: never taken.
UNSAFE: Final = "aws_s3_allow_unsafe_rename"


def _known(options: dict[str, str]) -> dict[str, str]:
    found = []
    for name in options:
        if name == UNSAFE:
            what = "lets the commits of two writers overwrite each other"
            remedy = "use a server that honours conditional puts (If-None-Match)"
            found.append(SpecIssue((name,), what, None, remedy))
        elif name not in OPTIONS:
            what = f"unknown storage option {name!r}"
            found.append(SpecIssue((name,), what, None, "", tuple(OPTIONS)))
    endpoint = options.get("aws_endpoint_url")
    if endpoint is not None and not endpoint.lower().startswith(("http://", "https://")):
        what, remedy = "is not the address of a server", "write http://host:port or https://host"
        found.append(SpecIssue(("aws_endpoint_url",), what, None, remedy))
    refuse(found)
    return options


#: ``storage_options`` of the settings.
StorageOptions = Annotated[dict[str, str], AfterValidator(_known)]


def boto_environment(options: Mapping[str, str]) -> dict[str, str]:
    """The same options as the variables that MLflow and the boto3 beneath it read.

    boto3 asks Amazon, with the caller's keys, unless it is told another server; of a region it knows but its own name.
    """
    names = ("aws_endpoint_url", "aws_region", *SECRETS)
    found = {name.upper(): options[name] for name in names if options.get(name)}
    if endpoint := options.get("aws_endpoint_url"):
        found["MLFLOW_S3_ENDPOINT_URL"] = endpoint
    if region := options.get("aws_region"):
        found["AWS_DEFAULT_REGION"] = region
    if options.get("aws_virtual_hosted_style_request") == "true":
        found["MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"] = "virtual"
    if encryption := options.get("aws_server_side_encryption"):
        extra = {"ServerSideEncryption": encryption}
        if key := options.get("aws_sse_kms_key_id"):
            extra["SSEKMSKeyId"] = key
        found["MLFLOW_S3_UPLOAD_EXTRA_ARGS"] = json.dumps(extra)
    return found

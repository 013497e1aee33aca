"""How a bucket is reached: which options there are, and what both of its clients are told besides.

Delta tables are read and written by deltalake, everything else by obstore. Both are bindings of one Rust library
(``object_store``), so one set of options, ``storage_options`` of the settings, means the same to both. What is not
set there comes from the environment's usual ``AWS_…`` variables, credentials first of all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from airloop.specs.sections.storage import OPTIONS, UNSAFE

SCHEME: Final = "s3://"
#: Patience with a server, in the words of object_store: its own is 10 retries over 180 s, while a task seems to hang.
TIMEOUT, CONNECT_TIMEOUT, RETRIES, RETRY_SECONDS = "30s", "5s", 4, 20


def is_bucket(uri: str) -> bool:
    """Whether an address lies in a bucket, not in a folder of this machine."""
    return uri.startswith(SCHEME)


def allows_http(options: Mapping[str, str]) -> bool:
    """Whether the endpoint was written as ``http://``: who writes it means it."""
    endpoint = (
        options.get("aws_endpoint_url")
        or os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL", "")
    )
    return endpoint.lower().startswith("http://")


def delta_options(uri: str, options: Mapping[str, str]) -> dict[str, str] | None:
    """What deltalake needs for a table; None for one on this machine.

    A commit is one conditional put (``If-None-Match: *``), on which everything rests that two writers do. So it is
    said here, where no variable of the environment can switch it off.
    """
    if not is_bucket(uri):
        return None
    return {
        "timeout": TIMEOUT,
        "connect_timeout": CONNECT_TIMEOUT,
        "max_retries": str(RETRIES),
        "retry_timeout": f"{RETRY_SECONDS}s",
        "aws_allow_http": str(allows_http(options)).lower(),
        **options,
        "aws_conditional_put": "etag",
        UNSAFE: "false",
    }


def with_credentials(options: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """Options completed by ``AWS_…`` variables that are not this process's own: an option is named as its variable."""
    named = {name.lower(): value for name, value in variables.items()}
    return {name: value for name, value in named.items() if name in OPTIONS} | dict(options)

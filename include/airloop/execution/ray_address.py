"""The address of a Ray cluster, asked before Ray is, which waits for minutes and ends the process then."""

from __future__ import annotations

from urllib.parse import urlsplit

from airloop.errors import SpecError, UnreachableError

#: Seconds in which a cluster must answer at all.
ANSWER_SECONDS = 10.0
WHERE = "compute.address of the model"


def check_answer(address: str) -> None:
    """Make sure that a server answers.

    :raises UnreachableError: if none does
    :raises SpecError: if it is no address
    """
    import grpc

    found = urlsplit(address if "://" in address else f"//{address}")
    if not found.hostname or not found.port:
        raise SpecError(
            "not an address of a Ray cluster",
            value=address,
            where=WHERE,
            remedy="write local, <head>:6379, or from outside of the cluster ray://<head>:10001",
        )
    with grpc.insecure_channel(f"{found.hostname}:{found.port}") as channel:
        try:
            grpc.channel_ready_future(channel).result(ANSWER_SECONDS)
        except grpc.FutureTimeoutError:
            raise silent(address, f"waited {ANSWER_SECONDS:.0f} s") from None


def silent(address: str, why: str) -> UnreachableError:
    """What is told of a cluster that does not answer."""
    what, remedy = "the Ray cluster does not answer", "start it, or correct the address"
    return UnreachableError(what, value=address, where=f"{WHERE} ({why})", remedy=remedy)

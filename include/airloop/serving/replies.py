"""What a client reads in the service's replies: one reading for the loop's own client and for people's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from airloop.serving.responses import LOG_HEADER, PredictionResponse

if TYPE_CHECKING:
    import httpx

#: Statuses that a second attempt may turn into a yes.
BUSY: Final = frozenset({408, 429, 502, 503, 504})


def answer_of(response: httpx.Response) -> PredictionResponse:
    """The predictions of a reply that has some."""
    logged = LOG_HEADER not in response.headers
    return PredictionResponse.model_validate(response.json() | {"logged": logged})


def refusal_of(response: httpx.Response) -> tuple[str, Sequence[dict[str, Any]]]:
    """What any other reply says, and the details beside it; of one that is none of the service's, a proxy's, its status."""
    try:
        told = response.json()
        return str(told["error"]), told.get("details", [])
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"the service answered {response.status_code}", []

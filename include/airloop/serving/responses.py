"""What the service answers with: shared by the service and its client, so both know one shape."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from airloop.contracts import Contract, Name
from airloop.figures import Finite
from airloop.serving.tally import VersionState

#: Set on an answer whose rows could not be written to the prediction log (a full disk).
LOG_HEADER = "x-airloop-prediction-log"
REQUEST_ID_HEADER = "x-request-id"
#: By which a caller could think to choose a version: a request with one of them is refused.
VERSION_HEADERS = ("x-airloop-version", "x-model-version")
#: A caller's own request id is honoured when it matches this; anything else gets a new one.
REQUEST_ID_PATTERN = r"\A[A-Za-z0-9._-]{1,64}\Z"


class ErrorDetail(Contract):
    """One thing that is wrong with a request; never with what was sent."""

    loc: tuple[str | int, ...]
    msg: str
    type: str


class _Body(Contract):
    """What every answer says beside its predictions."""

    model: Name
    version: int
    request_id: str
    #: Values that the dataset's expectations only warn of: answered all the same. Not there where there are none.
    warnings: tuple[ErrorDetail, ...] = ()
    #: The version that this request belonged to and that could not answer, or not in time. Not there where it did.
    fallback_for: int | None = None


class PredictionBody(_Body):
    """One answer as it is sent: a number a row."""

    predictions: tuple[Finite, ...]


class NamedPredictionBody(_Body):
    """One answer as it is sent of a model that declares outputs: their numbers a row, by name."""

    predictions: tuple[dict[str, Finite], ...]


class LabelledPredictionBody(_Body):
    """One answer as it is sent of a model that declares labels: a class a row."""

    predictions: tuple[str, ...]


class VectorPredictionBody(_Body):
    """One answer as it is sent of a model that declares a vector: a list of numbers a row."""

    predictions: tuple[tuple[Finite, ...], ...]


class PredictionResponse(_Body):
    """One answer of any shape. ``logged`` is false where the service says its prediction log is degraded."""

    predictions: tuple[Finite | str | tuple[Finite, ...] | dict[str, Finite], ...]

    logged: bool = True


class ErrorBody(Contract):
    """Every answer that is not what was asked for."""

    error: str
    request_id: str
    details: tuple[ErrorDetail, ...] = ()


class Readiness(Contract):
    """Whether the service answers for some model, and why not."""

    ready: bool
    reason: str = ""


class Condition(StrEnum):
    """What an endpoint is doing."""

    #: The ledger has not been asked yet.
    STARTING = "starting"
    #: The ledger does not answer, and nothing is at hand.
    UNREACHABLE = "ledger unreachable"
    #: The first version is on its way.
    LOADING = "loading"
    #: The libraries of the first version are being installed.
    BUILDING = "building its environment"
    #: The ledger answers, and names nothing.
    EMPTY = "nothing deployed"
    #: The version that the ledger names cannot be loaded, and there is no other.
    REFUSED = "refused"
    #: A person ended it.
    RETIRED = "retired"
    SERVING = "serving"
    #: Its version is loaded by the next request: it was let go for others, or nobody asked for it yet.
    RESTING = "resting"


class EndpointState(Contract):
    """One model's endpoint: what it serves, what the ledger wants, and why the two differ.

    ``says`` is the condition as a sentence. ``version`` is the one that answers, which a resting endpoint brings back;
    ``warm_digest`` is the artifact that is still in memory beside the one that serves. ``log_failures`` counts rows answered but not logged since the process started.
    """

    model: Name
    condition: Condition = Condition.STARTING
    says: str = ""
    version: int | None = None
    sequence: int | None = None
    digest: str | None = None
    warm_digest: str | None = None
    since: datetime | None = None
    wanted_version: int | None = None
    wanted_sequence: int | None = None
    error: str | None = None
    #: How many requests are taken at once, by what can be answered in time.
    limit: int | None = None
    requests: int = 0
    rows: int = 0
    batches: int = 0
    log_failures: int = 0
    log_error: str | None = None
    #: The row of the ledger's traffic that it answers by; None where the champion answers everything.
    traffic: int | None = None
    #: Each version in it, with what became of its requests since.
    versions: tuple[VersionState, ...] = ()
    #: Requests that the champion of before answered, since the one of now could not.
    fallbacks: int = 0


class EndpointsResponse(Contract):
    """All endpoints of the service, as its slowest worker has each; the counters are added up over ``workers``."""

    slots: tuple[EndpointState, ...]
    workers: int = 1

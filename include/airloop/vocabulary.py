"""The ledger's words: what its rows are about, what was done, and why. Values are stored, so they never change alone."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

#: The actor of what nobody else did.
LOOP: Final = "airloop"
#: The check of a version by what callers asked last. That nobody has asked yet, or nobody serves, stops no delivery.
OFFLINE_SHADOW: Final = "offline shadow"


class Topic(StrEnum):
    """What a decision is about."""

    VALIDATION = "validation"
    CORRECTION = "correction"
    SWEEP = "sweep"
    WINDOW = "window"
    TUNING = "tuning"
    ALGORITHM = "algorithm"
    SEGMENTS = "segments"
    CANDIDATE = "candidate"
    #: What a run was registered as.
    VERSION = "version"
    #: Where MLflow says something else than the ledger.
    MLFLOW = "mlflow"
    GATE = "gate"
    APPROVAL = "approval"
    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    #: Which versions answer, and how often.
    TRAFFIC = "traffic"
    RETIREMENT = "retirement"
    PERFORMANCE = "performance"
    RETRAINING = "retraining"
    SHADOW = "shadow"
    REPLAY = "replay"
    INCIDENT = "incident"
    #: Where callers send other values than are delivered.
    SKEW = "skew"
    MEANS = "means"
    ALERT = "alert"
    RUN = "run"
    #: Whether the ledger's own history is what was written.
    AUDIT = "audit"
    #: Whether the lake's files and logs are what was written.
    LAKE = "lake"


class Action(StrEnum):
    """What was decided or done."""

    # The retraining policy's answers.
    RETRAIN = "retrain"
    WAIT = "wait"
    ALERT = "alert"
    # A gate's, and everybody's no.
    PASSED = "passed"
    REFUSED = "refused"
    UNDECIDED = "could not tell"
    # A person's.
    APPROVE = "approve"
    REJECT = "reject"
    # What delivery did.
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    RETIRED = "retired"
    #: Requests were shared out among versions.
    DIRECTED = "directed"
    # What a step did.
    QUARANTINE = "quarantine"
    CORRECTED = "corrected"
    GONE = "gone"
    REMOVE = "remove"
    NOTHING = "nothing"
    TUNED = "tuned"
    CHOSEN = "chosen"
    TRAINED = "trained"
    MEASURED = "measured"
    RESOLVED = "resolved"
    ANNOUNCED = "announced"
    REGISTERED = "registered"
    # What was found of MLflow's copy, and what was done.
    DIFFERS = "differs"
    MENDED = "mended"
    LOST = "lost"
    #: A row that no link proved, by a person.
    ACCEPTED = "accepted"
    # What became of a run that did not come to its end.
    FAILED = "failed"
    ABANDONED = "abandoned"


class Cause(StrEnum):
    """Why to train."""

    DRIFT = "drift"
    PERFORMANCE = "performance"
    #: A shadow candidate has shown to be better.
    GAIN = "gain"
    #: So much has arrived since the last training as the spec says.
    NEW_DATA = "new_data"
    #: The longest time without a training is over.
    CALENDAR = "calendar"
    SCHEDULE = "schedule"
    ON_DEMAND = "on_demand"


class Triage(StrEnum):
    """What a night's findings mean; nothing follows from it where too little was seen to say."""

    NOTHING = "nothing"
    DRIFT = "drift"
    INCIDENT = "data incident"
    #: Callers send other values than are delivered: a model that learns from those would answer no better.
    SKEW = "skew"
    UNKNOWN = "could not tell"


class DriftKind(StrEnum):
    """What kind of change it is."""

    COVARIATE = "covariate"
    LABEL = "label"
    #: What the model answers.
    PREDICTION = "prediction"
    CONCEPT = "concept"
    #: What callers ask about, where what is delivered has not moved.
    SERVED = "served"


class TriggerState(StrEnum):
    """Where a reason to train is in its life; :mod:`airloop.ledger.life` says what follows on what."""

    WAITING = "waiting"
    #: A run has it.
    CLAIMED = "claimed"
    #: Its training has begun.
    RUNNING = "running"
    #: Its model is registered.
    PASSED = "passed"
    #: The gates or a person said no.
    REFUSED = "refused"
    FAILED = "failed"
    #: Its run was ended by hand, deleted or cleaned away, and said nothing of it; or another took the run's name.
    LOST = "lost"
    #: An equal request was in flight already, and trains for both.
    MERGED = "merged"


class IncidentStatus(StrEnum):
    """What became of a partition that was found broken."""

    #: Nobody has said anything yet.
    OPEN = "open"
    #: It is broken, says a person.
    FAULT = "fault"
    #: The world changed, and the data are sound.
    DRIFT = "drift"
    #: It was ingested anew, and found sound.
    MENDED = "mended"


class Role(StrEnum):
    """In which capacity a version stands in a model's traffic."""

    #: The version of the last deployment: it answers what no other one does, and for those that cannot.
    CHAMPION = "champion"
    #: Answers a small share, and then a larger one, until it is the champion or is taken out.
    CANARY = "canary"
    #: The other arm of an A/B test.
    CHALLENGER = "challenger"
    #: Asked beside, and never answered from.
    SHADOW = "shadow"


class DeploymentKind(StrEnum):
    """How a version came to serve, or to serve no more."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"
    #: Ended by a person: no version serves after it.
    RETIRE = "retire"
    #: Served to be looked at before its promotion, by a service of its own; never a row of the ledger.
    SANDBOX = "sandbox"


class PackageForm(StrEnum):
    """What a version can be packaged as, for use elsewhere."""

    WHEEL = "wheel"
    BENTO = "bento"
    CONTAINER = "container"
    ONNX = "onnx"

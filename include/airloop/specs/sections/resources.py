"""What a step that runs as a pod may use, and in which environment a model's steps run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from airloop.contracts import Contract, Name
from airloop.fields import Line, Whole
from airloop.issues import SpecIssue
from airloop.plugins.executor import executor_named

#: The steps of a model that may run as pods. Data comes in, and models are swapped, where Airflow is.
PodStep = Literal["trials", "segments", "train", "evaluate", "verify", "monitor", "score"]

#: The pools of config/pools.json that the DAGs use: for steps that use a core or more, and a slot for each GPU.
HEAVY_POOL, GPU_POOL = "airloop_heavy", "airloop_gpu"
QUANTITY_PATTERN = r"\A(0|[1-9][0-9]*)(\.[0-9]+)?(m|[kMGTP]|[KMGTP]i)?\Z"
LABEL_KEY_PATTERN = (
    r"\A([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z"
)
LABEL_VALUE_PATTERN = r"\A([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\Z"
OBJECT_PATTERN = r"\A[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z"
PYTHON_PATTERN = r"\A/[^\x00-\x1f\x7f]{1,500}\Z"
_IMAGE = re.compile(
    r"\A[a-z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(?P<tag>:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?P<digest>@sha256:[0-9a-f]{64})?\Z"
)


def _image(text: str) -> str:
    match = _IMAGE.match(text)
    if match is None:
        raise ValueError("no name of an image; write registry/repository:tag")
    last = text.rsplit("/", 1)[-1]
    if match["digest"] is None and ":" not in last:
        raise ValueError("an image needs a tag or a digest: without one it changes under the run")
    if match["digest"] is None and last.endswith(":latest"):
        raise ValueError("the tag latest changes under the run; name a version or a digest")
    return text


def _quantity(text: str) -> str:
    if not re.match(QUANTITY_PATTERN, text) or not re.search("[1-9]", text):
        raise ValueError("no quantity of Kubernetes above 0; write one such as 500m, 4 or 16Gi")
    return text


Image = Annotated[str, AfterValidator(_image)]
Quantity = Annotated[str, AfterValidator(_quantity)]
LabelKey = Annotated[str, StringConstraints(pattern=LABEL_KEY_PATTERN)]
LabelValue = Annotated[str, StringConstraints(pattern=LABEL_VALUE_PATTERN)]
ObjectName = Annotated[str, StringConstraints(pattern=OBJECT_PATTERN)]
PythonPath = Annotated[str, StringConstraints(pattern=PYTHON_PATTERN)]


class Toleration(Contract):
    """A taint that the pod does not mind, in Kubernetes' own words."""

    key: LabelKey | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None

    @model_validator(mode="after")
    def _shape(self) -> Toleration:
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("operator Exists takes no value")
        if self.operator == "Equal" and self.key is None:
            raise ValueError("operator Equal needs a key")
        return self


class ResourcesSpec(Contract):
    """What each of the model's pods asks for; requests and limits are the same."""

    #: The steps that run as pods where ``compute: kubernetes``.
    steps: tuple[PodStep, ...] = Field(default=("train",), min_length=1)
    #: A file of config/kubernetes/pod_templates; without one ``gpu`` where a GPU is asked for, else ``cpu``.
    template: Name | None = None
    cpu: Quantity = "1"
    memory: Quantity = "2Gi"
    gpu: Whole = Field(default=0, ge=0)
    #: The node's label ``nvidia.com/gpu.product``, as GPU feature discovery writes it.
    gpu_type: LabelValue | None = None
    #: The disk of the node that the pod may fill: its working folder, its temporary files, its log. More, and it is evicted.
    scratch: Quantity = "20Gi"
    #: Size of /dev/shm, which data loaders use; it counts as memory.
    shm: Quantity | None = None
    node_selector: dict[LabelKey, LabelValue] = {}
    tolerations: tuple[Toleration, ...] = ()
    runtime_class: ObjectName | None = None
    priority_class: ObjectName | None = None
    #: The local queue of Kueue that admits the pod.
    queue: LabelValue | None = None
    #: A pod that runs longer is ended by the cluster, whether Airflow still lives or not.
    deadline_minutes: Whole = Field(default=120, ge=1)
    #: A pod that does not start within this time is given up.
    pending_minutes: Whole = Field(default=15, ge=1)

    @property
    def template_name(self) -> str:
        """The pod template's name."""
        return self.template or ("gpu" if self.gpu else "cpu")


class EnvironmentSpec(Contract):
    """Where the model's libraries come from: an image for pods, an interpreter for processes."""

    image: Image | None = None
    #: Absolute path of a Python interpreter whose environment holds the model's libraries.
    python: PythonPath | None = None

    @model_validator(mode="after")
    def _something(self) -> EnvironmentSpec:
        if self.image is None and self.python is None:
            raise ValueError("needs image (for compute: kubernetes) or python (for process)")
        return self


class KubernetesSettings(Contract):
    """The cluster in which pods run. Only this and the spec decide image, command and namespace."""

    namespace: ObjectName = "airloop"
    service_account: ObjectName = "airloop-step"
    #: The image of a model whose spec names none.
    image: Image | None = None
    #: The Airflow connection that reaches the cluster.
    connection_id: Line = "kubernetes_default"
    #: The Secret whose keys become a pod's environment: the ledger's URL, the store's keys.
    secret: ObjectName | None = "airloop-step"  # noqa: S105 (a name, no secret)
    #: Plain variables of a pod: addresses, never secrets.
    variables: dict[str, str] = {}
    #: How often the triggerer looks at a pod, in seconds.
    poll_seconds: float = Field(default=1.0, gt=0, allow_inf_nan=False)


def local_gpus(devices: Path = Path("/dev")) -> int:
    """How many NVIDIA GPUs this machine shows."""
    return sum(1 for path in devices.glob("nvidia[0-9]*") if path.name[6:].isdigit())


def compute_rules(data: Mapping[str, Any]) -> Iterator[SpecIssue]:
    """What is wrong between ``compute``, ``resources`` and ``environment``."""
    environment = data.get("environment")
    if not isinstance(environment, Mapping):
        return
    executor = executor_named(data.get("compute", "process"))
    image, python = environment.get("image"), environment.get("python")
    if executor and executor.environment == "image" and python is not None and image is None:
        what = "a pod takes its libraries from an image"
        yield SpecIssue(("environment", "python"), what, python, "name environment.image")


def machine_rules(data: Mapping[str, Any], gpus: int) -> Iterator[SpecIssue]:
    """What this machine cannot give: a GPU for a process where there is none."""
    resources = data.get("resources")
    gpu = resources.get("gpu") if isinstance(resources, Mapping) else None
    executor = executor_named(data.get("compute", "process"))
    if executor is None or not executor.local or not isinstance(gpu, int):
        return
    if gpu > gpus:
        what = f"a process is to have {gpu} GPU, this machine has {gpus or 'none'}"
        remedy = "write compute: kubernetes, or gpu: 0"
        yield SpecIssue(("resources", "gpu"), what, gpu, remedy)

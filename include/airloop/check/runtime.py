"""What stands in the runtime file beside the addresses: it is obeyed before the project's own files."""

from __future__ import annotations

from airloop.errors import AirloopError
from airloop.paths import home_folder
from airloop.specs.yaml.document import read_document
from airloop.textfile import is_there

#: What `airloop up` writes into runtime.yaml; whatever else stands there somebody else wrote.
_WRITTEN = frozenset({"airflow_url", "mlflow_uri", "serving"})


def strangers() -> tuple[str, ...]:
    """A sentence for each key of runtime.yaml that is not `airloop up`'s.

    Nothing where the file cannot be read: the settings then say so.
    """
    path = home_folder() / "runtime.yaml"
    try:
        data = read_document(path).data if is_there(path) else {}
    except AirloopError:
        return ()
    return tuple(
        f"{path} holds {key}, which `airloop up` did not write there, and overrides the project's own files; the next"
        f" `airloop up` drops it: put it into config/environments/<environment>.yaml, or take it out"
        for key in sorted(data.keys() - _WRITTEN)
    )

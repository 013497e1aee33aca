"""Reading YAML: duplicate keys are errors, and nothing but plain data is ever built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from include.errors import SpecError

#: A spec is written by hand; a megabyte of it is an accident or an attack.
MAX_BYTES = 1_000_000


class _Loader(yaml.SafeLoader):
    """Refuses duplicate keys and aliases (the billion-laughs door)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()
            raise yaml.MarkedYAMLError(None, None, "aliases are not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)  # type: ignore[no-untyped-call]
            if isinstance(key, str) and key in seen:
                raise yaml.MarkedYAMLError(
                    None, None, f"key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key) if isinstance(key, str) else None
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read one YAML mapping.

    :raises SpecError: naming file, line and key, for anything that is not plain YAML with unique keys
    """
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_BYTES:
            raise SpecError(
                f"the file is larger than {MAX_BYTES} bytes", value=len(raw), where=str(path)
            )
        data = yaml.load(raw.decode("utf-8"), Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise SpecError("the file cannot be read", value=error.strerror, where=str(path)) from error
    except UnicodeDecodeError as error:
        raise SpecError("the file is not UTF-8", where=f"{path}, byte {error.start}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise SpecError(f"not valid YAML: {error.problem}", where=line) from error
    except yaml.YAMLError as error:
        raise SpecError(f"not valid YAML: {error}", where=str(path)) from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SpecError(
            "the file must hold a mapping of keys to values",
            value=type(data).__name__,
            where=str(path),
        )
    return data

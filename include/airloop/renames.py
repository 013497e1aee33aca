"""Names that an older Airloop wrote into artifacts and specs, and what they are called now.

They are mapped where a module is looked up, never rewritten: a version's files are under a digest.

Airloop 0.1 kept a project's models in ``include/models`` of its own checkout and named them from its root. In a
project they are dotted names below ``include/``.
"""

from __future__ import annotations

#: The example's own modules, which moved.
_MODULES = {
    "include.models.flight_delay": "flights.flight_delay",
    "include.models.flight_delay_torch": "flights.flight_delay_torch",
    "include.models.flights": "flights.departures",
}
#: A user's own: the folder ``include/`` is on the path of steps and service.
_PREFIX = "include."


def current(module: str) -> str:
    """The present name of a user's module, of whatever age the name is."""
    return _MODULES.get(module) or module.removeprefix(_PREFIX)

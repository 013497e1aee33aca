"""DAGs that the specs promise and Airflow does not have, or has as they were: told from what its database holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from airloop.projects.stubs import STUBS, Stub, first_pass

#: How an import error ends that is a spec's fault: `airloop status` and the page say it of the spec.
_OF_A_SPEC = "airloop.errors.SpecError: "


@dataclass(frozen=True)
class Parsed:
    """What Airflow's database knows of the DAG files it read; times in seconds since 1970.

    :param dags: the DAGs that can run, and when the file of each was last read
    :param errors: import errors by file, below the bundle's folder
    :param began: when the DAG processor that runs was started
    """

    dags: Mapping[str, float]
    errors: Mapping[str, str]
    began: float


@dataclass(frozen=True)
class Absence:
    """The DAGs of one stub that are not there."""

    stub: Stub
    dags: tuple[str, ...]
    reason: str
    #: Whether it is the spec that is wrong.
    of_the_spec: bool = False

    def __str__(self) -> str:
        """A sentence."""
        about = self.stub.spec or self.stub.path.name
        return f"{about}: Airflow lacks {', '.join(self.dags)}: {self.reason}"


@dataclass(frozen=True)
class Presence:
    """What the specs promise against what is there; what a wrong spec would have is promised by nobody.

    :param expected: the number of DAGs that the specs ask for
    :param there: how many of them can run
    :param absent: those that should be there by now
    """

    expected: int
    there: int
    absent: tuple[Absence, ...]


def presence(stubs: Iterable[Stub], parsed: Parsed, now: float) -> Presence:
    """What is there and what is missing."""
    wanted = tuple(stubs)
    found = absences(wanted, parsed, now)
    wrong = {one.stub.path for one in found if one.of_the_spec}
    names = {dag_id for stub in wanted if stub.path not in wrong for dag_id in stub.dags}
    missing = tuple(one for one in found if not one.of_the_spec)
    return Presence(len(names), len(names & parsed.dags.keys()), missing)


def absences(stubs: Iterable[Stub], parsed: Parsed, now: float) -> tuple[Absence, ...]:
    """What is missing. A file that a processor had no time to read yet is not counted."""
    wanted = tuple(stubs)
    patience = first_pass(len(wanted))
    return tuple(found for stub in wanted for found in _of(stub, parsed, now - patience))


def _of(stub: Stub, parsed: Parsed, due: float) -> Iterator[Absence]:
    missing = tuple(dag_id for dag_id in stub.dags if dag_id not in parsed.dags)
    error = parsed.errors.get(f"{STUBS}/{stub.path}")
    if error is not None and missing:
        last = error.strip().rpartition("\n")[2]
        wrong = last.startswith(_OF_A_SPEC)
        yield Absence(stub, missing, last.removeprefix(_OF_A_SPEC), of_the_spec=wrong)
    elif max(stub.changed, parsed.began) > due:
        return
    elif missing:
        why = "its file was never read to the end; see the log of the DAG processor"
        yield Absence(stub, missing, why)
    elif old := tuple(one for one in stub.dags if parsed.dags[one] < stub.changed):
        why = "what it has is older than the spec: the file was not read again since; see the log of the DAG processor"
        yield Absence(stub, old, why)

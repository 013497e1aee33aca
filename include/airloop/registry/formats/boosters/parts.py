"""What the three libraries' files have in common: how they are refused, and what makes of nodes a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from airloop.errors import AirloopError, ArtifactError
from airloop.plugins.trainer import OutputKind

Ints = npt.NDArray[np.int64]
#: Answers a matrix of as many columns as the model has features.
Answer = Callable[[Any], npt.NDArray[np.float64]]
#: Of one library: opens the checked content of a file.
Open = Callable[[bytes, str], "Opened"]

#: More answers than any model has; more would ask for more memory than there is.
MOST_ANSWERS = 1 << 16
#: More categories than any column has; more would ask for more memory than there is.
MOST_CATEGORIES = 1 << 24


@dataclass(frozen=True)
class Opened:
    """A booster read from a file."""

    #: How many columns it takes.
    features: int
    #: What it answers, and how many numbers a row.
    kind: OutputKind
    width: int
    answer: Answer


class UnsoundError(ValueError):
    """What a file says cannot be."""


def claim(holds: object, what: str) -> None:
    """Go on only where something holds.

    :raises UnsoundError: where it does not
    """
    if not holds:
        raise UnsoundError(what)


@contextmanager
def reading(library: str, where: str) -> Iterator[None]:
    """Whatever goes wrong in there is a fault of the file.

    :raises ArtifactError: of anything else that is raised
    """
    try:
        yield
    except AirloopError:
        raise
    except UnsoundError as error:
        raise ArtifactError(
            f"the {library} model points outside itself", value=str(error), where=where
        ) from error
    except (
        Exception
    ) as error:  # a reader stumbles over damage in many ways, and so do the libraries
        raise ArtifactError(
            f"the {library} model cannot be read",
            value=f"{type(error).__name__}: {str(error)[:200]}",
            where=where,
        ) from error


def check_tree(children: Ints, nodes: int) -> None:
    """Refuse nodes that make no tree: every path from the first node has to end.

    :param children: the children of all inner nodes, each of which is a node
    :param nodes: how many there are, of which 0 is the root
    :raises UnsoundError: if a child is none of them, the root is one, or a node has two parents
    """
    claim(((children > 0) & (children < nodes)).all(), "a child that is no node")
    claim(len(np.unique(children)) == len(children), "a node with two parents")

"""A belief about AWS as data, and what it needs of the caller and the Region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tests.contract.beliefs.answers import Site

if TYPE_CHECKING:
    from tests.contract.beliefs.expectations import Expectation

Parameters = Callable[[Site], Mapping[str, Any]]
# Why the belief cannot be tried here; None if it can.
Need = Callable[[Site], str | None]


class Source(StrEnum):
    """Where a belief comes from."""

    READ = "R"
    OBSERVED = "O"
    INFERRED = "I"
    UNKNOWN = "K"


def nothing(_: Site) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Step:
    """A call of a changing belief, to the belief's own service."""

    operation: str
    parameters: Parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What Rollcall relies on in the answer to one operation.

    ``used_in`` are the files that rely on it. ``regional`` is false for what is the same in every
    Region. ``before`` are the calls that make the state, ``after`` those that remove it again, also
    if the belief does not hold; a belief changes something if it has any of them.
    """

    id: str
    service: str
    operation: str
    parameters: Parameters = nothing
    expected: Expectation
    source: Source
    used_in: tuple[str, ...]
    needs: tuple[Need, ...] = ()
    regional: bool = True
    all_pages: bool = False
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()

    @property
    def changes(self) -> bool:
        return bool(self.before or self.after)

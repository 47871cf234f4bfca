"""Weeks in which the simulation found mistakes of Rollcall, by what it found, as few of their
happenings and troubles as show it; and how to undo the mend in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

from functions.enrolment import documents
from functions.enrolment.configuration import Configuration
from functions.services import registry
from functions.steps import close_run, publish_reconcile
from tests.simulation.troubles import Kind, Trouble
from tests.simulation.weeks import DAY, HOUR, MINUTE, Happening, Weeks

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

_PLACES = ("securityhub_enable", "guardduty_enable", "detective_verification")
_SLOW = dict.fromkeys(_PLACES, 10 * MINUTE)


@dataclass(frozen=True, slots=True)
class Found:
    """``undo`` makes the mistake again."""

    weeks: Weeks
    undo: Callable[[], AbstractContextManager[Any]]


def _weeks(*what: Happening | Trouble) -> Weeks:
    """One account is created, and its services take ten minutes; then whatever is given."""
    happenings = [Happening(0.0, "create", {"number": 1})]
    happenings += [each for each in what if isinstance(each, Happening)]
    return Weeks(
        seed=1,
        configuration=Configuration(("eu-west-1",), registry.SERVICES),
        timings=_SLOW,
        accounts={},
        management_enables=True,
        auto_enable="NONE",
        happenings=list(enumerate(happenings)),
        troubles=list(enumerate(each for each in what if isinstance(each, Trouble))),
        seconds=DAY,
    )


def _instead(where: Any, name: str, result: Any) -> Callable[[], AbstractContextManager[Any]]:
    return partial(mock.patch.object, where, name, lambda *_, **__: result)


_STOPPED = Happening(5 * MINUTE, "abort", {"which": 0.0})
_OPEN_RUNS = _instead(close_run, "_finish_what_remains", {})

_CREATING = Trouble(Kind.TIMED_OUT, 0, HOUR, where="*:CreateMembers")

FOUND = {
    "a result that was refused by the bus was never published": Found(
        _weeks(Trouble(Kind.DENIED, 5 * MINUTE, HOUR, where="eventbridge:*")),
        _instead(close_run, "finish_closed", False),
    ),
    "a run that could not be recorded was never published": Found(
        _weeks(Trouble(Kind.FAILED, 0, 12 * HOUR, where="dynamodb:*")),
        _instead(close_run, "unrecorded", ()),
    ),
    "a membership on which a stopped run may have acted never got an outcome": Found(
        _weeks(Happening(40.0, "abort", {"which": 0.0}), _CREATING),
        _instead(close_run, "finish_closed", False),
    ),
    "a run whose end was not delivered was never closed": Found(
        _weeks(_STOPPED, Trouble(Kind.EVENT_LOST, 4 * MINUTE, HOUR)), _OPEN_RUNS
    ),
    "a run that ended in an outage was never closed": Found(
        _weeks(Trouble(Kind.THROTTLED, 5 * MINUTE, 12 * HOUR)), _OPEN_RUNS
    ),
    "a reconcile whose end was not delivered was never closed": Found(
        _weeks(
            Happening(HOUR, "reconcile", {}),
            Happening(HOUR + 1, "abort", {"which": 0.99}),
            Trouble(Kind.EVENT_LOST, HOUR, HOUR),
        ),
        _instead(publish_reconcile, "_close_earlier", None),
    ),
    "a plan with the service of a later version could not be read": Found(
        _weeks(Happening(5 * MINUTE, "deploy", {"change": "over a later version"})),
        _instead(documents, "find_service", registry.GUARDDUTY),
    ),
}

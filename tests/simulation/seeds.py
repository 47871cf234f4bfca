"""Plays the weeks of a seed, and checks the world afterwards."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.simulation.checker import Facts, check
from tests.simulation.life import Life
from tests.simulation.site import BEGIN, site
from tests.simulation.weeks import DAY, compose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.simulation.checker import Broken
    from tests.simulation.deployed import Deployed
    from tests.simulation.weeks import Weeks

# How many days reconciles go on when nothing goes wrong any more: a gap that was tried lately is
# left alone by the first.
REST_DAYS = 3
# By then every run has ended, whatever it waited for.
_MOST_DAYS = 60


@dataclass(frozen=True, slots=True)
class Played:
    """``trace`` is a digest of every request in its order, with its time and outcome.

    ``switches`` is how often a request was followed by one of another invocation, ``closed_after``
    how many seconds after the last trouble the last gap was closed.
    """

    weeks: Weeks
    broken: Sequence[Broken]
    struck: Mapping[str, int]
    checked: Mapping[str, int]
    requests: int
    switches: int
    closed_after: float
    trace: str


def play(weeks: Weeks, deployed: Deployed) -> Played:
    """Play weeks to their end. The same weeks give the same trace."""
    with site(deployed, weeks.configuration, weeks.seed, weeks.troubles) as here:
        life = Life(here, weeks)
        life.begin()
        quiet = BEGIN + weeks.seconds
        here.every_day(quiet + REST_DAYS * DAY)
        here.agenda.run(quiet + _MOST_DAYS * DAY)
        facts = Facts(here, life, weeks)
        broken = check(facts)
        calls = here.network.calls
        text = "\n".join(
            f"{c.at:.3f} {c.process} {c.service} {c.operation} {c.outcome}" for c in calls
        )
        pairs = pairwise(calls)
        return Played(
            weeks,
            broken,
            {str(kind): count for kind, count in here.troubles.struck.items()},
            dict(facts.checked),
            len(calls),
            sum(one.process != other.process for one, other in pairs),
            facts.closed_after,
            hashlib.sha256(text.encode()).hexdigest(),
        )


def play_seed(seed: int, deployed: Deployed) -> Played:
    return play(compose(seed), deployed)


def shrunk(played: Played, deployed: Deployed) -> Played:
    """The same weeks with as few happenings and troubles as still break one of its invariants."""
    wanted = {each.invariant for each in played.broken}
    best = played

    def fails(weeks: Weeks) -> bool:
        nonlocal best
        found = play(weeks, deployed)
        if wanted & {each.invariant for each in found.broken}:
            best = found
            return True
        return False

    for part in ("troubles", "happenings"):
        size = math.ceil(len(getattr(best.weeks, part)) / 2)
        while size >= 1:
            start = 0
            while start < len(numbers := [number for number, _ in getattr(best.weeks, part)]):
                left = numbers[:start] + numbers[start + size :]
                if not fails(best.weeks.only(**_fewer(part, left))):
                    start += size
            size //= 2
    return best


def _fewer(part: str, left: list[int]) -> dict[str, list[int] | None]:
    return {"happenings": None, "troubles": None, part: left}

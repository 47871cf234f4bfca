"""``python -m tests.simulation soak|replay``: see ``make soak`` and ``make replay``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import TYPE_CHECKING

from tests.simulation.seeds import play, shrunk
from tests.simulation.soak import Figures, play_all, prepared, replay_command, synthesised_site
from tests.simulation.weeks import compose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.seeds import Played

_PROGRESS_SECONDS = 10.0
# So many failing seeds are shrunk, which plays each some dozens of times.
_MOST_SHRUNK = 3


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    verbs = parser.add_subparsers(dest="verb", required=True)
    soaking = verbs.add_parser("soak")
    soaking.add_argument("seeds", type=int)
    soaking.add_argument("--first", type=int, default=0)
    replaying = verbs.add_parser("replay")
    replaying.add_argument("seed", type=int)
    replaying.add_argument("--happenings", type=_numbers, default=None)
    replaying.add_argument("--troubles", type=_numbers, default=None)
    replaying.add_argument("--shrink", action="store_true")
    given = parser.parse_args(arguments)
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Python reads it when it starts.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *arguments])  # noqa: S606  # itself
    if given.verb == "soak":
        return soak(given.first, given.seeds)
    return replay(given.seed, given.happenings, given.troubles, shrink=given.shrink)


def _numbers(text: str) -> list[int]:
    return [] if text == "none" else [int(each) for each in text.split(",")]


def soak(first: int, count: int) -> int:
    """Play so many seeds; exit status 1 if an invariant was broken."""
    found, figures, failing = synthesised_site(), Figures(), list[int]()
    began = told = time.monotonic()
    for each in play_all(range(first, first + count), found):
        figures.add(each)
        if each.broken:
            failing.append(each.seed)
            _say(f"seed {each.seed}: " + "; ".join(f"{i}: {w}" for i, w in each.broken[:3]))
        now = time.monotonic()
        if now - told >= _PROGRESS_SECONDS:
            told = now
            left = (count - figures.seeds) * (now - began) / figures.seeds
            _say(
                f"{figures.seeds:,} of {count:,} seeds, {len(failing)} failing, {left:,.0f} s left"
            )
    for line in figures.lines():
        _say(line)
    _say(f"{time.monotonic() - began:,.0f} s")
    with prepared():
        for seed in sorted(failing)[:_MOST_SHRUNK]:
            tell(shrunk(play(compose(seed), found), found))
    return 1 if failing else 0


def replay(
    seed: int,
    happenings: Sequence[int] | None,
    troubles: Sequence[int] | None,
    *,
    shrink: bool,
) -> int:
    """Play one seed and tell it."""
    found = synthesised_site()
    with prepared():
        played = play(compose(seed).only(happenings, troubles), found)
        if shrink and played.broken:
            played = shrunk(played, found)
    tell(played)
    return 1 if played.broken else 0


def tell(played: Played) -> None:
    """Print what happened, what went wrong, and what was broken."""
    weeks = played.weeks
    _say(f"seed {weeks.seed}: {json.dumps(dict(weeks.timings))}")
    for number, happening in weeks.happenings:
        _say(f"  {number:>3} {happening}")
    for number, trouble in weeks.troubles:
        _say(f"  {number:>3} {trouble}")
    for broken in played.broken:
        _say(f"  BROKEN {broken}")
    _say(f"  {played.requests:,} requests; trace {played.trace[:16]}")
    numbers = [[number for number, _ in some] for some in (weeks.happenings, weeks.troubles)]
    _say(f"  {replay_command(weeks.seed, *numbers)}")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

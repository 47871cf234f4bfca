"""Plays many seeds on all cores, in bounded memory, and says what was broken and how to see it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import botocore.session

from tests.conftest import synthesised, template_in
from tests.simulation.deployed import deployed
from tests.simulation.seeds import play_seed
from tests.simulation.weeks import DAY
from tests.support import cycles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tests.simulation.deployed import Deployed
    from tests.simulation.seeds import Played

_deployed: list[Deployed] = []
# A process is replaced after so many seeds: whatever it has kept is freed.
_SEEDS_OF_A_PROCESS = 200
# So many are given to a process at a time.
_SEEDS_AT_A_TIME = 4


@dataclass(frozen=True, slots=True)
class Summary:
    """One seed, without what its world holds. ``broken`` are the invariants and what broke them."""

    seed: int
    broken: Sequence[tuple[str, str]]
    struck: Mapping[str, int]
    checked: Mapping[str, int]
    requests: int
    switches: int
    closed_after: float
    trace: str
    seconds: float


@dataclass
class Figures:
    """The sums of many seeds."""

    seeds: int = 0
    requests: int = 0
    switches: int = 0
    cpu_seconds: float = 0.0
    longest: float = 0.0
    closed_after: float = 0.0
    struck: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    broken: dict[str, list[int]] = field(default_factory=dict)

    def add(self, each: Summary) -> None:
        self.seeds += 1
        self.requests += each.requests
        self.switches += each.switches
        self.cpu_seconds += each.seconds
        self.longest = max(self.longest, each.seconds)
        self.closed_after = max(self.closed_after, each.closed_after)
        self.struck.update(each.struck)
        self.checked.update(each.checked)
        for invariant in {invariant for invariant, _ in each.broken}:
            self.broken.setdefault(invariant, []).append(each.seed)

    def lines(self) -> Iterator[str]:
        yield (
            f"{self.seeds:,} seeds: {self.requests:,} requests, {self.switches:,} of them followed"
            " by one of another invocation"
        )
        yield f"all gaps were closed {self.closed_after / DAY:.1f} days after the last trouble"
        yield f"faults: {sum(self.struck.values()):,}"
        for kind, count in sorted(self.struck.items(), key=lambda each: -each[1]):
            yield f"  {count:>9,}  {kind}"
        yield "checked:"
        for what, count in sorted(self.checked.items(), key=lambda each: -each[1]):
            yield f"  {count:>9,}  {what}"
        yield (
            f"{self.cpu_seconds:,.0f} s of processor time, {self.longest:.1f} s the longest seed;"
            f" at most {_most_memory():,.0f} MB in a process"
        )
        for invariant, seeds in sorted(self.broken.items()):
            yield f"BROKEN in {len(seeds):,} seeds: {invariant}"


def _most_memory() -> float:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(each).ru_maxrss for each in who) / 1024


def synthesised_site() -> Deployed:
    """What the app deploys."""
    with TemporaryDirectory() as folder:
        assembly = synthesised(Path(folder))
        return deployed(template_in(assembly), template_in(assembly, "RollcallMemberRole"))


@contextmanager
def prepared() -> Iterator[None]:
    """The environment of the steps, in a process that plays seeds."""
    os.environ["POWERTOOLS_METRICS_NAMESPACE"] = "Rollcall"
    logging.getLogger("rollcall").propagate = False
    before = botocore.session.create_loader
    botocore.session.create_loader = cache(before)
    try:
        yield
    finally:
        botocore.session.create_loader = before


def _begin(site: Deployed) -> None:
    cycles.search_seldom()
    _deployed.append(site)
    prepared().__enter__()


def _play(seed: int) -> Summary:
    return summary_of(seed, lambda: play_seed(seed, _deployed[0]))


def summary_of(seed: int, play: Callable[[], Played]) -> Summary:
    """Play once. What the simulation itself raises is reported as broken, too."""
    began = time.process_time()
    try:
        played = play()
    except Exception as error:  # noqa: BLE001  # one seed must not end the others
        what = [("the simulation goes on", f"{type(error).__name__}: {error}")]
        return Summary(seed, what, {}, {}, 0, 0, 0.0, "", time.process_time() - began)
    return Summary(
        seed,
        [(each.invariant, each.what) for each in played.broken],
        played.struck,
        played.checked,
        played.requests,
        played.switches,
        played.closed_after,
        played.trace,
        time.process_time() - began,
    )


def play_all(
    seeds: Iterable[int], site: Deployed, processes: int | None = None
) -> Iterator[Summary]:
    """Every seed, in whatever order they end; all cores without ``processes``."""
    # Hashes of texts are the same in every process: so is the order of sets.
    os.environ["PYTHONHASHSEED"] = "0"
    spawning = multiprocessing.get_context("spawn")
    count = processes or os.cpu_count() or 1
    with spawning.Pool(count, _begin, (site,), _SEEDS_OF_A_PROCESS // _SEEDS_AT_A_TIME) as pool:
        yield from pool.imap_unordered(_play, seeds, chunksize=_SEEDS_AT_A_TIME)


def replay_command(
    seed: int, happenings: Sequence[int] | None = None, troubles: Sequence[int] | None = None
) -> str:
    """The command that plays a seed again, with these happenings and troubles only."""
    command = f"make replay SEED={seed}"
    for name, numbers in (("HAPPENINGS", happenings), ("TROUBLES", troubles)):
        if numbers is not None:
            command += f" {name}={','.join(map(str, numbers)) or 'none'}"
    return command

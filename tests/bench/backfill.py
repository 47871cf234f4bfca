"""What enrolling a whole organisation takes: one reconcile, until every membership is Enabled."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict, deque
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.directory import MOST_LISTED, RATES
from functions.enrolment.account import MOST_ACCOUNTS, AccountId
from functions.enrolment.configuration import Configuration
from functions.enrolment.membership import Outcome
from functions.services import registry
from functions.services.rates import survey_rates
from functions.steps.step import logger
from infra.asset import ROOT
from tests.bench.coverage import REGIONS, largest_memory
from tests.bench.in_process import Cost
from tests.bench.prices import dollars
from tests.bench.report import Table, number
from tests.conftest import synthesised, template_in
from tests.simulation.rollcall import RECONCILE, simulated
from tests.support.builders import ADMINISTRATOR, MANAGEMENT
from tests.support.made_once import read_models_once
from tests.support.memory_rows import MemoryRows
from tests.support.organization import add_account, found_organization

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from functions.aws.rows import Item, Write
    from functions.enrolment.rate import Rate
    from infra.local.gateway.calls import Call
    from tests.simulation.rollcall import SimulatedRollcall

SIZES = (500, 2_000, 10_000)
CONFIGURATION = Configuration(REGIONS, registry.SERVICES)
# Detective is not offered in one of the Regions.
TARGETS = sum(map(CONFIGURATION.is_offered, CONFIGURATION.targets))
_RATES = survey_rates(registry.SERVICES, {})
_LISTING = "organizations:ListAccounts"
TEMPLATE = ROOT / ".build" / "backfill.template.json"


@dataclass(frozen=True, slots=True)
class _Measured:
    """Times are seconds since the reconcile began, in virtual time, but ``real_seconds``.

    ``started``: the first run began; ``last_began``: the last run planned. ``enabled``: the last
    membership of a service was read as Enabled. ``most`` are the most calls within a second of one
    Region, by the name of their rate. ``memory`` in MiB.
    """

    calls: dict[str, int]
    invocations: int
    transitions: int
    dollars: float
    surveyed: float
    started: float
    last_began: float
    enabled: dict[str, float]
    published: float
    most: dict[str, int]
    real_seconds: float
    memory: float


def measured() -> Sequence[Table]:
    """Each size in a process of its own, so that its peak memory is its own."""
    TEMPLATE.write_text(json.dumps(template_made()))
    found = {size: _in_a_process(size) for size in SIZES}
    return _costs(found), _times(found), _rates(found)


def _in_a_process(size: int) -> _Measured:
    command = [sys.executable, "-m", "tests.bench.backfill", str(size)]
    output = subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603  # ourselves
    return _Measured(**json.loads(output))


def _bound_of_calls(size: int) -> int:
    """Pages of the directory; at each target one page that says that nobody is a member, and a
    creation and a reading for 50 accounts. The administrator is no member."""
    return -(-size // MOST_LISTED) + TARGETS * _bound_at_target(size)


def _bound_at_target(size: int) -> int:
    return 1 + 2 * -(-(size - 1) // MOST_ACCOUNTS)


def _bound_of_time(size: int) -> float:
    """Those calls at their rates: the directory, then all targets at the same time."""
    targets = (_seconds(_bound_at_target(size), _RATES[each.name]) for each in registry.SERVICES)
    return _seconds(-(-size // MOST_LISTED), _RATES[_LISTING]) + max(targets)


def _seconds(calls: int, rate: Rate) -> float:
    return max(0, calls - rate.burst) / rate.per_second


def _costs(found: Mapping[int, _Measured]) -> Table:
    rows = []
    for size, each in found.items():
        thousands = size * TARGETS / 1000
        calls = sum(each.calls.values())
        rows.append(
            (
                f"{size:,}",
                f"{size * TARGETS:,}",
                f"{calls:,}",
                number(calls / thousands),
                f"{calls / _bound_of_calls(size):.2f}",
                number(each.invocations / thousands),
                number(each.transitions / thousands),
                number(each.dollars / thousands),
            )
        )
    return Table(
        f"Backfill of an organisation, {len(registry.SERVICES)} services x {len(REGIONS)} Regions",
        (
            "accounts",
            "accounts and targets",
            "calls",
            "calls per 1,000 accounts and targets",
            "calls ÷ bound",
            "invocations per 1,000",
            "transitions per 1,000",
            "$ per 1,000",
        ),
        rows,
        (
            "One reconcile of an organisation in which no account is a member yet, with all runs "
            "that it starts, until every membership was Enabled and the result was published. The "
            "Regions are those that are enabled in every account; in one of them Detective is not "
            "offered.",
            "Calls are those of the three services and Organizations. The bound is the fewest that "
            "could do it: pages of the accounts (20 each) and, at each target, one page of members "
            "and for 50 accounts one call that creates and one that verifies.",
            "Dollars as in the costs of a run, with the same assumptions for each invocation, also "
            "the longer ones of the survey.",
            "Security Hub allows 10,000 members and Detective 1,200 for a behavior graph; for this "
            "measurement the local Detective allows as many as there are accounts.",
        ),
    )


def _times(found: Mapping[int, _Measured]) -> Table:
    rows = []
    for size, each in found.items():
        bound, enabled = _bound_of_time(size), max(each.enabled.values())
        rows.append(
            (
                f"{size:,}",
                number(each.surveyed),
                number(each.started),
                number(each.last_began),
                *(number(each.enabled[record.name]) for record in registry.SERVICES),
                number(each.published),
                number(bound),
                f"{enabled / bound:.2f}",
                f"{each.published / bound:.2f}",
                number(each.real_seconds),
                number(each.memory),
            )
        )
    return Table(
        "Time of the backfill",
        (
            "accounts",
            "surveyed after, s",
            "first run started",
            "last run planned",
            *(f"all Enabled at {record.label}" for record in registry.SERVICES),
            "published",
            "bound",
            "Enabled ÷ bound",
            "published ÷ bound",
            "real seconds of the measurement",
            "MiB at its peak",
        ),
        rows,
        (
            "Virtual time: every call waits for its documented rate (5 per second and 10 at once "
            "where none is documented) and takes no time otherwise; the services enable within "
            "seconds. A membership is Enabled when a run has read it as Enabled.",
            "The bound is the calls of the other bound at these rates: the pages of the accounts, "
            "then all services and Regions at the same time.",
        ),
    )


def _rates(found: Mapping[int, _Measured]) -> Table:
    names = [*(record.name for record in registry.SERVICES), _LISTING]
    return Table(
        "Most calls within a second of the backfill, of one service and Region",
        ("service or operation", "rate", *(f"{size:,} accounts" for size in found)),
        [
            (
                name,
                f"{number(_RATES[name].per_second)} + {_RATES[name].burst}",
                *(str(each.most[name]) for each in found.values()),
            )
            for name in names
        ],
        ("The rate is what is allowed in a second, and at once after a pause.",),
    )


@cache
def template_made() -> dict[str, Any]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return template_in(synthesised(Path(folder)))


class CountedRows(MemoryRows):
    """The rows, with estimated request units, as ``Meter.request`` counts those of a table."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0.0
        self.writes = 0.0

    def get(self, key: Item) -> Item | None:
        self.reads += 1
        return super().get(key)

    def put(self, item: Item) -> None:
        super().put(item)
        self.writes += self._kilobytes(item)

    def put_if(self, item: Item, condition: str, values: Mapping[str, Any] | None) -> bool:
        held = super().put_if(item, condition, values)
        self.writes += self._kilobytes(item)
        return held

    def transact(self, writes: Sequence[Write]) -> frozenset[int]:
        refused = super().transact(writes)
        self.writes += sum(2 * self._kilobytes(write.item) for write in writes)
        return refused

    def update(
        self, key: Item, expression: str, condition: str, values: Mapping[str, Any]
    ) -> tuple[bool, Item]:
        self.writes += 1
        return super().update(key, expression, condition, values)

    def query(self, pk: str, begins_with: str = "") -> Iterator[Item]:
        self.reads += 1
        return super().query(pk, begins_with)

    def get_all(self, keys: Iterable[Item]) -> Iterator[Item]:
        wanted = list(keys)
        self.reads += len(wanted)
        return super().get_all(wanted)

    def scan(self, segment: int, total: int, begins_with: str) -> Iterator[Item]:
        # Eventually consistent: half a unit for 4 KB, of all items. Each segment has its part.
        self.reads += math.ceil(self.bytes() / total / 4096) / 2
        return super().scan(segment, total, begins_with)

    def bytes(self) -> int:
        """The size of all items, as JSON."""
        return sum(map(len, self.items.values()))

    def _kilobytes(self, item: Item) -> int:
        return -(-len(self.items.get((item["pk"], item["sk"]), "")) // 1024)


@contextmanager
def organisation(size: int) -> Iterator[tuple[SimulatedRollcall, CountedRows]]:
    """Rollcall and so many accounts, among them the management account and the administrator."""
    rows = CountedRows()
    template = json.loads(TEMPLATE.read_text())
    with pytest.MonkeyPatch.context() as patch:
        read_models_once(patch)
        with simulated(template, CONFIGURATION, patch, rates=_RATES, rows=rows) as running:
            world = running.world
            found_organization(world, CONFIGURATION)
            world.apply({"do": "set_limits", "detective": size})
            for service in CONFIGURATION.services:
                place = {"account_id": MANAGEMENT, "regions": list(REGIONS)}
                world.apply({"do": "enable", "service": service.name, **place})
            for index in range(size - 2):
                add_account(world, AccountId(f"{200_000_000_000 + index}"))
            running.calls.clear()
            yield running, rows


def _measure(size: int) -> _Measured:
    start = time.perf_counter()
    with organisation(size) as (running, rows):
        began = running.clock.now()
        invoked: dict[str, list[float]] = defaultdict(list)
        running.functions.on_invoke = lambda step, _: invoked[step].append(running.clock.now())
        execution = running.run({"most_changes": size}, "backfill", RECONCILE)
        if execution.status != "SUCCEEDED" or execution.ended_at is None:
            raise AssertionError(f"{execution.status}: {execution.error}: {execution.cause}")
        calls = tuple(running.calls.read())
        cost = Cost(
            calls,
            sum(map(len, invoked.values())),
            running.machines.transitions,
            rows.reads,
            rows.writes,
        )
        return _Measured(
            dict(Counter(f"{call.service}:{call.operation}" for call in calls)),
            cost.invocations,
            cost.transitions,
            dollars(cost),
            min(invoked["start_runs"]) - began,
            min(invoked["plan_onboarding"]) - began,
            max(invoked["plan_onboarding"]) - began,
            {name: at - began for name, at in _last_enabled(running, size).items()},
            execution.ended_at - began,
            _most_in_a_second(calls),
            time.perf_counter() - start,
            largest_memory(),
        )


def _last_enabled(running: SimulatedRollcall, size: int) -> dict[str, float]:
    """When the last membership of each service was read as Enabled.

    Every one has to be, also at the services.
    """
    wanted = (size - 1) * TARGETS
    statuses = Counter(
        str(each["status"]).lower()
        for each in running.world.snapshot()["memberships"]
        if each["administrator"] == ADMINISTRATOR
    )
    count, last = 0, dict.fromkeys((each.name for each in registry.SERVICES), 0.0)
    for (pk, _), text in running.rows.items.items():
        item = json.loads(text) if pk.startswith("account#") else {}
        if item.get("outcome") == Outcome.ENABLED:
            count += 1
            last[item["service"]] = max(last[item["service"]], item["settled_at"])
    if statuses != {"enabled": wanted} or count != wanted:
        raise AssertionError(f"{statuses}, {count} recorded instead of {wanted} Enabled")
    return last


def _most_in_a_second(calls: Iterable[Call]) -> dict[str, int]:
    """By the rate's name: the most calls of one Region within any second."""
    at: dict[tuple[str, str], list[float]] = defaultdict(list)
    for call in calls:
        own = f"{call.service}:{call.operation}"
        at[own if own in RATES else call.service, call.region].append(call.at)
    most: Counter[str] = Counter()
    for (name, _), moments in at.items():
        window: deque[float] = deque()
        for moment in sorted(moments):
            window.append(moment)
            while window[0] <= moment - 1:
                window.popleft()
            most[name] = max(most[name], len(window))
    return dict(most)


if __name__ == "__main__":
    logger.setLevel("ERROR")
    # The steps print their metrics.
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        result = _measure(int(sys.argv[1]))
    sys.stdout.write(json.dumps(asdict(result)))

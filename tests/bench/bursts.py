"""What many accounts created within a minute take: one run per event, or one run per window."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Configuration
from functions.services import registry
from tests.bench.in_process import metered
from tests.bench.prices import dollars
from tests.bench.report import Table, number
from tests.support.events import from_management

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from infra.local.gateway.calls import Call
    from tests.bench.in_process import Meter
    from tests.support.rollcall import Rollcall

ACCOUNTS = tuple(AccountId(f"{300_000_000_000 + number}") for number in range(100))
MINUTE = 60.0
WINDOW = 20.0
REGIONS = ("eu-west-1", "us-east-1")
TARGETS = len(REGIONS) * len(registry.SERVICES)
# A creation and a reading of 50 accounts, the most that one call takes.
BOUND = 2 / 50
# Security Hub's quota of an account and Region, in calls per second and at once.
RATE, AT_ONCE = 10, 30

# The events of one account in their order, with the seconds since its creation; each account has
# the first two, three or four.
_EVENTS = (
    ("create_account_result_succeeded", 0.0),
    ("account_joined_organization_created.INFERRED", 1.0),
    ("controltower_create_managed_account_succeeded", 15.0),
    ("controltower_enable_baseline_succeeded", 30.0),
)
_SAMPLES_ACCOUNT = "444455556666"


@dataclass
class _Burst:
    """What the runs of all accounts took; ``latencies`` are seconds from an account's first event
    until all its memberships were Enabled; ``calls`` have the time since the first event."""

    runs: int = 0
    invocations: int = 0
    dollars: float = 0.0
    latencies: list[float] = field(default_factory=list)
    calls: list[tuple[float, Call]] = field(default_factory=list)

    def ran(self, meter: Meter, began: float, due: float) -> None:
        """Add a run that began at the clock's ``began`` and stands for one that began at ``due``
        seconds after the first event."""
        cost = meter.take()
        self.runs += 1
        self.invocations += cost.invocations
        self.dollars += dollars(cost)
        self.calls += [(call.at - began + due, call) for call in cost.calls]

    def most_in_a_second(self) -> int:
        """The most calls within a second of the clock, of one service and Region."""
        by_second = Counter((c.service, c.region, int(at)) for at, c in self.calls)
        return max(by_second.values())


def measured() -> Sequence[Table]:
    """Both choices, each in an organisation of its own."""
    memberships = len(ACCOUNTS) * TARGETS
    rows = []
    for name, burst in (
        ("a run for each event", _run_per_event()),
        (f"a run for each {WINDOW:.0f} s, by hand", _run_per_window()),
    ):
        calls = len(burst.calls) / memberships
        rows.append(
            (
                name,
                str(burst.runs),
                number(burst.invocations / memberships),
                number(calls),
                number(BOUND),
                f"{calls / BOUND:.1f}",
                number(burst.latencies[0]),
                number(statistics.median(burst.latencies)),
                number(max(burst.latencies)),
                str(burst.most_in_a_second()),
                number(burst.dollars / memberships * 1000),
            )
        )
    return [
        Table(
            f"{len(ACCOUNTS)} accounts created within a minute, "
            f"{len(registry.SERVICES)} services x {len(REGIONS)} Regions",
            (
                "choice",
                "runs",
                "invocations per account and target",
                "calls per account and target",
                "bound",
                "calls ÷ bound",
                "first account Enabled after, s",
                "median, s",
                "longest, s",
                "most calls per second, service and Region",
                "$ per 1,000 accounts and targets",
            ),
            rows,
            (
                "Each account has two to four events. Times are from its first event until all its "
                "memberships were Enabled, in virtual time, in which calls take none.",
                "The runs are made one after the other, each with its account in the organisation "
                "since its first event, and their calls are then laid at the times of the events. "
                "The later events of an account are therefore measured after it is Enabled; "
                "while it is in progress, too, they are duplicates without a call of the services.",
                f"Security Hub allows {RATE} calls per second and {AT_ONCE} at once for an account "
                "and Region; no call was throttled, because the runs were apart.",
            ),
        )
    ]


def _run_per_event() -> _Burst:
    burst = _Burst()
    with metered(Configuration(REGIONS, registry.SERVICES)) as (running, meter):
        for index, account in enumerate(ACCOUNTS):
            created = _created(index)
            running.add_account(account)
            for sample, after in _EVENTS[: 2 + index % 3]:
                name, began = f"{index}-{sample[:20]}", running.clock.now()
                _run(running, _event(sample, account), name)
                burst.ran(meter, began, created + after)
                if after == 0.0:
                    burst.latencies += _latencies(running, [account], name, began)
    return burst


def _run_per_window() -> _Burst:
    burst = _Burst()
    with metered(Configuration(REGIONS, registry.SERVICES)) as (running, meter):
        windows = int(MINUTE / WINDOW)
        for window in range(windows):
            end = (window + 1) * WINDOW
            indexes = [i for i in range(len(ACCOUNTS)) if end - WINDOW <= _created(i) < end]
            accounts = [ACCOUNTS[index] for index in indexes]
            for account in accounts:
                running.add_account(account)
            began = running.clock.now()
            _run(running, {"accounts": [{"id": account} for account in accounts]}, f"{window}")
            burst.ran(meter, began, end)
            waited = [end - _created(index) for index in indexes]
            took = _latencies(running, accounts, f"{window}", began)
            burst.latencies += [a + b for a, b in zip(waited, took, strict=True)]
    return burst


def _created(index: int) -> float:
    return index * MINUTE / len(ACCOUNTS)


def _event(sample: str, account: AccountId) -> dict[str, Any]:
    text = json.dumps(from_management(sample)).replace(_SAMPLES_ACCOUNT, account)
    event: dict[str, Any] = json.loads(text)
    return event


def _run(running: Rollcall, document: dict[str, Any], name: str) -> None:
    execution = running.run(document, name)
    if execution.status != "SUCCEEDED":
        raise AssertionError(f"{execution.status}: {execution.cause}")


def _latencies(
    running: Rollcall, accounts: Iterable[AccountId], name: str, began: float
) -> list[float]:
    """Seconds from the run's beginning until all memberships of each account were Enabled."""
    found = []
    for account in accounts:
        memberships = running.memberships(account, name=name).values()
        settled = [m.settled_at for m in memberships if m.settled_at and m.outcome == "enabled"]
        if len(settled) != TARGETS:
            raise AssertionError(f"{account}: {len(settled)} of {TARGETS} memberships Enabled")
        found.append(max(settled) - began)
    return found

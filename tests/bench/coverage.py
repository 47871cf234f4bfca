"""How long the coverage of an organisation takes and how much memory, as organisations grow."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from functions.enrolment.account import AccountId, AccountState, OrganizationAccount
from functions.enrolment.configuration import Configuration
from functions.enrolment.coverage import Listing, State, cells, coverage
from functions.enrolment.membership import Observation, Status
from functions.enrolment.plan import Facts
from functions.services import registry
from tests.bench.report import Table, number
from tests.support.builders import ADMINISTRATOR, MANAGEMENT, NOW

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = (100, 1_000, 10_000)
# The Regions that are enabled in every account.
REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
    *("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "ap-south-1"),
    *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-southeast-1", "ap-southeast-2"),
)
_CONFIGURATION = Configuration(REGIONS, registry.SERVICES)
# Of 20 accounts one is no member and one is not Enabled.
_STATUSES = (Status.ABSENT, Status.CREATED, *[Status.ENABLED] * 18)


@dataclass(frozen=True, slots=True)
class _Measured:
    """Seconds; ``before`` and ``peak`` are the process's largest memory so far, in MiB."""

    seconds: float
    before: float
    peak: float
    gaps: int


def measured() -> Sequence[Table]:
    """Each size in a process of its own, so that its peak memory is its own."""
    rows = []
    for size in SIZES:
        command = [sys.executable, "-m", "tests.bench.coverage", str(size)]
        output = subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603  # ourselves
        found = _Measured(**json.loads(output))
        count = size * len(_CONFIGURATION.targets)
        rows.append(
            (
                f"{size:,}",
                f"{count:,}",
                f"{found.gaps:,}",
                number(found.seconds),
                number(found.seconds / count * 1e6),
                number(found.before),
                number(found.peak),
            )
        )
    return [
        Table(
            f"Coverage of an organisation, {len(registry.SERVICES)} services x "
            f"{len(REGIONS)} Regions",
            (
                "accounts",
                "accounts and targets",
                "gaps",
                "seconds",
                "µs per account and target",
                "MiB before",
                "MiB at the peak",
            ),
            rows,
            (
                "Deciding about and counting every account at every target, as `rollcall status` "
                "does once it has read them; reading is not part of it.",
                "Memory is the largest resident set of the process; before: with what was read.",
            ),
        )
    ]


def _measure(size: int) -> _Measured:
    facts, listings = _organisation(size)
    before = largest_memory()
    start = time.perf_counter()
    found = list(cells(facts, listings, _CONFIGURATION, NOW))
    counts = coverage(found)
    seconds = time.perf_counter() - start
    gaps = sum(states.get(State.GAP, 0) for states in counts.states.values())
    return _Measured(seconds, before, largest_memory(), gaps)


def _organisation(size: int) -> tuple[Facts, list[Listing]]:
    accounts = [AccountId(f"{200_000_000_000 + number}") for number in range(size)]
    facts = Facts(
        ADMINISTRATOR,
        MANAGEMENT,
        {
            account: OrganizationAccount(
                account, f"{account}@example.com", AccountState.ACTIVE, "o-a/r-b/"
            )
            for account in accounts
        },
        dict.fromkeys(registry.SERVICES, True),
        dict.fromkeys(accounts, frozenset(REGIONS)),
    )
    listings = []
    for offset, target in enumerate(_CONFIGURATION.targets):
        statuses = {
            account: _STATUSES[(index + offset) % len(_STATUSES)]
            for index, account in enumerate(accounts)
        }
        members = {
            account: Observation(account, status, str(status))
            for account, status in statuses.items()
            if status is not Status.ABSENT
        }
        listings.append(Listing(target, members))
    return facts, listings


def largest_memory() -> float:
    """The largest resident set of this process; ``getrusage`` would count the parent's, too."""
    kilobytes = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
    return int(kilobytes) / 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_measure(int(sys.argv[1])))))

"""What runs cost in calls, invocations, transitions and dollars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Configuration, Invitation
from functions.services import registry
from tests.bench.in_process import metered
from tests.bench.prices import dollars
from tests.bench.report import Table, number
from tests.support.builders import ACCOUNT
from tests.support.events import create_account_result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.in_process import Cost

REGIONS = ("eu-west-1", "us-east-1")
TARGETS = len(REGIONS) * len(registry.SERVICES)
FIFTY = tuple(AccountId(f"{200_000_000_000 + number}") for number in range(50))
TEN = FIFTY[:10]
_CONFIGURATION = Configuration(REGIONS, registry.SERVICES)
_ROLE = "RollcallMember"

# The fewest calls, by target and of n accounts. Of the organisation: one creation and one reading
# per 50 accounts. Invited, besides: Security Hub and GuardDuty take an invitation per 50 accounts,
# and of each account its hub or detector, its list of invitations, and the acceptance. Detective
# invites with the creation, and takes the acceptance.
_CREATE = _VERIFY = _INVITE = 1
_INVITED = 2 * (_CREATE + _INVITE + _VERIFY + 3 * len(TEN)) + (_CREATE + _VERIFY + len(TEN))

# Measured on an emulation of the services on 2026-11-21, at 50 ms for a call.
_PEERS = (
    ("GuardDuty script", "invitation", "57.8", "never ends if an e-mail address is wrong"),
    ("Control Tower GuardDuty enabler", "invitation", "13.6", "a wrong e-mail ends as success"),
    ("Control Tower Security Hub enabler", "invitation", "10.1", "invites healthy members again"),
    ("Security Hub script", "invitation", "9.2", "failures printed, exits with 0"),
    ("c7n-guardian", "invitation", "4.9", "218 of 300 Enabled"),
    ("Detective script", "invitation", "3.2", "none enrolled if an e-mail address is wrong"),
    ("SRA GuardDuty", "organization", "0.11", "never returns if a retry succeeds"),
    ("SRA Detective", "organization", "0.08", "success with 0 of 101 Enabled"),
    ("SRA Security Hub", "organization", "0.06", "300 of 401 accounts created"),
)


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    accounts: int
    cost: Cost
    bound: float

    @property
    def memberships(self) -> int:
        return self.accounts * TARGETS

    @property
    def calls(self) -> float:
        """Per account and target."""
        return len(self.cost.calls) / self.memberships


def measured() -> Sequence[Table]:
    """The costs of four kinds of runs, and beside them the calls that other programs make."""
    rows = [_new_account(), *_fifty_accounts(), _ten_invited()]
    by_name = {row.name: row for row in rows}
    return _costs(rows), _calls(by_name)


def _costs(rows: Sequence[_Row]) -> Table:
    return Table(
        f"Cost of a run, {len(registry.SERVICES)} services x {len(REGIONS)} Regions",
        (
            "run",
            "calls per account and target",
            "bound",
            "calls ÷ bound",
            "invocations per account and target",
            "transitions per account and target",
            "$ per 1,000 accounts and targets",
        ),
        [
            (
                row.name,
                number(row.calls),
                number(row.bound),
                f"{row.calls / row.bound:.2f}",
                number(row.cost.invocations / row.memberships),
                number(row.cost.transitions / row.memberships),
                number(dollars(row.cost) / row.memberships * 1000),
            )
            for row in rows
        ],
        (
            "Every membership was Enabled at the end; the services enable within a second.",
            "Calls are those of Security Hub, GuardDuty and Detective. The bound is the fewest "
            "that could enrol every membership and read it once.",
            "Transitions are states entered. Dollars: us-east-1 (tests/bench/prices.py), "
            "0.4 s and 512 MB for an invocation (assumed), request units of the table "
            "(estimated), no logs and traces.",
        ),
    )


def _calls(rows: Mapping[str, _Row]) -> Table:
    ours = (
        (
            "Rollcall, 10 accounts",
            "invitation",
            number(rows["10 accounts invited"].calls),
            "every membership read as Enabled",
        ),
        (
            "Rollcall, 50 accounts",
            "organization",
            number(rows["50 accounts"].calls),
            "every membership read as Enabled",
        ),
        (
            "Rollcall, 50 accounts again",
            "organization",
            number(rows["50 accounts again"].calls),
            "every membership read as Enabled",
        ),
    )
    return Table(
        "Calls per account x Region and service, beside other programs",
        ("program", "mode", "calls", "what happened"),
        [*ours, *_PEERS],
        (
            "The other programs' figures are constants, measured on 2026-11-21 on another "
            "emulation of the services.",
        ),
    )


def _new_account() -> _Row:
    with metered(_CONFIGURATION) as (running, meter):
        running.add_account(ACCOUNT)
        execution = running.run(create_account_result(ACCOUNT))
        _require_enabled(running.published_finally(), execution.status, "enabled", TARGETS)
        return _Row("a new account", 1, meter.take(), _CREATE + _VERIFY)


def _fifty_accounts() -> tuple[_Row, _Row]:
    with metered(_CONFIGURATION) as (running, meter):
        for account_id in FIFTY:
            running.add_account(account_id)
        document = {"accounts": [{"id": account_id} for account_id in FIFTY]}
        costs, memberships = [], len(FIFTY) * TARGETS
        for name, outcome in (("first", "enabled"), ("second", "already enabled")):
            execution = running.run(document, name)
            _require_enabled(running.published_finally(), execution.status, outcome, memberships)
            costs.append(meter.take())
        return (
            _Row("50 accounts", len(FIFTY), costs[0], (_CREATE + _VERIFY) / len(FIFTY)),
            _Row("50 accounts again", len(FIFTY), costs[1], _VERIFY / len(FIFTY)),
        )


def _ten_invited() -> _Row:
    invitation = Invitation(member_role=_ROLE, external_id="bench")
    roles = {str(account): f"arn:aws:iam::{account}:role/{_ROLE}" for account in TEN}
    configuration = Configuration(REGIONS, registry.SERVICES, invitation)
    with metered(configuration, roles) as (running, meter):
        for account_id in TEN:
            running.add_outside(account_id, email=f"{account_id}@example.com")
        accounts = [{"id": a, "email": f"{a}@example.com"} for a in TEN]
        execution = running.run({"accounts": accounts, "mode": "invitation"})
        published = running.published_finally()
        _require_enabled(published, execution.status, "enabled", len(TEN) * TARGETS)
        bound = _INVITED / len(registry.SERVICES) / len(TEN)
        return _Row("10 accounts invited", len(TEN), meter.take(), bound)


def _require_enabled(
    published: Sequence[Mapping[str, Mapping[str, int]]], status: str, outcome: str, count: int
) -> None:
    counts = [result["counts"] for result in published]
    if status != "SUCCEEDED" or [each.get(outcome) for each in counts] != [count]:
        raise AssertionError(f"{status}: {counts} instead of {count} {outcome}")

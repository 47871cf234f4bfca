"""What a run costs in requests, with every account verified Enabled at the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.client import BaseClient

from functions.enrolment.account import AccountId
from tests.support.builders import ACCOUNT
from tests.support.events import create_account_result
from tests.workflow.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from tests.support.rollcall import Execution, Rollcall

MEMBER_SERVICES = ("securityhub", "guardduty", "detective")
FIFTY = tuple(AccountId(f"{200_000_000_000 + number}") for number in range(50))
TEN = FIFTY[:10]


@dataclass(frozen=True, slots=True)
class Price:
    """What a run cost, per account and target."""

    calls: float
    table_requests: float


def price_of(
    rollcall: Rollcall,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    accounts: list[dict[str, str]],
    **more: str,
) -> Price:
    """Run to a good end, and count."""
    requests: list[str] = []
    call = BaseClient._make_api_call  # type: ignore[attr-defined]  # the stubs leave it out

    def counting(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        if client.meta.service_model.service_name == "dynamodb":
            requests.append(operation)
        return call(client, operation, parameters)

    rollcall.calls.clear()
    with monkeypatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", counting)
        execution = rollcall.run({"accounts": accounts, **more}, name)
    assert execution.status == "SUCCEEDED", execution
    calls = sum(len(rollcall.operations(service)) for service in MEMBER_SERVICES)
    memberships = len(accounts) * len(MEMBER_SERVICES) * len(rollcall.configuration.regions)
    return Price(calls / memberships, len(requests) / memberships)


def test_fifty_accounts_of_the_organisation(
    rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollcall.found_organization()
    for account_id in FIFTY:
        rollcall.add_account(account_id)
    accounts: list[dict[str, str]] = [{"id": account_id} for account_id in FIFTY]

    first = price_of(rollcall, monkeypatch, "first", accounts)
    second = price_of(rollcall, monkeypatch, "second", accounts)

    enabled = [result["counts"] for result in rollcall.published()["bus"]]
    assert [enabled[0]["enabled"], enabled[1]["already enabled"]] == [300, 300]
    assert first.calls <= 0.094
    assert first.table_requests <= 0.3
    assert second.calls <= 0.02
    assert second.table_requests <= 0.15


@pytest.mark.member_role(*TEN)
@pytest.mark.configured(regions=("eu-west-1", "us-east-1", "eu-central-1"))
def test_ten_accounts_that_are_invited_and_accepted_for(
    rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollcall.found_organization()
    for account_id in TEN:
        rollcall.add_outside(account_id, email=f"{account_id}@example.com")
    accounts: list[dict[str, str]] = [{"id": a, "email": f"{a}@example.com"} for a in TEN]

    price = price_of(rollcall, monkeypatch, "first", accounts, mode="invitation")

    assert price.calls <= 3.7
    assert price.table_requests <= 2
    assert {i["sent"] for i in rollcall.world.snapshot()["invitations"]} == {1}


def transitions(rollcall: Rollcall, execution: Execution) -> int:
    """State transitions of the parent and its children, from the steps that ran.

    Each reading is followed by a choice and, unless it was the last, by a wait.
    """
    steps = Counter(rollcall.invoked)
    readings = steps["get_members"]
    actions = sum(steps[step] for step in ("create_members", "invite_members", "restart_members"))
    children = len(MEMBER_SERVICES) * len(rollcall.configuration.regions)
    waits, ends = readings - children, children
    return len(execution.states) + 2 * readings + actions + waits + ends


@pytest.mark.parametrize(
    ("enabling", "most_transitions", "most_invocations"),
    [pytest.param(1, 10.2, 4, id="seconds"), pytest.param(300, 39, 14.5, id="minutes")],
)
def test_one_new_account(
    rollcall: Rollcall,
    monkeypatch: pytest.MonkeyPatch,
    enabling: int,
    most_transitions: float,
    most_invocations: float,
) -> None:
    """Per membership, where services take so many seconds to enable an account (README, Costs)."""
    in_virtual_time(rollcall, monkeypatch)
    rollcall.found_organization()
    timings = {"securityhub_enable": enabling, "guardduty_enable": enabling}
    rollcall.world.apply({"do": "set_timings", "detective_verification": enabling, **timings})
    rollcall.add_account(ACCOUNT)

    execution = rollcall.run(create_account_result(ACCOUNT))

    assert execution.status == "SUCCEEDED"
    assert transitions(rollcall, execution) / 6 <= most_transitions
    assert len(rollcall.invoked) / 6 <= most_invocations

"""How long a run takes to notice, how long it waits, when it gives up, and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError

from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Timing
from functions.enrolment.membership import Outcome
from functions.enrolment.reason import ReasonCode
from functions.enrolment.target import Target
from functions.services import registry
from functions.steps import accept_invitations
from functions.steps.wiring import Wiring
from tests.support.builders import ACCOUNT, ADMINISTRATOR, MANAGEMENT, OTHER
from tests.support.memory_rows import MemoryRows, ledger_on
from tests.workflow.hands import (
    HERE,
    at,
    became,
    decline_detective,
    decline_securityhub,
    email,
    entry,
    invite,
    outside,
    say,
    with_email,
)
from tests.workflow.test_cost import MEMBER_SERVICES, price_of
from tests.workflow.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.rollcall import Rollcall

MINUTE, HOUR, DAY = 60, 3600, 86400
ENDED_WELL = {"enabled", "already enabled"}
BOTH = {"services": ["guardduty", "detective"], "regions": [HERE]}
GD_HERE = Target(registry.GUARDDUTY, HERE)
TEN = tuple(AccountId(f"{200_000_000_000 + number}") for number in range(10))
FIFTY = tuple(AccountId(f"{300_000_000_000 + number}") for number in range(50))
OTHERS = tuple(AccountId(f"{400_000_000_000 + number}") for number in range(50))
# Ten accounts whose acceptance hangs, and two that are accepted for beside them.
HANGING, ANSWERING = TEN, FIFTY[:2]
# The ten accounts of the invitations that do not go well.
HEALTHY, MISADDRESSED, SUSPENDED, SILENT = TEN[:5], TEN[5:7], TEN[7:8], TEN[8:]
# What the world of trouble cannot but bring about.
EXPECTED_CODES = {
    *(ReasonCode.ADMINISTRATOR, ReasonCode.MANAGEMENT_ACCOUNT, ReasonCode.REGION_NOT_ENABLED),
    *(ReasonCode.ACCOUNT_PENDING, ReasonCode.ACCOUNT_NOT_ACTIVE, ReasonCode.ACCESS_DENIED),
    *(ReasonCode.MEMBER_LIMIT, ReasonCode.WRONG_EMAIL, ReasonCode.NOT_ACCEPTED),
    *(ReasonCode.RESIGNED, ReasonCode.UNREADABLE, ReasonCode.DRY_RUN, ReasonCode.RUN_ENDED),
}
MEMBER_LIMIT = "it cannot exceed the maximum number of allowed members"


@pytest.fixture(autouse=True)
def _in_virtual_time(rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a table that answers as DynamoDB does, in a hundredth of the time."""
    in_virtual_time(rollcall, monkeypatch)
    ledger = ledger_on(MemoryRows())
    rollcall.ledger = ledger
    monkeypatch.setattr(Wiring, "ledger", property(lambda _: ledger))


# Detective and GuardDuty


@pytest.mark.parametrize(
    ("late", "within"),
    [(20 * MINUTE, 10 * MINUTE), (36 * MINUTE, 10 * MINUTE)],
)
def test_detective_is_enabled_soon_after_guardduty_that_comes_late(
    rollcall: Rollcall, late: float, within: float
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    timings = {"guardduty_enable": late, "detective_recheck": None}
    rollcall.world.apply({"do": "set_timings", **timings})

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}], **BOTH})

    assert execution.states[-1] == "Complete"
    came = became(rollcall, "guardduty", ACCOUNT, "Enabled")
    assert became(rollcall, "detective", ACCOUNT, "ENABLED") - came <= within


@pytest.mark.parametrize(
    ("late", "within"),
    [
        (HOUR, 20 * MINUTE),
        (62 * MINUTE, 20 * MINUTE),
        (2 * HOUR, 20 * MINUTE),
        (5 * DAY, 12 * HOUR),
    ],
)
def test_detective_is_enabled_soon_after_the_owner_accepts_guardduty_late(
    rollcall: Rollcall, late: float, within: float
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(
        ACCOUNT, email=email(ACCOUNT), accepts_after={"guardduty": late, "detective": MINUTE}
    )
    rollcall.world.apply({"do": "set_timings", "detective_recheck": None})

    execution = rollcall.run(outside(ACCOUNT, **BOTH))

    assert execution.states[-1] == "Complete"
    came = became(rollcall, "guardduty", ACCOUNT, "Enabled")
    assert became(rollcall, "detective", ACCOUNT, "ENABLED") - came <= within


@pytest.mark.parametrize("belongs", [True, False], ids=["organization", "invitation"])
def test_a_failure_of_guardduty_ends_detective_with_it(
    rollcall: Rollcall, *, belongs: bool
) -> None:
    rollcall.found_organization()
    add = rollcall.add_account if belongs else rollcall.add_outside
    add(ACCOUNT, email=email(ACCOUNT), accepts_after=MINUTE)
    rollcall.world.apply({"do": "set_limits", "guardduty": 0})
    mode = "organization" if belongs else "invitation"

    rollcall.run(with_email(ACCOUNT, mode=mode, **BOTH))

    guardduty = rollcall.memberships(ACCOUNT)[ACCOUNT, GD_HERE]
    assert (guardduty.outcome, MEMBER_LIMIT in str(guardduty.reason)) == (Outcome.FAILED, True)
    assert rollcall.clock.now() - (guardduty.settled_at or 0) <= 30 * MINUTE
    told = entry(rollcall, "detective")
    assert told.get("reason_code") == ReasonCode.GUARDDUTY
    assert "GuardDuty in eu-west-1 failed: " in told["reason"]
    assert MEMBER_LIMIT in told["reason"]


def test_guardduty_that_planning_gave_up_ends_detective_too(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    rollcall.organizations(
        "DeregisterDelegatedAdministrator",
        AccountId=ADMINISTRATOR,
        ServicePrincipal="guardduty.amazonaws.com",
    )
    began = rollcall.clock.now()

    rollcall.run({"accounts": [{"id": ACCOUNT}], **BOTH})

    assert rollcall.clock.now() - began <= 30 * MINUTE
    told = entry(rollcall, "detective")
    assert told.get("reason_code") == ReasonCode.GUARDDUTY
    assert "GuardDuty in eu-west-1 failed: " in told["reason"]
    assert "is not the delegated administrator of GuardDuty" in told["reason"]


def test_an_invited_account_whose_volume_stays_unknown_is_given_the_volume_deadline(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email=email(ACCOUNT), accepts_after=DAY, volume="unknown")

    rollcall.run(outside(ACCOUNT, **at("detective")))

    accepted = became(rollcall, "detective", ACCOUNT, "ACCEPTED_BUT_DISABLED")
    waited = rollcall.clock.now() - accepted
    assert 2 * DAY - 2 * HOUR <= waited <= 2 * DAY + 2 * HOUR
    told = entry(rollcall)
    assert (told["outcome"], told.get("reason_code")) == ("timed out", ReasonCode.VOLUME_UNKNOWN)


# Acceptances that hang


@pytest.mark.member_role(*HANGING, *ANSWERING)
@pytest.mark.parametrize("service", MEMBER_SERVICES)
def test_accounts_whose_acceptance_hangs_hold_up_neither_a_step_nor_the_others(
    rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    rollcall.found_organization()
    for account in (*HANGING, *ANSWERING):
        rollcall.add_outside(account, email=email(account), volume="known")
    began = rollcall.clock.now()
    hang(rollcall, service, until=began + 30 * MINUTE)
    took = durations_of_accepting(rollcall, monkeypatch)

    execution = rollcall.run(outside(*HANGING, *ANSWERING, **at(service)))

    assert execution.states[-1] == "Complete", execution
    assert max(took) <= 600
    told = rollcall.memberships(*HANGING, *ANSWERING)
    settled = {account: (m.settled_at or 0) - began for (account, _), m in told.items()}
    assert max(settled[account] for account in ANSWERING) <= 20 * MINUTE
    assert max(settled.values()) <= 60 * MINUTE


def hang(rollcall: Rollcall, service: str, until: float) -> None:
    """Let every acceptance by the hanging accounts wait for its client's timeout, to no effect."""
    timeouts: list[float] = []

    def remember(context: dict[str, Any], **_: object) -> None:
        timeouts.append(context["client_config"].read_timeout)

    def hanging(request: Any, **_: object) -> None:
        signed = request.headers["Authorization"]
        text = signed.decode() if isinstance(signed, bytes) else signed
        ours = any(f"Credential={account}/" in text for account in HANGING)
        if ours and rollcall.clock.now() < until:
            rollcall.clock.advance(timeouts[-1])
            raise ReadTimeoutError(endpoint_url=request.url)

    accepting = "AcceptInvitation" if service == "detective" else "AcceptAdministratorInvitation"
    rollcall.session.events.register_first(f"before-call.{service}.{accepting}", remember)
    rollcall.session.events.register_first(f"before-send.{service}.{accepting}", hanging)


def durations_of_accepting(rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long every invocation of Accept Invitations takes, in seconds."""
    took: list[float] = []
    handler: Callable[..., dict[str, Any]] = accept_invitations.handler

    def timed(event: dict[str, Any], context: Any) -> dict[str, Any]:
        began = rollcall.clock.now()
        try:
            return handler(event, context)
        finally:
            took.append(rollcall.clock.now() - began)

    monkeypatch.setattr(accept_invitations, "handler", timed)
    return took


# Why a membership is not Enabled


def test_a_declined_invitation_to_detective_ends_soon_and_says_so(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email=email(ACCOUNT))
    declined = rollcall.clock.now() + 10 * MINUTE
    rollcall.meanwhile(10 * MINUTE, lambda: decline_detective(rollcall, ACCOUNT))

    rollcall.run(outside(ACCOUNT, **at("detective")))

    assert rollcall.clock.now() - declined <= 2 * HOUR
    told = entry(rollcall)
    assert told.get("reason_code") == ReasonCode.DECLINED
    assert "INVITED" in told["reason"]


def test_an_answer_that_is_no_refusal_is_no_reason(rollcall: Rollcall) -> None:
    """The account is created again, and the service says that it is a member already."""
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    rollcall.world.apply({"do": "set_timings", "guardduty_enable": 7 * DAY})

    rollcall.run({"accounts": [{"id": ACCOUNT}], **at("guardduty")})

    told = entry(rollcall)
    assert (told["outcome"], told["status"]) == ("timed out", "Created")
    assert told["attempts"]["create"] > 1
    assert "already" not in told["reason"]
    assert told.get("reason_code") == ReasonCode.NOT_ENABLED


def test_nobody_is_said_not_to_have_accepted_who_was_never_asked_by_this_run(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email=email(ACCOUNT))
    invite(rollcall, "guardduty", ACCOUNT)
    rollcall.add_account(ACCOUNT, email=email(ACCOUNT))
    say(rollcall, "guardduty", "CreateMembers", "Internal error")

    rollcall.run({"accounts": [{"id": ACCOUNT}], **at("guardduty")})

    told = entry(rollcall)
    assert (told["outcome"], told["status"]) == ("timed out", "Invited")
    assert told.get("reason_code") == ReasonCode.LEFT_HALF_WAY
    assert "accepted" not in told["reason"]
    assert "Internal error" in told["reason"]


@pytest.mark.configured(
    regions=(HERE, "ap-east-1"), timing=Timing(invitation_deadline=HOUR, volume_deadline=HOUR)
)
def test_whatever_is_not_enabled_has_a_reason_and_a_code(
    rollcall: Rollcall,
) -> None:
    a_world_of_trouble(rollcall)
    everybody = with_email(*TEN, ADMINISTRATOR, MANAGEMENT)

    rollcall.run(everybody)
    rollcall.run(everybody | {"dry_run": True}, "dry")
    rollcall.meanwhile(20 * MINUTE, lambda: rollcall.stop("aborted"))
    rollcall.run(everybody, "aborted")
    rollcall.step("close_run", rollcall.status_change(rollcall.execution_arn("aborted")))

    results = rollcall.published_finally()
    assert [result["onboarding_id"] for result in results] == ["onboarding-1", "dry", "aborted"]
    told = [one for result in results for one in result["memberships"]]
    unhappy = [one for one in told if one["outcome"] not in ENDED_WELL]
    assert [one for one in unhappy if not one["reason"]] == []
    codes = {one.get("reason_code") for one in unhappy}
    assert codes <= set(ReasonCode) - {ReasonCode.OTHER, ReasonCode.NOT_READ}
    assert codes >= EXPECTED_CODES


def a_world_of_trouble(rollcall: Rollcall) -> None:
    """Accounts of the organisation and outside it, most of them with something that is wrong."""
    rollcall.found_organization()
    pending, suspended, in_one_region, one_too_many, unreadable = TEN[:5]
    rollcall.add_account(pending, state="PENDING_ACTIVATION")
    rollcall.add_account(suspended, state="SUSPENDED")
    rollcall.add_account(in_one_region)
    for account in (one_too_many, unreadable):
        rollcall.add_account(account, regions=["ap-east-1"])
    for account in TEN[5:]:
        rollcall.add_outside(account, email=email(account))
    rollcall.world.apply({"do": "set_account", "account_id": TEN[5], "email": email(OTHER)})
    invite(rollcall, "securityhub", TEN[6])
    decline_securityhub(rollcall, TEN[6])
    say(rollcall, "guardduty", "CreateMembers", MEMBER_LIMIT, one_too_many)
    say(rollcall, "securityhub", "CreateMembers", "Words nobody knows", one_too_many)
    say(rollcall, "guardduty", "GetMembers", "Words nobody knows", unreadable)
    rollcall.fail(kind="access_denied", service="securityhub", region="ap-east-1")


# What a run costs


@pytest.mark.member_role(*HEALTHY)
@pytest.mark.configured(regions=(HERE,))
def test_troubled_invitations_cost_no_more_than_this_in_fourteen_days(
    rollcall: Rollcall,
) -> None:
    """Regions do not share a call: three of them give the same figure in three times the time."""
    rollcall.found_organization()
    for account in TEN:
        rollcall.add_outside(account, email=email(account))
    rollcall.world.apply({"do": "set_account", "account_id": SUSPENDED[0], "state": "SUSPENDED"})
    accounts = [
        {"id": account, "email": email(account) if account not in MISADDRESSED else email(OTHER)}
        for account in TEN
    ]
    rollcall.calls.clear()

    rollcall.run({"accounts": accounts, "mode": "invitation"})

    told = rollcall.memberships(*TEN)
    assert {m.outcome for (account, _), m in told.items() if account in HEALTHY} == {
        Outcome.ENABLED
    }
    silent = [m for (account, _), m in told.items() if account in SILENT]
    assert {m.outcome for m in silent} == {Outcome.TIMED_OUT}
    assert all((m.settled_at or 0) - m.taken_at >= 14 * DAY for m in silent)
    calls = sum(len(rollcall.operations(service)) for service in MEMBER_SERVICES)
    assert calls / len(told) <= 17.8


def test_a_run_on_a_table_that_others_used_before_costs_no_more_than_this(
    rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollcall.found_organization()
    for account in (*FIFTY, *OTHERS):
        rollcall.add_account(account)
    price_of(rollcall, monkeypatch, "others", [{"id": account} for account in OTHERS])

    price = price_of(rollcall, monkeypatch, "first", [{"id": account} for account in FIFTY])

    assert {m.outcome for m in rollcall.memberships(*FIFTY, name="first").values()} == {
        Outcome.ENABLED
    }
    assert price.calls <= 0.08


@pytest.mark.member_role(*TEN)
@pytest.mark.configured(regions=(HERE, "us-east-1", "eu-central-1"))
def test_inviting_and_accepting_costs_no_more_than_this(
    rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollcall.found_organization()
    for account in TEN:
        rollcall.add_outside(account, email=email(account))

    price = price_of(rollcall, monkeypatch, "first", [{"id": a, "email": email(a)} for a in TEN])

    assert price.calls <= 3.7

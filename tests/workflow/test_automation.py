"""Runs in an organisation whose services enrol accounts by themselves, or leave them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from functions.enrolment.automation import Automatic
from functions.enrolment.configuration import Timing
from functions.enrolment.membership import ENABLED, Action, Outcome
from functions.enrolment.reason import ReasonCode
from functions.enrolment.target import Target
from functions.services.registry import DETECTIVE, GUARDDUTY, SECURITYHUB
from tests.support.builders import ACCOUNT, ADMINISTRATOR, MANAGEMENT, OTHER
from tests.support.events import create_account_result
from tests.workflow.hands import HERE, apply_policy, at, call, configure_centrally
from tests.workflow.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from functions.enrolment.account import AccountId
    from functions.enrolment.membership import Membership
    from functions.enrolment.service import Service
    from tests.support.rollcall import Rollcall

SERVICES = (SECURITYHUB, GUARDDUTY, DETECTIVE)
LINKED = "us-east-1"
HOUR = 3600


@pytest.fixture(autouse=True)
def _in_virtual_time(rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch) -> None:
    in_virtual_time(rollcall, monkeypatch)


def auto_enable(rollcall: Rollcall, setting: str, seconds: float) -> None:
    """All services enrol by themselves, so many seconds after an account has joined."""
    rollcall.world.apply({"do": "set_timings", "organization_auto_enable": seconds})
    for service in SERVICES:
        word = setting if service is GUARDDUTY or setting == "NONE" else "NEW"
        place = {"service": service.name, "account_id": ADMINISTRATOR}
        regions = list(rollcall.configuration.regions)
        rollcall.world.apply({"do": "designate", "regions": regions, "auto_enable": word, **place})


def creations(rollcall: Rollcall) -> int:
    return sum(rollcall.operations(each.name).count("CreateMembers") for each in SERVICES)


def of(rollcall: Rollcall, service: Service, account: AccountId = ACCOUNT) -> list[Membership]:
    found = rollcall.memberships(account).items()
    return [membership for (_, target), membership in found if target.service == service]


@pytest.mark.parametrize("setting", ["NEW", "ALL"])
def test_a_service_that_enrols_new_accounts_is_given_its_time_and_verified(
    rollcall: Rollcall, setting: str
) -> None:
    rollcall.found_organization()
    auto_enable(rollcall, setting, seconds=120)
    rollcall.add_account(ACCOUNT)

    execution = rollcall.run(create_account_result(ACCOUNT))

    assert execution.status == "SUCCEEDED"
    assert creations(rollcall) == 0
    assert {m.outcome for m in rollcall.memberships(ACCOUNT).values()} <= ENABLED
    (result,) = rollcall.published()["bus"]
    assert (
        f"GuardDuty itself enabled 2 of the memberships (auto-enable {setting})"
        in (result["notes"])
    )


def test_a_service_that_does_not_act_in_its_time_is_not_waited_for_any_longer(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    auto_enable(rollcall, "NEW", seconds=10 * HOUR)
    rollcall.add_account(ACCOUNT)

    execution = rollcall.run(create_account_result(ACCOUNT))

    memberships = rollcall.memberships(ACCOUNT).values()
    assert execution.status == "SUCCEEDED"
    assert {m.outcome for m in memberships} == {Outcome.ENABLED}
    assert all(m.tries(Action.CREATE) == 1 for m in memberships)
    waited = {m.target: m.attempts[Action.CREATE].at - m.taken_at for m in memberships}
    assert min(waited.values()) >= Timing().auto_enable
    first = [after for target, after in waited.items() if target.comes_after is None]
    assert max(first) < Timing().auto_enable + 60
    # Detective's time passes while GuardDuty is enrolled.
    assert max(waited.values()) < Timing().auto_enable + 300


def test_an_account_that_joined_long_ago_is_not_left_to_what_enrols_new_ones(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    rollcall.pass_seconds(30 * HOUR)
    auto_enable(rollcall, "NEW", seconds=1)

    rollcall.run({"accounts": [{"id": ACCOUNT}], **at("guardduty")})

    (membership,) = of(rollcall, GUARDDUTY)
    assert membership.attempts[Action.CREATE].at - membership.transitions[0].at < 5


@pytest.mark.parametrize("service", SERVICES, ids=str)
def test_a_region_that_is_not_delegated_fails_at_once_and_the_others_are_enrolled(
    rollcall: Rollcall, service: Service
) -> None:
    rollcall.found_organization()
    account = {"securityhub": "AdminAccountId", "guardduty": "AdminAccountId"}.get(service.name)
    request = {account: ADMINISTRATOR} if account else {}
    call(rollcall, MANAGEMENT, service.name, "DisableOrganizationAdminAccount", LINKED, **request)
    rollcall.pass_seconds(60)
    rollcall.world.apply(
        {
            "do": "enable",
            "service": service.name,
            "account_id": ADMINISTRATOR,
            "regions": [LINKED],
        }
    )
    rollcall.add_account(ACCOUNT, volume="known")

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}], "services": [service.name]})

    found = rollcall.memberships(ACCOUNT)
    here, there = (found[ACCOUNT, Target(service, region)] for region in (HERE, LINKED))
    assert execution.error == "OnboardingIncomplete"
    assert here.outcome is Outcome.ENABLED
    assert there.outcome is Outcome.FAILED
    assert there.reason is not None
    assert there.reason.code is ReasonCode.NOT_DELEGATED
    assert f"EnableOrganizationAdminAccount in {LINKED} from the management" in there.reason.text
    assert (there.settled_at or 0) - there.taken_at < 60
    assert not there.tries(Action.CREATE)


HUB = {"services": ["securityhub"]}


def test_an_account_under_a_configuration_policy_is_left_to_it_and_verified(
    rollcall: Rollcall,
) -> None:
    """The other one is self-managed, so that Rollcall creates it."""
    rollcall.found_organization()
    configure_centrally(rollcall)
    rollcall.world.apply({"do": "set_timings", "securityhub_policy_association": 3 * HOUR})
    for account, enabled in ((ACCOUNT, True), (OTHER, None)):
        rollcall.add_account(account)
        apply_policy(rollcall, account, enabled=enabled)

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}, {"id": OTHER}], **HUB})

    assert execution.status == "SUCCEEDED", execution
    by_policy, by_rollcall = (of(rollcall, SECURITYHUB, each) for each in (ACCOUNT, OTHER))
    assert {m.outcome for m in (*by_policy, *by_rollcall)} == {Outcome.ENABLED}
    assert [m.tries(Action.CREATE) for m in (*by_policy, *by_rollcall)] == [0, 0, 1, 1]
    assert {m.automation.kind for m in by_policy if m.automation} == {Automatic.POLICY}


@pytest.mark.parametrize(
    ("enabled", "outcome", "created"),
    [
        pytest.param(True, Outcome.ENABLED, 0, id="enables"),
        pytest.param(False, Outcome.SKIPPED, 0, id="disables"),
        pytest.param(None, Outcome.ENABLED, 1, id="self-managed"),
    ],
)
def test_central_configuration_that_is_switched_on_while_a_run_waits_is_obeyed(
    rollcall: Rollcall, enabled: bool | None, outcome: Outcome, created: int
) -> None:
    """The run gives auto-enable its time when the policy comes."""
    rollcall.found_organization()
    auto_enable(rollcall, "NEW", seconds=10 * HOUR)
    rollcall.add_account(ACCOUNT)

    def switch_on() -> None:
        configure_centrally(rollcall)
        apply_policy(rollcall, ACCOUNT, enabled=enabled)

    rollcall.meanwhile(60, switch_on)

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}], **HUB})

    assert execution.status == "SUCCEEDED", execution
    found = of(rollcall, SECURITYHUB)
    assert {m.outcome for m in found} == {outcome}
    assert {m.tries(Action.CREATE) for m in found} == {created}


def test_an_account_that_is_made_self_managed_while_its_policy_is_awaited_is_created(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    configure_centrally(rollcall)
    rollcall.add_account(ACCOUNT)
    failure = {"management": MANAGEMENT, "account_id": ACCOUNT, "text": "Config does not record"}
    rollcall.world.apply({"do": "fail_association", **failure})
    apply_policy(rollcall, ACCOUNT, enabled=True)
    rollcall.meanwhile(5 * HOUR, lambda: apply_policy(rollcall, ACCOUNT, enabled=None))

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}], **HUB})

    assert execution.status == "SUCCEEDED"
    found = of(rollcall, SECURITYHUB)
    assert {m.outcome for m in found} == {Outcome.ENABLED}
    assert {m.tries(Action.CREATE) for m in found} == {1}
    interim, final = rollcall.published()["bus"]
    assert [interim["final"], final["final"]] == [False, True]
    assert {entry["reason_code"] for entry in interim["memberships"]} == {"policy-not-applied"}


def test_an_account_that_a_policy_leaves_out_is_skipped_and_never_created(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    configure_centrally(rollcall)
    rollcall.add_account(ACCOUNT)
    policy = apply_policy(rollcall, ACCOUNT, enabled=False)
    rollcall.pass_seconds(60)

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}], **HUB})

    assert execution.status == "SUCCEEDED"
    assert creations(rollcall) == 0
    for membership in of(rollcall, SECURITYHUB):
        assert membership.outcome is Outcome.SKIPPED
        assert membership.reason is not None
        assert membership.reason.code is ReasonCode.LEFT_OUT_BY_POLICY
        assert policy in membership.reason.text


def test_a_policy_that_is_not_applied_is_reported_with_what_the_service_says_of_it(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    configure_centrally(rollcall)
    rollcall.add_account(ACCOUNT)
    failure = {"management": MANAGEMENT, "account_id": ACCOUNT, "text": "Config does not record"}
    rollcall.world.apply({"do": "fail_association", **failure})
    apply_policy(rollcall, ACCOUNT, enabled=True)

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}], **HUB})

    assert execution.error == "OnboardingIncomplete"
    assert creations(rollcall) == 0
    for membership in of(rollcall, SECURITYHUB):
        assert membership.outcome is Outcome.TIMED_OUT
        assert membership.reason is not None
        assert membership.reason.code is ReasonCode.POLICY_NOT_APPLIED
        assert "FAILED: Config does not record" in membership.reason.text
        assert (membership.settled_at or 0) - membership.taken_at >= Timing().policy_deadline

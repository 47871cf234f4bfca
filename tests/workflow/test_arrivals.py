"""One account arrives by several events: one run acts, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.membership import Outcome, Status
from functions.enrolment.scope import Scope
from functions.enrolment.target import Target
from functions.services import registry
from tests.support.builders import ACCOUNT, ADMINISTRATOR, OTHER, a_membership, an_onboarding
from tests.support.events import create_account_result, from_management

if TYPE_CHECKING:
    from tests.support.rollcall import Rollcall

FURTHER = (
    "account_joined_organization_created.INFERRED",
    "controltower_create_managed_account_succeeded",
    "controltower_update_managed_account_succeeded",
    "controltower_enable_baseline_succeeded",
)


def test_the_further_events_of_one_creation_are_duplicates_of_the_first(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    rollcall.run(create_account_result(ACCOUNT))
    rollcall.published()
    rollcall.calls.clear()

    ended = [rollcall.run(from_management(name), name) for name in FURTHER]

    assert {execution.states[-1] for execution in ended} == {"Duplicate"}
    assert {call.service for call in rollcall.calls.read()} == {"organizations"}
    assert rollcall.published() == {"topic": [], "bus": []}


def test_a_further_event_after_the_window_is_a_run_of_its_own(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    rollcall.run(create_account_result(ACCOUNT))
    rollcall.clock.advance(rollcall.configuration.timing.duplicate_window + 1)

    execution = rollcall.run(create_account_result(ACCOUNT), "onboarding-2")

    assert execution.states[-1] == "Complete"
    assert rollcall.published()["bus"][-1]["counts"]["already enabled"] == 6


def test_a_further_event_after_a_failure_tries_again(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    rollcall.fail(kind="access_denied", service="detective", region="us-east-1")
    first = rollcall.run(create_account_result(ACCOUNT))
    rollcall.faults.clear()

    second = rollcall.run(from_management(FURTHER[0]), "onboarding-2")

    assert (first.error, second.states[-1]) == ("OnboardingIncomplete", "Complete")


def test_an_accepted_invitation_to_the_organisation_enrols_the_invited_account(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(OTHER, joined="INVITED")

    execution = rollcall.run(from_management("accept_handshake.INFERRED"))

    assert execution.status == "SUCCEEDED", execution
    assert {r.outcome for r in rollcall.memberships(OTHER).values()} == {Outcome.ENABLED}
    assert rollcall.world.snapshot()["invitations"] == []


@pytest.mark.configured(regions=("eu-west-1", "ap-east-1"))
def test_a_region_opted_in_to_later_is_enrolled_though_the_account_was_enabled_lately(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    rollcall.run(create_account_result(ACCOUNT))
    skipped = [r for r in rollcall.memberships(ACCOUNT).values() if r.outcome is Outcome.SKIPPED]
    rollcall.world.apply({"do": "set_account", "account_id": ACCOUNT, "regions": ["ap-east-1"]})

    execution = rollcall.run(from_management("account_region_opt_in_status_change"), "onboarding-2")

    assert execution.states[-1] == "Complete"
    enrolled = rollcall.memberships(ACCOUNT, name="onboarding-2")
    assert {target.region for _, target in enrolled} == {"ap-east-1"}
    assert {r.outcome for r in enrolled.values()} == {Outcome.ENABLED}
    assert {r.target.region for r in skipped} == {"ap-east-1"}


def test_an_event_another_account_wrote_is_refused_and_kept_with_its_reason(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    forged = create_account_result(ACCOUNT) | {"account": OTHER}

    execution = rollcall.run(forged)

    assert execution.error == "InvalidInput"
    onboarding = rollcall.ledger.onboarding("onboarding-1")
    assert onboarding is not None
    assert onboarding.source == "CreateAccountResult"
    assert str(onboarding.outcome).startswith("refused: account: takes 999988887777")
    assert rollcall.memberships(ACCOUNT) == {}


@pytest.mark.parametrize(
    "scope",
    [Scope(exclude_accounts=(ACCOUNT,)), Scope(include_tags={"stage": "prod"})],
)
def test_an_account_out_of_scope_is_skipped_without_a_call(
    rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch, scope: Scope
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, tags={"stage": "dev"})
    rollcall.calls.clear()
    rollcall.reconfigure(monkeypatch, replace(rollcall.configuration, scope=scope))

    execution = rollcall.run(create_account_result(ACCOUNT))

    assert execution.states[-1] == "Complete"
    assert {call.service for call in rollcall.calls.read()} == {"organizations"}
    result: dict[str, Any] = rollcall.published()["bus"][0]
    assert result["counts"]["skipped"] == 6
    assert result["memberships"][0]["reason"].startswith("out of scope: the configuration ")


def test_a_move_within_the_organisation_enrols_what_is_now_in_scope(
    rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    (organization,) = rollcall.world.snapshot()["organizations"]
    scope = Scope(include_paths=(f"{organization['id']}/",))
    rollcall.reconfigure(monkeypatch, replace(rollcall.configuration, scope=scope))

    execution = rollcall.run(from_management("move_account"))

    assert execution.states[-1] == "Complete"
    assert {r.outcome for r in rollcall.memberships(ACCOUNT).values()} == {Outcome.ENABLED}


def test_the_administrators_own_arrival_is_no_failure(rollcall: Rollcall) -> None:
    rollcall.found_organization()

    execution = rollcall.run(create_account_result(ADMINISTRATOR))

    assert execution.states[-1] == "Complete"
    assert rollcall.published()["bus"][0]["counts"]["skipped"] == 6


def test_a_run_by_hand_leaves_an_account_alone_that_another_run_works_on(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    for account_id in (ACCOUNT, OTHER):
        rollcall.add_account(account_id)
    now, target = rollcall.clock.now(), Target(registry.GUARDDUTY, "eu-west-1")
    rollcall.ledger.open(an_onboarding(id="busy", started_at=now, lease_until=now + 900))
    everywhere = [
        a_membership(
            Status.VERIFYING,
            target=Target(service, region),
            at=now,
            onboarding_id="busy",
        )
        for service in registry.SERVICES
        for region in rollcall.configuration.regions
    ]
    rollcall.ledger.record(everywhere, now)

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}, {"id": OTHER}]})

    assert execution.states[-1] == "Complete"
    assert rollcall.published()["bus"][0]["counts"] == {
        "enabled": 6,
        "already enabled": 0,
        "failed": 0,
        "timed out": 0,
        "skipped": 6,
    }
    told = rollcall.memberships(ACCOUNT)[ACCOUNT, target]
    assert str(told.reason) == "onboarding busy has this membership in progress"
    known = rollcall.ledger.read([(ACCOUNT, target)])[ACCOUNT, target]
    assert (known.onboarding_id, known.status) == ("busy", Status.VERIFYING)


@pytest.mark.configured(regions=("eu-west-1", "ap-east-1"))
def test_an_opt_in_state_that_may_not_be_looked_up_is_tried_and_the_result_says_so(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, regions=["ap-east-1"])
    rollcall.fail(kind="access_denied", service="account", operation="ListRegions")

    execution = rollcall.run(create_account_result(ACCOUNT))

    assert execution.states[-1] == "Complete"
    result = rollcall.published()["bus"][0]
    assert result["counts"]["enabled"] == 6
    (note,) = result["notes"]
    assert note.startswith(f"whether {ACCOUNT} has opted in to ap-east-1 could not be looked up")

"""One account arrives by several events: one run acts, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.membership import Outcome
from functions.enrolment.scope import Scope
from tests.support.builders import ACCOUNT, ADMINISTRATOR, OTHER
from tests.support.events import create_account_result, from_management, sample

if TYPE_CHECKING:
    from tests.support.rollcall import Rollcall

FURTHER = (
    "account_joined_organization_created.INFERRED",
    "controltower_create_managed_account_succeeded",
    "controltower_update_managed_account_succeeded",
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

    execution = rollcall.run(sample("account_region_opt_in_status_change"), "onboarding-2")

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

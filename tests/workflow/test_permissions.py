"""What is granted is used: the runs here make, among them, every call that there is.

That nothing is used which is not granted, every test with ``rollcall`` checks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.ownership import LEASE_SECONDS
from functions.enrolment.records import epoch_seconds
from functions.enrolment.scope import Scope
from functions.services.survey import make_survey
from functions.steps import (
    accept_invitations,
    create_members,
    invite_members,
    restart_members,
    survey_organization,
)
from functions.steps.close_run import LEFT_OPEN
from functions.steps.execution_end import LATE_SECONDS, STATUS_CHANGE
from tests.conftest import ACCEPTING
from tests.support.builders import ACCOUNT, ADMINISTRATOR, OTHER
from tests.support.events import create_account_result
from tests.support.permissions import MEMBER_ROLE
from tests.workflow.hands import (
    HERE,
    STARTED,
    apply_policy,
    at,
    call,
    configure_centrally,
    email,
    of_run,
    outside,
    reconcile,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.support.rollcall import Rollcall

MINUTE, DAY = 60, 86400
SILENT, LATE = AccountId("666677778888"), AccountId("777788889999")
LEFT_OUT = AccountId("888899990000")
NEW = AccountId("999900001111")
MANY = tuple(AccountId(f"{200_000_000_000 + number}") for number in range(12))
SUSPENDED = tuple(AccountId(f"{300_000_000_000 + number}") for number in range(60))


@pytest.mark.member_role(OTHER)
@pytest.mark.configured(regions=(HERE, "ap-east-1"), scope=Scope(exclude_tags={"enrol": "no"}))
def test_what_is_granted_is_used(
    rollcall: Rollcall, granted_actions: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rollcall.found_organization()
    for step in (create_members, invite_members, accept_invitations, restart_members):
        begins_late(step, rollcall, monkeypatch)

    an_account_is_created(rollcall)
    its_event_comes_again(rollcall)
    accounts_are_invited(rollcall)
    a_member_was_disabled_by_hand(rollcall)
    a_policy_leaves_an_account_out(rollcall)
    a_target_cannot_be_read(rollcall)
    runs_die(rollcall)
    gaps_are_closed(rollcall, monkeypatch)

    assert rollcall.used.each == granted_actions


@pytest.mark.member_role(OTHER)
@pytest.mark.configured(
    invitation=replace(ACCEPTING.invitation, standards=("nist-800-53/v/5.0.0",))
)
def test_what_the_member_role_is_granted_for_standards_is_used(
    rollcall: Rollcall, granted_actions: set[tuple[str, str]]
) -> None:
    rollcall.found_organization()

    accounts_are_invited(rollcall)

    used, granted = (
        {action for role, action in actions if role == MEMBER_ROLE}
        for actions in (rollcall.used.each, granted_actions)
    )
    assert {"securityhub:GetEnabledStandards", "securityhub:BatchEnableStandards"} <= used
    assert used == granted


def begins_late(step: ModuleType, rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first invocation comes when the lease of its run is all but over."""
    handler: Callable[[dict[str, Any], Any], dict[str, Any]] = step.handler
    late = [LEASE_SECONDS]

    def begun_late(event: dict[str, Any], context: Any) -> dict[str, Any]:
        rollcall.clock.advance(late.pop() if late else 0)
        return handler(event, context)

    monkeypatch.setattr(step, "handler", begun_late)


def an_account_is_created(rollcall: Rollcall) -> None:
    """Detective is waited for until it knows the volume."""
    rollcall.add_account(ACCOUNT, volume="unknown")
    known = {"do": "set_account", "account_id": ACCOUNT, "volume": "known"}
    rollcall.meanwhile(30 * MINUTE, lambda: rollcall.world.apply(known))

    assert rollcall.run(create_account_result(ACCOUNT)).states[-1] == "Complete"


def its_event_comes_again(rollcall: Rollcall) -> None:
    """Its planning is cut short at first, and then finds a duplicate."""
    again = of_run(create_account_result(ACCOUNT), "again")
    rollcall.step("plan_onboarding", again)

    assert rollcall.step("plan_onboarding", again)["verdict"] == "duplicate"


def accounts_are_invited(rollcall: Rollcall) -> None:
    """Rollcall accepts for one, at the second try; the other's owner takes two days."""
    rollcall.add_outside(OTHER, email=email(OTHER))
    rollcall.add_outside(SILENT, email=email(SILENT), accepts_after=2 * DAY)
    accepting = "AcceptAdministratorInvitation"
    rollcall.fail(kind="access_denied", operation=accepting, times=1)

    invited = rollcall.run(outside(OTHER, SILENT, regions=[HERE]), "invited")

    assert invited.states[-1] == "Complete"


def a_member_was_disabled_by_hand(rollcall: Rollcall) -> None:
    detector = call(rollcall, ADMINISTRATOR, "guardduty", "ListDetectors")["DetectorIds"][0]
    member = {"DetectorId": detector, "AccountIds": [ACCOUNT]}
    call(rollcall, ADMINISTRATOR, "guardduty", "StopMonitoringMembers", **member)

    restarted = rollcall.run({"accounts": [{"id": ACCOUNT}], **at("guardduty")}, "restarted")

    assert restarted.states[-1] == "Complete"


def a_policy_leaves_an_account_out(rollcall: Rollcall) -> None:
    rollcall.add_account(LEFT_OUT)
    configure_centrally(rollcall)
    apply_policy(rollcall, LEFT_OUT, enabled=False)

    read = rollcall.run({"accounts": [{"id": LEFT_OUT}], **at("securityhub")}, "left-out")

    assert read.states[-1] == "Complete"


def a_target_cannot_be_read(rollcall: Rollcall) -> None:
    rollcall.fail(kind="server_error", service="securityhub", operation="GetMembers")
    for dry_run in (False, True):
        document = {"accounts": [{"id": ACCOUNT}], "dry_run": dry_run, "regions": [HERE]}
        read = rollcall.run(document, f"unread-{dry_run}")

        assert read.error == "OnboardingIncomplete"


def runs_die(rollcall: Rollcall) -> None:
    """One is refused, and holds what another takes; of two the children die; two are aborted."""
    refused = rollcall.run("no input", "refused")
    rollcall.add_account(LATE)
    for dry_run in (False, True):
        document = {"accounts": [{"id": LATE}], "dry_run": dry_run, **at("guardduty")}
        arn = rollcall.execution_arn(refused.name)
        rollcall.step("plan_onboarding", of_run(document, f"refused-{dry_run}", arn))
        plan = rollcall.step("plan_onboarding", of_run(document, f"childless-{dry_run}"))
        rollcall.step("publish_results", plan)
        rollcall.step("plan_onboarding", of_run(document, f"aborted-{dry_run}"))
        rollcall.step("close_run", aborted(rollcall, f"aborted-{dry_run}"))
    rollcall.step("plan_onboarding", of_run({"accounts": [{"id": LATE}]}, "left-open", arn))
    rollcall.pass_seconds(2 * LEASE_SECONDS + LATE_SECONDS)
    assert rollcall.step("close_run", {LEFT_OPEN: rollcall.machine_arn})["closed"] > 0


def gaps_are_closed(rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch) -> None:
    """By two reconciles: one for many accounts while a run is at work, and one for a single account
    after another reconcile died.
    """
    for account in MANY:
        rollcall.add_account(account, regions=["ap-east-1"])
    for account in SUSPENDED:
        rollcall.add_account(account, state="SUSPENDED")
    document = {"accounts": [{"id": MANY[0]}], **at("guardduty")}
    rollcall.step("plan_onboarding", of_run(document, "at-work"))
    takes_two_steps(rollcall, monkeypatch)
    assert reconcile(rollcall, {}, "reconcile-1")["error"] != "ReconcileFailed"

    rollcall.add_account(NEW)
    rollcall.step("survey_organization", of_run({}, "dead", rollcall.execution_arn("dead")))
    rollcall.pass_seconds(2 * MINUTE)
    assert reconcile(rollcall, at("guardduty"), "reconcile-2")["error"] != "ReconcileFailed"


def takes_two_steps(rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first survey has no time to read, and goes on in a second step. An account that it finds
    is suspended before its run is started.
    """
    late = [0.0]

    def made(*arguments: Any, until: float, **named: Any) -> Any:
        survey = make_survey(*arguments, until=late.pop() if late else until, **named)
        if survey.finished:
            closing = {"do": "set_account", "account_id": MANY[-1], "state": "SUSPENDED"}
            rollcall.world.apply(closing)
        return survey

    monkeypatch.setattr(survey_organization, "make_survey", made)


def aborted(rollcall: Rollcall, name: str) -> dict[str, Any]:
    """Step Functions' event about an execution that was aborted."""
    detail = {
        "executionArn": rollcall.execution_arn(name),
        "name": name,
        "status": "ABORTED",
        "startDate": epoch_seconds(STARTED) * 1000,
    }
    return {"detail-type": STATUS_CHANGE, "detail": detail}

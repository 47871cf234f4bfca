"""The synthesised machine, run: what a platform team would see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.membership import Outcome
from functions.enrolment.reason import ReasonCode
from functions.enrolment.target import Target
from functions.services import registry
from tests.support.builders import ACCOUNT, ADMINISTRATOR, MANAGEMENT, OTHER
from tests.support.events import create_account_result, sample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from functions.enrolment.membership import Membership
    from functions.enrolment.service import Service
    from tests.support.rollcall import Rollcall

SH, GD, DT = registry.SECURITYHUB, registry.GUARDDUTY, registry.DETECTIVE
THIRD = AccountId("666677778888")


def outcomes(records: Iterable[Membership]) -> set[Outcome | None]:
    return {record.outcome for record in records}


def test_a_created_account_is_enrolled_everywhere_and_the_result_is_published_once(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)

    execution = rollcall.run(create_account_result(ACCOUNT))

    assert (execution.status, execution.error) == ("SUCCEEDED", None)
    records = rollcall.memberships(ACCOUNT)
    assert len(records) == 6
    assert outcomes(records.values()) == {Outcome.ENABLED}
    published = rollcall.published()
    assert [len(published[channel]) for channel in ("topic", "bus")] == [1, 1]
    assert published["topic"] == published["bus"]
    result = published["bus"][0]
    assert result["complete"] is True
    assert result["counts"]["enabled"] == 6
    assert rollcall.world.snapshot()["invitations"] == []


def test_a_second_run_calls_get_members_once_a_target_and_changes_nothing(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    rollcall.run({"accounts": [{"id": ACCOUNT}]})
    before = rollcall.world.snapshot()["memberships"]
    rollcall.calls.clear()

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}]}, "onboarding-2")

    assert execution.status == "SUCCEEDED"
    records = rollcall.memberships(ACCOUNT, name="onboarding-2")
    assert outcomes(records.values()) == {Outcome.ALREADY_ENABLED}
    assert rollcall.operations("securityhub") == ["GetMembers"] * 2
    assert rollcall.operations("guardduty") == ["GetMembers"] * 2
    assert rollcall.operations("detective") == ["GetMembers"] * 2
    assert rollcall.world.snapshot()["memberships"] == before


def test_detective_comes_after_guardduty_in_its_region(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)

    rollcall.run({"accounts": [{"id": ACCOUNT}]})

    history = {
        (m["service"], m["region"]): m["history"]
        for m in rollcall.world.snapshot()["memberships"]
        if m["account_id"] == ACCOUNT
    }
    for region in rollcall.configuration.regions:
        enabled = next(h["at"] for h in history["guardduty", region] if h["status"] == "Enabled")
        assert history["detective", region][0]["at"] >= enabled


@pytest.mark.member_role(OTHER)
def test_accounts_outside_the_organisation_are_invited_and_accept_or_are_accepted(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email="partner@example.com", accepts_after=3600)
    rollcall.add_outside(OTHER, email="lab@example.com")
    accounts = [
        {"id": ACCOUNT, "email": "partner@example.com"},
        {"id": OTHER, "email": "lab@example.com"},
    ]

    execution = rollcall.run({"accounts": accounts})

    assert execution.status == "SUCCEEDED", execution
    records = rollcall.memberships(ACCOUNT, OTHER)
    assert outcomes(records.values()) == {Outcome.ENABLED}
    assert {i["sent"] for i in rollcall.world.snapshot()["invitations"]} == {1}
    invited = {i["account_id"] for i in rollcall.world.snapshot()["invitations"]}
    assert invited == {ACCOUNT, OTHER}


def test_one_account_and_one_target_in_trouble_leave_all_others_enabled(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    rollcall.add_account(OTHER, state="SUSPENDED")
    rollcall.add_outside(THIRD, email="right@example.com", accepts_after=1)
    rollcall.fail(kind="server_error", service="securityhub", region="us-east-1")
    accounts: list[dict[str, Any]] = [
        {"id": ACCOUNT},
        {"id": OTHER},
        {"id": THIRD, "email": "wrong@example.com"},
    ]

    execution = rollcall.run({"accounts": accounts})

    assert (execution.status, execution.error) == ("FAILED", "OnboardingIncomplete")
    assert "failed" in (execution.cause or "")
    told = {
        (record.account_id, record.target): (record.outcome, record.reason)
        for record in rollcall.memberships(ACCOUNT, OTHER, THIRD).values()
    }
    broken = Target(SH, "us-east-1")
    for region in rollcall.configuration.regions:
        for service in (SH, GD, DT):
            target = Target(service, region)
            healthy, suspended = told[ACCOUNT, target], told[OTHER, target]
            mismatched = told[THIRD, target]
            assert suspended[0] is Outcome.SKIPPED
            assert "Organizations reports the account as SUSPENDED" in str(suspended[1])
            if target == broken:
                assert healthy[0] is Outcome.FAILED
                assert "ServiceUnavailable: Security Hub CSPM GetMembers" in str(healthy[1])
            else:
                assert healthy[0] is Outcome.ENABLED
            if service is not SH:
                assert mismatched[0] is Outcome.FAILED
                assert "e-mail address" in str(mismatched[1])
    result = rollcall.published()["bus"][0]
    assert result["complete"] is False
    assert result["memberships"][0]["outcome"] == "failed"


def test_what_is_throttled_or_broken_for_a_while_is_retried_and_succeeds(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    # More failures than one call's own retries, fewer than the machine's.
    rollcall.fail(kind="throttling", service="guardduty", operation="GetMembers", times=6)
    rollcall.fail(kind="server_error", service="securityhub", operation="CreateMembers", times=6)

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}]})

    assert execution.status == "SUCCEEDED", execution
    assert outcomes(rollcall.memberships(ACCOUNT).values()) == {Outcome.ENABLED}


def test_a_call_that_takes_effect_and_then_fails_invites_nobody_twice(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email="partner@example.com", accepts_after=60)
    for operation in ("CreateMembers", "InviteMembers"):
        rollcall.fail(kind="effect_then_error", operation=operation, times=2)

    execution = rollcall.run({"accounts": [{"id": ACCOUNT, "email": "partner@example.com"}]})

    assert execution.status == "SUCCEEDED", execution
    assert {i["sent"] for i in rollcall.world.snapshot()["invitations"]} == {1}


def test_an_invitation_nobody_answers_times_out_and_says_so(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email="silent@example.com")
    began = rollcall.clock.now()

    execution = rollcall.run(
        {
            "accounts": [{"id": ACCOUNT, "email": "silent@example.com"}],
            "mode": "invitation",
            "services": ["securityhub"],
            "regions": ["eu-west-1"],
        }
    )

    assert execution.error == "OnboardingIncomplete"
    (record,) = rollcall.memberships(ACCOUNT).values()
    assert record.outcome is Outcome.TIMED_OUT
    assert record.reason is not None
    assert record.reason.code is ReasonCode.NOT_ACCEPTED
    assert "Invited since 2027-01-15T08:00:30Z;" in record.reason.text
    assert "last tried: invite at 2027-01-15T08:00:15Z: done" in record.reason.text
    assert rollcall.clock.now() - began < 14 * 86400 + 3600


def test_detective_is_waited_for_until_it_knows_the_volume(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, volume="unknown")

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}], "regions": ["eu-west-1"]})

    assert execution.error == "OnboardingIncomplete"
    records = rollcall.memberships(ACCOUNT)
    detective = records[ACCOUNT, Target(DT, "eu-west-1")]
    assert detective.outcome is Outcome.TIMED_OUT
    assert detective.reason is not None
    assert detective.reason.code is ReasonCode.VOLUME_UNKNOWN
    assert "ACCEPTED_BUT_DISABLED since" in detective.reason.text
    restarts = rollcall.operations("detective").count("StartMonitoringMember")
    # Often in the first hour, when GuardDuty may come late, and until the deadline.
    assert 15 <= restarts <= 25


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        (SH, "call securityhub EnableSecurityHub"),
        (GD, "call guardduty CreateDetector"),
        (DT, "call detective CreateGraph"),
    ],
)
def test_a_target_the_administrator_has_not_set_up_fails_with_the_call_that_would_fix_it(
    rollcall: Rollcall, service: Service, reason: str
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, volume="known")
    place = {"service": service.name, "account_id": ADMINISTRATOR, "regions": ["us-east-1"]}
    rollcall.world.apply({"do": "disable", **place})

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}], "services": [service.name]})

    assert execution.error == "OnboardingIncomplete"
    records = rollcall.memberships(ACCOUNT)
    broken = records[ACCOUNT, Target(service, "us-east-1")]
    assert reason in str(broken.reason)
    assert records[ACCOUNT, Target(service, "eu-west-1")].outcome is Outcome.ENABLED
    assert "us-east-1" not in {
        enabled["region"]
        for enabled in rollcall.world.snapshot()["enabled"]
        if enabled["service"] == service.name
    }


def test_administrator_and_management_account_are_skipped_with_a_reason(
    rollcall: Rollcall,
) -> None:
    """Detective needs GuardDuty, which the management account has not enabled."""
    rollcall.found_organization()
    rollcall.calls.clear()

    execution = rollcall.run(
        {"accounts": [{"id": ADMINISTRATOR}, {"id": MANAGEMENT}], "regions": ["eu-west-1"]}
    )

    assert execution.status == "SUCCEEDED", execution
    records = rollcall.memberships(ADMINISTRATOR, MANAGEMENT)
    codes = dict.fromkeys((SH, GD), ReasonCode.MANAGEMENT_ACCOUNT) | {DT: ReasonCode.PREREQUISITE}
    for service, code in codes.items():
        record = records[MANAGEMENT, Target(service, "eu-west-1")]
        assert record.outcome is Outcome.SKIPPED
        assert record.reason is not None
        assert record.reason.code is code
    assert "CreateMembers" not in rollcall.operations("detective")
    own = [r for (account, _), r in records.items() if account == ADMINISTRATOR]
    assert outcomes(own) == {Outcome.SKIPPED}


@pytest.mark.parametrize(
    ("document", "cause"),
    [
        ({"accounts": []}, "accounts: takes a list of 1 to 50 items"),
        ({"accounts": [{"id": "1"}]}, "accounts[0].id: takes an account id: a string of 12 digits"),
        ({"accounts": [{"id": ACCOUNT}], "force": True}, "force: is not known here"),
        ({"accounts": [{"id": OTHER}]}, f"accounts[0].email: is required for {OTHER}"),
        ("enrol them all", "input: takes a JSON object"),
    ],
)
def test_bad_input_ends_the_run_by_name_before_any_service_is_called(
    rollcall: Rollcall, document: object, cause: str
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)

    execution = rollcall.run(document)

    assert (execution.status, execution.error) == ("FAILED", "InvalidInput")
    assert str(execution.cause).startswith(cause)
    assert {call.service for call in rollcall.calls.read()} <= {"organizations"}


def test_an_event_that_slips_through_is_refused_by_name(rollcall: Rollcall) -> None:
    execution = rollcall.run(sample("create_account_result_failed"))

    assert execution.error == "InvalidInput"
    assert str(execution.cause).endswith("createAccountStatus.state: takes SUCCEEDED")


def test_a_dry_run_says_what_it_would_do_and_does_nothing(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}], "dry_run": True})

    assert execution.status == "SUCCEEDED"
    assert rollcall.ledger.read([(ACCOUNT, Target(SH, "eu-west-1"))]) == {}
    result = rollcall.published()["topic"][0]
    reasons = {membership["reason"] for membership in result["memberships"]}
    assert result["dry_run"] is True
    assert reasons == {"dry run: would create (now Absent)"}
    assert rollcall.world.snapshot()["memberships"] == []


def test_a_second_event_about_an_enrolled_account_ends_as_a_duplicate(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    rollcall.run(create_account_result(ACCOUNT))
    rollcall.calls.clear()

    execution = rollcall.run(create_account_result(ACCOUNT), "onboarding-2")

    assert (execution.status, execution.states[-1]) == ("SUCCEEDED", "Duplicate")
    assert {call.service for call in rollcall.calls.read()} <= {"organizations"}
    onboarding = rollcall.ledger.onboarding("onboarding-2")
    assert onboarding is not None
    assert onboarding.outcome == "duplicate of onboarding-1"


def test_an_account_organizations_does_not_know_yet_is_waited_for_and_then_named(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()

    execution = rollcall.run(create_account_result(ACCOUNT))

    assert (execution.status, execution.error) == ("FAILED", "AccountNotReady")
    assert execution.cause == f"Organizations does not know {ACCOUNT} (yet)"


def test_a_service_that_says_an_unknown_status_is_waited_for_and_reported(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    rollcall.world.apply(
        {
            "do": "unprocess",
            "service": "guardduty",
            "operation": "CreateMembers",
            "account_id": ACCOUNT,
            "text": "Something nobody has ever seen",
            "times": 99,
            "region": "eu-west-1",
        }
    )

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}], "services": ["guardduty"]})

    assert execution.error == "OnboardingIncomplete"
    records = rollcall.memberships(ACCOUNT)
    reason = records[ACCOUNT, Target(GD, "eu-west-1")].reason
    assert reason is not None
    assert reason.code is ReasonCode.NOT_CREATED
    assert "Something nobody has ever seen" in reason.text
    assert records[ACCOUNT, Target(GD, "us-east-1")].outcome is Outcome.ENABLED


def test_a_step_that_breaks_ends_its_target_and_no_other(
    rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_self: object, _resource: object, _accounts: object) -> None:
        raise ZeroDivisionError("a bug")

    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    monkeypatch.setattr("functions.services.guardduty.GuardDuty.observe", broken)

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}], "regions": ["eu-west-1"]})

    assert execution.error == "OnboardingIncomplete"
    records = rollcall.memberships(ACCOUNT)
    reason = records[ACCOUNT, Target(GD, "eu-west-1")].reason
    assert reason is not None
    assert reason.code is ReasonCode.STEP_FAILED
    assert "ZeroDivisionError: a bug" in reason.text
    assert records[ACCOUNT, Target(SH, "eu-west-1")].outcome is Outcome.ENABLED


def test_a_reading_that_is_refused_in_the_middle_of_a_wait_is_given_an_hour(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email="partner@example.com", accepts_after=86400)
    denied = {"kind": "access_denied", "service": "guardduty", "operation": "GetMembers"}
    rollcall.meanwhile(3600, lambda: rollcall.fail(**denied))
    rollcall.meanwhile(3600 + 2400, rollcall.faults.clear)
    only = {"services": ["guardduty"], "regions": ["eu-west-1"]}

    execution = rollcall.run(
        {"accounts": [{"id": ACCOUNT, "email": "partner@example.com"}], **only}
    )

    assert execution.states[-1] == "Complete"
    assert outcomes(rollcall.memberships(ACCOUNT).values()) == {Outcome.ENABLED}


def test_a_reading_that_stays_refused_fails_and_says_since_when(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email="partner@example.com")
    denied = {"kind": "access_denied", "service": "guardduty", "operation": "GetMembers"}
    rollcall.meanwhile(3600, lambda: rollcall.fail(**denied))
    only = {"services": ["guardduty"], "regions": ["eu-west-1"]}

    rollcall.run({"accounts": [{"id": ACCOUNT, "email": "partner@example.com"}], **only})

    (told,) = rollcall.memberships(ACCOUNT).values()
    assert told.outcome is Outcome.FAILED
    assert told.reason is not None
    assert told.reason.code is ReasonCode.ACCESS_DENIED
    assert ", for 1 h)" in told.reason.text


def test_an_account_whose_volume_is_known_late_is_enabled_soon_after(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, volume="unknown")
    known = {"do": "set_account", "account_id": ACCOUNT, "volume": "known"}
    rollcall.meanwhile(20 * 60, lambda: rollcall.world.apply(known))
    rollcall.world.apply({"do": "set_timings", "detective_recheck": None})

    rollcall.run(
        {"accounts": [{"id": ACCOUNT}], "services": ["detective"], "regions": ["eu-west-1"]}
    )

    (told,) = rollcall.memberships(ACCOUNT).values()
    assert told.outcome is Outcome.ENABLED
    assert (told.settled_at or 0) - told.taken_at < 35 * 60


@pytest.mark.parametrize("service", ["securityhub", "guardduty", "detective"])
def test_what_heals_after_ten_minutes_is_enabled_within_twelve(
    rollcall: Rollcall, service: str
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, volume="known")
    not_ready = {
        "do": "unprocess",
        "service": service,
        "operation": "CreateMembers",
        "account_id": ACCOUNT,
        "text": "Internal error",
        "region": "eu-west-1",
    }
    rollcall.world.apply(not_ready | {"times": 1000})
    rollcall.meanwhile(10 * 60, lambda: rollcall.world.apply({"do": "process"}))

    execution = rollcall.run(
        {"accounts": [{"id": ACCOUNT}], "services": [service], "regions": ["eu-west-1"]}
    )

    (told,) = rollcall.memberships(ACCOUNT).values()
    assert execution.states[-1] == "Complete"
    assert 10 * 60 < (told.settled_at or 0) - told.taken_at <= 12 * 60

"""A membership belongs to one run at a time, for exactly as long as that run works on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.errors import ServiceRefused, Throttled
from functions.enrolment.membership import ENABLED, Outcome
from functions.enrolment.ownership import LEASE_SECONDS
from functions.enrolment.scope import Scope
from functions.enrolment.target import Target
from functions.services import registry
from functions.services.guardduty import GuardDuty
from tests.support.builders import ACCOUNT, MANAGEMENT, OTHER, a_membership, an_onboarding
from tests.support.events import create_account_result, from_management

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from functions.enrolment.membership import Answer, Membership
    from tests.support.rollcall import Rollcall

DAY = 86400
FIVE = tuple(AccountId(f"{200_000_000_000 + number}") for number in range(5))
GD_HERE = Target(registry.GUARDDUTY, "eu-west-1")


def outcomes(memberships: Iterable[Membership]) -> set[Outcome | None]:
    return {membership.outcome for membership in memberships}


def invited(*accounts: AccountId, **more: object) -> dict[str, Any]:
    """The input that invites accounts outside the organisation."""
    return {"accounts": [{"id": a, "email": f"{a}@example.com"} for a in accounts], **more}


def sent(rollcall: Rollcall) -> set[int]:
    return {one["sent"] for one in rollcall.world.snapshot()["invitations"]}


def test_an_account_moved_into_the_scope_while_a_run_leaves_it_out_is_enrolled(
    rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollcall.found_organization()
    unit = rollcall.world.apply({"do": "add_unit", "management": MANAGEMENT, "name": "Workloads"})
    rollcall.add_account(ACCOUNT)
    (organization,) = rollcall.world.snapshot()["organizations"]
    root = rollcall.organizations("ListRoots")["Roots"][0]["Id"]
    scope = Scope(include_paths=(f"{organization['id']}/{root}/{unit['unit']}/",))
    rollcall.reconfigure(monkeypatch, replace(rollcall.configuration, scope=scope))
    # The first run has only planned: its record is open when the account moves.
    first = rollcall.step("plan_onboarding", planning(create_account_result(ACCOUNT), "first"))
    places = {"SourceParentId": root, "DestinationParentId": unit["unit"]}
    rollcall.organizations("MoveAccount", AccountId=ACCOUNT, **places)

    execution = rollcall.run(from_management("move_account"))

    assert first["verdict"] == "settled"
    assert execution.states[-1] == "Complete"
    assert outcomes(rollcall.memberships(ACCOUNT).values()) == {Outcome.ENABLED}


def planning(document: object, name: str) -> dict[str, Any]:
    """What Plan Onboarding is given."""
    return {
        "input": document,
        "onboarding_id": name,
        "started_at": "2026-11-21T00:00:00Z",
        "execution_arn": "",
    }


def test_what_a_person_enrolled_first_leaves_the_rest_to_the_event(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    one = {"services": ["guardduty"], "regions": ["eu-west-1"]}
    rollcall.run({"accounts": [{"id": ACCOUNT}], **one})
    rollcall.published()
    rollcall.pass_seconds(3600)

    execution = rollcall.run(create_account_result(ACCOUNT), "onboarding-2")

    assert execution.states[-1] == "Complete"
    counts = rollcall.published()["bus"][0]["counts"]
    assert (counts["enabled"], counts["skipped"]) == (5, 1)
    left = rollcall.memberships(ACCOUNT, name="onboarding-2")[ACCOUNT, GD_HERE]
    assert str(left.reason).startswith("onboarding onboarding-1 found it Enabled at ")


def test_an_invited_account_that_joins_the_organisation_is_taken_over_in_that_mode(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email=f"{ACCOUNT}@example.com")
    ended = []

    def join() -> None:
        rollcall.add_account(ACCOUNT, email=f"{ACCOUNT}@example.com", joined="INVITED")
        event = from_management("account_joined_organization_invited.INFERRED")
        details = event["detail"]["serviceEventDetails"]
        details["accountId"] = ACCOUNT
        ended.append(rollcall.run(event, "joined"))

    rollcall.meanwhile(2 * DAY, join)
    first = rollcall.run(invited(ACCOUNT))

    assert [execution.states[-1] for execution in ended] == ["Complete"]
    taken = rollcall.memberships(ACCOUNT, name="joined").values()
    assert outcomes(taken) == {Outcome.ENABLED}
    assert {membership.mode for membership in taken} == {Mode.ORGANIZATION}
    assert sent(rollcall) == {1}
    left = rollcall.memberships(ACCOUNT).values()
    assert {m.reason for m in left if m.outcome is Outcome.SKIPPED}
    assert not outcomes(left) & {Outcome.FAILED, Outcome.TIMED_OUT}
    assert first.status == "SUCCEEDED"


def test_an_account_that_left_and_came_back_within_the_window_is_enrolled_again(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    rollcall.run(create_account_result(ACCOUNT))
    rollcall.pass_seconds(3600)
    rollcall.world.apply({"do": "remove_account", "account_id": ACCOUNT})
    rollcall.pass_seconds(600)
    rollcall.add_account(ACCOUNT, joined="INVITED")

    execution = rollcall.run(create_account_result(ACCOUNT), "onboarding-2")

    assert execution.states[-1] == "Complete"
    assert outcomes(rollcall.memberships(ACCOUNT, name="onboarding-2").values()) <= ENABLED


@pytest.mark.configured(regions=("eu-west-1", "ap-east-1"))
def test_a_region_opted_in_to_while_a_run_waits_is_enrolled_at_once(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, volume="unknown")
    ended = []

    def opt_in() -> None:
        facts = {"regions": ["ap-east-1"], "volume": "known"}
        rollcall.world.apply({"do": "set_account", "account_id": ACCOUNT, **facts})
        ended.append(rollcall.run(from_management("account_region_opt_in_status_change"), "opt-in"))

    rollcall.meanwhile(3600, opt_in)
    rollcall.run(create_account_result(ACCOUNT))

    assert [execution.states[-1] for execution in ended] == ["Complete"]
    enrolled = rollcall.memberships(ACCOUNT, name="opt-in")
    assert {target.region for _, target in enrolled} == {"ap-east-1"}
    assert outcomes(enrolled.values()) == {Outcome.ENABLED}
    record = rollcall.ledger.onboarding("onboarding-1")
    assert record is not None
    assert record.closed_at is not None


def test_one_silent_account_keeps_no_other_from_a_new_run(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    silent, *others = FIVE
    for account in FIVE:
        answers = None if account == silent else 60
        rollcall.add_outside(account, email=f"{account}@example.com", accepts_after=answers)
    ended = []
    again = invited(*others, services=["guardduty"])
    rollcall.meanwhile(DAY, lambda: ended.append(rollcall.run(again, "again")))

    first = rollcall.run(invited(*FIVE, services=["guardduty"]))

    assert [execution.states[-1] for execution in ended] == ["Complete"]
    repeated = rollcall.memberships(*others, name="again").values()
    assert outcomes(repeated) == {Outcome.ALREADY_ENABLED}
    told = rollcall.memberships(*FIVE)
    assert outcomes(m for (account, _), m in told.items() if account != silent) == {Outcome.ENABLED}
    assert outcomes(m for (account, _), m in told.items() if account == silent) == {
        Outcome.TIMED_OUT
    }
    assert first.error == "OnboardingIncomplete"


def test_a_run_that_died_after_it_took_memberships_blocks_nobody(
    rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    with monkeypatch.context() as patched:
        patched.setattr("functions.steps.plan_onboarding.enrolment_document", broken)
        died = rollcall.run(create_account_result(ACCOUNT))
    published = rollcall.published()["bus"]

    execution = rollcall.run(create_account_result(ACCOUNT), "onboarding-2")

    assert (died.status, died.error) == ("FAILED", "ZeroDivisionError")
    assert published[0]["failure"] == "ZeroDivisionError: a bug"
    assert published[0]["counts"]["failed"] == 6
    assert execution.states[-1] == "Complete"
    assert outcomes(rollcall.memberships(ACCOUNT, name="onboarding-2").values()) == {
        Outcome.ENABLED
    }


def test_a_dead_run_that_nobody_closed_is_recognised_by_its_execution(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    refused = rollcall.start("no input", "dead")
    rollcall.ended(refused)
    a_busy_run(rollcall, "busy", execution_arn=refused)

    execution = rollcall.run(create_account_result(ACCOUNT))

    assert execution.states[-1] == "Complete"
    assert outcomes(rollcall.memberships(ACCOUNT).values()) == {Outcome.ENABLED}


def a_busy_run(rollcall: Rollcall, name: str, **changes: Any) -> None:
    """A run that is at work on every membership of the account."""
    now = rollcall.clock.now()
    record = an_onboarding(id=name, started_at=now, lease_until=now + 900)
    rollcall.ledger.open(replace(record, **changes))
    rollcall.ledger.record(
        [
            a_membership(target=Target(service, region), at=now, onboarding_id=name)
            for service in registry.SERVICES
            for region in rollcall.configuration.regions
        ],
        now,
    )


def test_a_run_that_lost_its_lease_neither_acts_nor_tells_of_it_as_its_own(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    rollcall.fail(kind="server_error", service="guardduty", operation="GetMembers")
    ended = []

    def take_over() -> None:
        rollcall.faults.clear()
        rollcall.clock.advance(LEASE_SECONDS)
        ended.append(rollcall.run(create_account_result(ACCOUNT), "second"))

    rollcall.meanwhile(60, take_over)
    only = {"services": ["guardduty"], "regions": ["eu-west-1"]}
    first = rollcall.run({"accounts": [{"id": ACCOUNT}], **only})

    assert [execution.states[-1] for execution in ended] == ["Complete"]
    known = rollcall.ledger.read([(ACCOUNT, GD_HERE)])[ACCOUNT, GD_HERE]
    assert (known.onboarding_id, known.outcome) == ("second", Outcome.ENABLED)
    told = rollcall.memberships(ACCOUNT)[ACCOUNT, GD_HERE]
    assert told.outcome is Outcome.SKIPPED
    assert str(told.reason).startswith("onboarding second found it Enabled")
    assert first.status == "SUCCEEDED"
    assert rollcall.operations("guardduty").count("CreateMembers") == 2


def test_a_person_who_finds_everything_at_work_elsewhere_is_told_which_run_to_watch(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    a_busy_run(rollcall, "busy")

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}]})

    assert execution.error == "OnboardingIncomplete"
    assert str(execution.cause).endswith("watch onboarding busy")
    result = rollcall.published()["bus"][0]
    assert (result["complete"], result["watch"]) == (False, ["busy"])


def test_an_event_whose_memberships_are_all_at_work_elsewhere_is_a_duplicate(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT)
    a_busy_run(rollcall, "busy")

    execution = rollcall.run(create_account_result(ACCOUNT))

    assert execution.states[-1] == "Duplicate"
    assert rollcall.published() == {"topic": [], "bus": []}


def test_an_account_that_cannot_be_used_yet_is_no_success_for_the_person_who_asked(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, state="PENDING_ACTIVATION")
    rollcall.add_account(OTHER)

    execution = rollcall.run({"accounts": [{"id": ACCOUNT}, {"id": OTHER}]})

    assert execution.error == "OnboardingIncomplete"
    told = rollcall.memberships(ACCOUNT, OTHER)
    assert outcomes(m for (a, _), m in told.items() if a == OTHER) == {Outcome.ENABLED}
    pending = [m for (a, _), m in told.items() if a == ACCOUNT]
    assert outcomes(pending) == {Outcome.FAILED}
    assert "PENDING_ACTIVATION" in str(pending[0].reason)


def test_two_runs_over_overlapping_accounts_act_once_and_both_tell_the_truth(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    for account in FIVE:
        rollcall.add_account(account)
    first = rollcall.start({"accounts": [{"id": account} for account in FIVE[:3]]}, "first")
    second = rollcall.start({"accounts": [{"id": account} for account in FIVE[2:]]}, "second")

    ended = [rollcall.ended(arn) for arn in (first, second)]

    assert {execution.states[-1] for execution in ended} == {"Complete"}
    mine = rollcall.memberships(*FIVE, name="first")
    theirs = rollcall.memberships(*FIVE, name="second")
    for key in mine.keys() & theirs.keys():
        both = [one[key].outcome for one in (mine, theirs)]
        assert sorted(map(str, both))[1] == "skipped"
        assert Outcome.ENABLED in both or Outcome.ALREADY_ENABLED in both
    for one in rollcall.world.snapshot()["memberships"]:
        if one["account_id"] in FIVE:
            assert one["status"] in ("Enabled", "ENABLED")


def test_a_refused_batch_and_a_throttled_call_invite_everybody_once(
    rollcall: Rollcall, monkeypatch: pytest.MonkeyPatch
) -> None:
    invite = GuardDuty.invite
    throttled: list[AccountId] = []

    def refusing(
        self: GuardDuty, resource: str, accounts: Sequence[AccountId]
    ) -> Mapping[AccountId, Answer]:
        if len(accounts) > 1:
            raise ServiceRefused("GuardDuty InviteMembers: BadRequestException: no")
        if accounts[0] == FIVE[3] and len(throttled) < 2:
            throttled.append(accounts[0])
            raise Throttled("GuardDuty InviteMembers: TooManyRequestsException")
        return invite(self, resource, accounts)

    monkeypatch.setattr(GuardDuty, "invite", refusing)
    rollcall.found_organization()
    for account in FIVE:
        rollcall.add_outside(account, email=f"{account}@example.com", accepts_after=600)

    only = {"services": ["guardduty"], "regions": ["eu-west-1"]}
    execution = rollcall.run(invited(*FIVE, **only))

    assert execution.states[-1] == "Complete"
    assert len(throttled) == 2
    assert sent(rollcall) == {1}
    told = rollcall.memberships(*FIVE).values()
    assert outcomes(told) == {Outcome.ENABLED}

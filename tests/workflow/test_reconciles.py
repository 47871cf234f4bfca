"""Reconciles: the gaps of a whole organisation are found, closed by runs, and reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.membership import Outcome
from tests.support.builders import ACCOUNT, MANAGEMENT
from tests.workflow.hands import HERE, at, disassociate, email, of_run, reconcile

if TYPE_CHECKING:
    from tests.support.rollcall import Rollcall

MEMBER_SERVICES = ("securityhub", "guardduty", "detective")
MANY = tuple(AccountId(f"{200_000_000_000 + number}") for number in range(109))


def found(rollcall: Rollcall, *accounts: AccountId) -> None:
    rollcall.found_organization()
    for account in accounts:
        rollcall.add_account(account, email=email(account))


def result(rollcall: Rollcall) -> dict[str, Any]:
    """What the reconcile has published."""
    (published,) = [one for one in rollcall.published()["bus"] if "surveyed_at" in one]
    document: dict[str, Any] = published
    return document


def called(rollcall: Rollcall) -> list[str]:
    return [name for each in MEMBER_SERVICES for name in rollcall.operations(each)]


def test_an_organisation_that_was_there_before_is_enrolled_within_the_bound_of_calls(
    rollcall: Rollcall,
) -> None:
    found(rollcall, *MANY)
    for service in MEMBER_SERVICES:
        place = {"account_id": MANAGEMENT, "regions": list(rollcall.configuration.regions)}
        rollcall.world.apply({"do": "enable", "service": service, **place})
    rollcall.calls.clear()

    ended = reconcile(rollcall, {"most_changes": 110}, "first")

    told = result(rollcall)
    # The management account is one of the 110; the administrator is left out.
    assert (ended["complete"], told["outcome"]) == (True, "complete")
    assert {target["before"]["gaps"] for target in told["targets"]} == {110}
    assert {target["after"]["enabled"] for target in told["targets"]} == {110}
    assert sorted(run["accounts"] for run in told["runs"]) == [10, 50, 50]
    # Each target: pages of members, and for each of 3 batches one call that creates and one that
    # verifies.
    pages = {"securityhub": 1, "guardduty": 1, "detective": 1}
    bound = 2 * sum(pages.values()) + 6 * 3 * 2
    others = ("DescribeOrganizationConfiguration", "ListDetectors", "ListGraphs")
    calls = called(rollcall)
    assert len([name for name in calls if name not in others]) <= 1.25 * bound
    assert len(calls) <= 1.25 * bound + 10


def test_a_reconcile_right_after_another_only_lists(rollcall: Rollcall) -> None:
    found(rollcall, *MANY[:3])
    rollcall.fail(kind="server_error", service="guardduty", operation="CreateMembers")
    reconcile(rollcall, {}, "first")
    rollcall.published()
    rollcall.calls.clear()

    ended = reconcile(rollcall, {}, "second")

    told = result(rollcall)
    assert ended["complete"]
    assert (told["outcome"], told["runs"]) == ("nothing to do", [])
    assert {name for name in called(rollcall) if not name.startswith(("List", "Describe"))} == set()


def test_a_management_account_that_has_not_enabled_the_services_is_no_gap(
    rollcall: Rollcall,
) -> None:
    """Nor at Detective, which needs GuardDuty. It is enrolled once it has enabled them."""
    found(rollcall, ACCOUNT)

    def reconciled(name: str) -> tuple[str, list[int], set[tuple[int, int, int]], bool]:
        rollcall.calls.clear()
        assert reconcile(rollcall, {}, name)["complete"]
        told = result(rollcall)
        rollcall.published()
        counts = [target["after"] for target in told["targets"]]
        return (
            told["outcome"],
            [run["accounts"] for run in told["runs"]],
            {(each["enabled"], each["left_out"], each["gaps"]) for each in counts},
            "CreateMembers" in rollcall.operations("detective"),
        )

    # The administrator account is left out, too.
    assert reconciled("first") == ("complete", [2], {(1, 2, 0)}, True)
    assert reconciled("at once") == ("nothing to do", [], {(1, 2, 0)}, False)
    rollcall.pass_seconds(7 * 3600)
    assert reconciled("later") == ("complete", [1], {(1, 2, 0)}, False)
    for service in MEMBER_SERVICES:
        place = {"account_id": MANAGEMENT, "regions": list(rollcall.configuration.regions)}
        rollcall.world.apply({"do": "enable", "service": service, **place})
    rollcall.pass_seconds(7 * 3600)
    assert reconciled("enabled") == ("complete", [1], {(2, 1, 0)}, True)


def test_what_an_aborted_run_left_is_closed_by_the_next_reconcile(rollcall: Rollcall) -> None:
    found(rollcall, *MANY[:2])
    given = of_run({"accounts": [{"id": account} for account in MANY[:2]]}, "stopped")
    rollcall.step("plan_onboarding", given)
    rollcall.step("close_run", given | {"failure": {"Error": "stopped", "Cause": "by hand"}})
    rollcall.pass_seconds(60)

    reconcile(rollcall, {}, "next")

    ends = [row.outcome for row in rollcall.memberships(*MANY[:2], name="next-0").values()]
    assert ends == [Outcome.ENABLED] * 12


def test_a_member_that_was_removed_is_reported_as_drift_and_enrolled_again(
    rollcall: Rollcall,
) -> None:
    found(rollcall, ACCOUNT)
    assert reconcile(rollcall, at("securityhub"), "first")["complete"]
    enabled_at = rollcall.clock.now()
    rollcall.published()
    rollcall.pass_seconds(3600)
    disassociate(rollcall, "securityhub", ACCOUNT)

    ended = reconcile(rollcall, at("securityhub"), "second")

    told = result(rollcall)
    (drift,) = told["drift"]
    assert ended["complete"]
    assert (drift["account_id"], drift["region"], drift["outcome"]) == (ACCOUNT, HERE, "enabled")
    assert drift["enabled_at"] < drift["found_at"]
    assert rollcall.clock.now() - enabled_at >= 3600


def test_more_changes_than_allowed_wait_for_a_person(rollcall: Rollcall) -> None:
    found(rollcall, *MANY[:3])
    rollcall.calls.clear()

    ended = reconcile(rollcall, {"most_changes": 2}, "first")

    assert ended["error"] == "ConfirmationRequired"
    assert result(rollcall)["changes"] == {"needed": 4, "most_changes": 2}
    assert "CreateMembers" not in called(rollcall)


def test_of_two_reconciles_at_once_one_does_nothing(rollcall: Rollcall) -> None:
    found(rollcall, ACCOUNT)
    first = of_run({}, "first", rollcall.execution_arn("first"))
    assert rollcall.step("survey_organization", first)["next"] == "start"
    rollcall.calls.clear()

    ended = reconcile(rollcall, {}, "second")

    assert ended["complete"]
    assert called(rollcall) == []
    assert rollcall.published()["bus"] == []


@pytest.mark.parametrize("document", [{"accounts": []}, {"most_changes": "all"}, 7], ids=repr)
def test_an_invalid_input_is_refused(rollcall: Rollcall, document: object) -> None:
    found(rollcall, ACCOUNT)
    rollcall.calls.clear()
    given = of_run(document, "refused", rollcall.execution_arn("refused"))

    with pytest.raises(Exception, match=r"takes|is not known"):
        rollcall.step("survey_organization", given)

    assert called(rollcall) == []

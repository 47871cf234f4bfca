"""``rollcall plan``: it says what the runs then do, and reads only."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.membership import Action, Outcome
from infra.cli import plan
from infra.cli.planning import Prospect
from tests.support.builders import ACCOUNT, ADMINISTRATOR, MANAGEMENT, OTHER
from tests.workflow.hands import HERE, at, create, disassociate, email, of_run, outside, reconcile

if TYPE_CHECKING:
    from pathlib import Path

    from functions.enrolment.membership import Membership
    from tests.support.rollcall import Rollcall
    from tests.workflow.cli.conftest import Commands

SERVICES = ("securityhub", "guardduty", "detective")
READS = ("Get", "List", "Describe", "BatchGet", "Query", "Scan")
FRESH, SUSPENDED, HALF, REMOVED, OUTSIDE = (AccountId(f"20000000000{n}") for n in range(5))


def world(rollcall: Rollcall, seed: int) -> list[dict[str, Any]]:
    """A small world; the input of accounts."""
    random = Random(seed)  # noqa: S311  # no secret
    rollcall.found_organization()
    named = random.sample((FRESH, SUSPENDED, HALF, REMOVED, OUTSIDE, ADMINISTRATOR), 4)
    for account in (FRESH, HALF, REMOVED):
        rollcall.add_account(account, email=email(account))
    rollcall.add_account(SUSPENDED, email=email(SUSPENDED), state="SUSPENDED")
    rollcall.add_outside(OUTSIDE, email=email(OUTSIDE), accepts_after=3)
    for service in random.sample(SERVICES, 2):
        create(rollcall, service, HALF)
    for service in random.sample(SERVICES[:2], 1):
        create(rollcall, service, REMOVED)
        disassociate(rollcall, service, REMOVED)
    if random.random() < 0.5:
        rollcall.run(outside(OUTSIDE, services=["securityhub"]), "earlier")
    rollcall.pass_seconds(30)
    return [
        {"id": account, "email": email(account), "mode": "invitation"}
        if account == OUTSIDE
        else {"id": account}
        for account in named
    ]


def first_action(membership: Membership) -> str | None:
    """What a run did first about a membership."""
    tried = [action for action in Action if membership.tries(action)]
    return str(tried[0]) if tried else None


@pytest.mark.parametrize("seed", range(6))
def test_a_plan_says_what_the_run_then_does(
    rollcall: Rollcall, commands: Commands, tmp_path: Path, seed: int
) -> None:
    accounts = world(rollcall, seed)
    file = tmp_path / "accounts.json"
    file.write_text(json.dumps(accounts))

    planned = commands.plan("--file", str(file))

    rollcall.run({"accounts": accounts})
    did = {
        (account, target.service.name, target.region): membership
        for (account, target), membership in rollcall.memberships(
            *(AccountId(one["id"]) for one in accounts)
        ).items()
    }
    assert len(planned["memberships"]) == len(did)
    for one in planned["memberships"]:
        membership = did[one["account_id"], one["service"], one["region"]]
        said = (one["prospect"], one["action"])
        match one["prospect"]:
            case Prospect.CHANGE if one["action"] == Action.RESTART:
                # Detective may need none once the run has enrolled the account in GuardDuty.
                assert first_action(membership) in (None, Action.RESTART), (one, membership)
            case Prospect.CHANGE:
                assert first_action(membership) == one["action"], (one, membership)
            case Prospect.ENABLED:
                assert membership.outcome is Outcome.ALREADY_ENABLED, (one, membership)
            case Prospect.LEFT_OUT:
                assert membership.outcome is Outcome.SKIPPED, (one, membership)
                assert membership.reason is not None
                assert one["reason_code"] == membership.reason.code
            case _:
                raise AssertionError(f"{said} is not expected in this world")
        invited = membership.tries(Action.INVITE) > 0
        outsider = one["mode"] == "invitation" and one["service"] != "detective"
        assert invited == (outsider and one["action"] == "create"), (one, membership)
    in_runs = {account for run in planned["runs"] for account in run["accounts"]}
    assert in_runs >= {key[0] for key, m in did.items() if first_action(m)}


def test_the_estimate_of_calls_is_near_what_a_run_makes(
    rollcall: Rollcall, commands: Commands
) -> None:
    rollcall.found_organization()
    for account in (FRESH, HALF):
        rollcall.add_account(account, email=email(account))
    planned = commands.plan(FRESH, HALF)
    rollcall.calls.clear()

    rollcall.run({"accounts": [{"id": FRESH}, {"id": HALF}]})

    made = sum(len(rollcall.operations(service)) for service in SERVICES)
    assert 0.75 * made <= planned["estimate"]["calls"] <= 1.25 * made


def test_a_plan_only_reads_and_its_actions_are_listed(
    rollcall: Rollcall, commands: Commands
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, email=email(ACCOUNT))
    commands.plan(ACCOUNT)
    commands.plan("--gaps")

    called = commands.called("plan")

    assert called <= set(plan.ACTIONS)
    assert {action for action in called if not action.split(":")[1].startswith(READS)} == set()
    assert list(rollcall.ledger.recent(1)) == []


def test_the_gaps_are_those_that_a_reconcile_would_close(
    rollcall: Rollcall, commands: Commands
) -> None:
    rollcall.found_organization()
    for account in (ACCOUNT, OTHER):
        rollcall.add_account(account, email=email(account))
    create(rollcall, "securityhub", OTHER)
    # The management account is a gap, too.
    planned = commands.plan("--gaps", "--service", "securityhub", "--region", HERE)

    ended = reconcile(rollcall, at("securityhub") | {"most_changes": 2}, "first")

    (result,) = [one for one in rollcall.published()["bus"] if "surveyed_at" in one]
    assert planned["accounts_to_create_or_invite"] == result["changes"]["needed"] == 2
    assert [run["accounts"] for run in planned["runs"]] == [
        [ACCOUNT, "999988887777"],
    ]
    assert ended["complete"]


def test_what_a_run_has_skipped_is_tried_at_once_by_hand_and_later_by_a_reconcile(
    rollcall: Rollcall, commands: Commands
) -> None:
    """The management account has enabled nothing."""
    rollcall.found_organization()
    assert reconcile(rollcall, {}, "first")["complete"]

    by_hand = commands.plan(MANAGEMENT)
    at_once = commands.plan("--gaps")
    rollcall.pass_seconds(7 * 3600)
    later = commands.plan("--gaps")

    assert {(one["prospect"], one["action"]) for one in by_hand["memberships"]} == {
        ("change", "create")
    }
    assert (at_once["runs"], at_once["memberships"]) == ([], [])
    assert [run["accounts"] for run in later["runs"]] == [[MANAGEMENT]]
    assert later["memberships"] == by_hand["memberships"]


def test_what_another_run_is_working_on_is_left_to_it(
    rollcall: Rollcall, commands: Commands, tmp_path: Path
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email=email(ACCOUNT))
    document = outside(ACCOUNT, **at("securityhub"))
    rollcall.step("plan_onboarding", of_run(document, "held"))
    file = tmp_path / "accounts.csv"
    file.write_text(f"id,email,mode\n{ACCOUNT},{email(ACCOUNT)},invitation\n")

    selected = ("--file", str(file), "--service", "securityhub", "--region", HERE)
    planned = commands.run("plan", *selected, "--json")

    (membership,) = planned.document("plan")["memberships"]
    assert (membership["prospect"], membership["run"]) == ("in progress", "held")
    assert planned.status == 0


@pytest.mark.parametrize(
    ("enrolled", "arguments", "status"),
    [
        pytest.param(False, (ACCOUNT,), 2, id="there is something to do"),
        pytest.param(True, (ACCOUNT,), 0, id="there is nothing to do"),
        pytest.param(False, (), 1, id="no selection"),
        pytest.param(False, ("1",), 1, id="no account"),
        pytest.param(False, (OTHER,), 1, id="outside, without an e-mail address"),
        pytest.param(False, (ACCOUNT, "--gaps"), 1, id="two selections"),
        pytest.param(False, (ACCOUNT, "--service", "macie2"), 1, id="no service"),
        pytest.param(False, ("--ou", "ou-ab12-cdefgh34"), 1, id="a unit without accounts"),
        pytest.param(False, (ACCOUNT, "--nonsense"), 1, id="no option"),
    ],
)
def test_the_exit_status_says_whether_there_is_something_to_do(
    rollcall: Rollcall,
    commands: Commands,
    enrolled: bool,
    arguments: tuple[str, ...],
    status: int,
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, email=email(ACCOUNT))
    if enrolled:
        rollcall.run({"accounts": [{"id": ACCOUNT}]})

    printed = commands.run("plan", *arguments)

    assert printed.status == status
    assert len(printed.errors.splitlines()) == (1 if status == 1 else 0)
    assert (printed.output == "") is (status == 1)


def test_a_target_that_cannot_be_read_is_said_and_makes_the_status_1(
    rollcall: Rollcall, commands: Commands
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, email=email(ACCOUNT))
    rollcall.fail(kind="access_denied", service="guardduty", operation="GetMembers", region=HERE)

    printed = commands.run("plan", ACCOUNT)

    assert printed.status == 1
    assert f"GuardDuty          {HERE}  not read: " in printed.output
    assert "1 target not read" in printed.output


def test_a_unit_means_the_accounts_whose_path_has_it(
    rollcall: Rollcall, commands: Commands
) -> None:
    rollcall.found_organization()
    rollcall.add_account(ACCOUNT, email=email(ACCOUNT))
    root = rollcall.organizations("ListRoots")["Roots"][0]["Id"]
    unit = rollcall.organizations("CreateOrganizationalUnit", ParentId=root, Name="Some")
    unit_id = unit["OrganizationalUnit"]["Id"]
    rollcall.organizations(
        "MoveAccount", AccountId=ACCOUNT, SourceParentId=root, DestinationParentId=unit_id
    )

    planned = commands.plan("--ou", unit_id)

    assert {one["account_id"] for one in planned["memberships"]} == {ACCOUNT}
    assert commands.plan("--ou", root)["accounts"] == 3

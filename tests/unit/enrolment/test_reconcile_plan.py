"""A persisted plan of a reconcile: what a result can be made of, and what is refused by name."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from functions.enrolment.coverage import Cell, Coverage, Listing, State
from functions.enrolment.errors import Unreadable
from functions.enrolment.membership import Action, Observation, Status
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.reconcile import (
    Disposition,
    Drift,
    Gap,
    ReconcilePlan,
    Share,
    Unrecorded,
    Verdict,
    Waiting,
)
from functions.enrolment.reconcile_plan import (
    StoredGap,
    check_plan,
    plan_document,
    stored_gaps,
)
from functions.enrolment.reconcile_record import ReconcileRecord
from functions.enrolment.reconcile_result import (
    Reconciled,
    reconcile_document,
    reconcile_line,
    reconcile_text,
)
from functions.enrolment.results import MOST_BYTES
from functions.enrolment.target import Target
from functions.services import registry
from tests.support.builders import (
    ACCOUNT,
    NOW,
    OTHER,
    TARGET,
    a_membership,
    a_reconcile_plan,
)
from tests.support.json_parts import Path, changed, paths

HERE = {"service": "guardduty", "region": "eu-west-1"}
AT = "2027-01-15T08:00:00.000Z"
PLAN = a_reconcile_plan()
(GROUP,) = PLAN["gaps"]


def published(plan: dict[str, Any]) -> str:
    """All that is published of a reconcile with this plan."""
    check_plan(plan)
    record = ReconcileRecord("one", "schedule", NOW, "arn:one", surveyed_at=NOW, runs=(0,))
    gaps = tuple(stored_gaps(plan, registry.SERVICES))
    result = Reconciled(record, NOW + 100, plan, gaps)
    documents = [reconcile_document(result, most_bytes) for most_bytes in (None, MOST_BYTES)]
    return "\n".join((reconcile_line(result), reconcile_text(result), json.dumps(documents)))


def test_a_result_is_made_of_a_plan_as_this_version_persists_it() -> None:
    assert "nobody has accepted" in published(PLAN)


@pytest.mark.parametrize("path", paths(PLAN), ids=lambda path: ".".join(map(str, path)))
def test_a_plan_in_any_other_form_is_refused_or_a_result_can_be_made_of_it(path: Path) -> None:
    for value in ((), (None,), (True,), (7,), ("later",), ([],), ([7],), ({},), ({"a": 7},)):
        with suppress(Unreadable):
            published(changed(PLAN, path, *value))


A_TEXT, A_NUMBER, REQUIRED = "takes a text", "takes a whole number", "is required"


@pytest.mark.parametrize(
    ("path", "named", "value", "takes"),
    [
        (("verdict",), "verdict", "later", "takes one of start, nothing, confirm, report"),
        (("changes",), "changes", [], "takes an object"),
        (("changes", "needed"), "changes.needed", "1", A_NUMBER),
        (("changes", "most_changes"), "changes.most_changes", None, A_NUMBER),
        (("targets",), "targets", {}, "takes a list"),
        (("targets", 0, "service"), "targets[0].service", None, A_TEXT),
        (("targets", 0, "region"), "targets[0].region", 7, A_TEXT),
        (("targets", 0, "problem"), "targets[0].problem", 7, A_TEXT),
        (("targets", 0, "before"), "targets[0].before", [], "takes an object"),
        *(
            (("targets", 0, "before", word), f"targets[0].before.{word}", "3", A_NUMBER)
            for word in ("enabled", "left_out", "gaps", "unread")
        ),
        *(
            ((name, 0, field), f"{name}[0].{field}", None, A_TEXT)
            for name, fields in (
                ("waiting", ("service", "region", "account_id", "since", "reason")),
                ("drift", ("service", "region", "account_id", "status", "enabled_at")),
                ("only_in_table", ("service", "region")),
                ("only_in_services", ("service", "region")),
                ("outside", ("service", "region")),
            )
            for field in fields
        ),
    ],
)
def test_a_plan_of_which_no_result_can_be_made_is_refused_by_the_fields_name(
    path: Path, named: str, value: object, takes: str
) -> None:
    for plan, expected in ((changed(PLAN, path, value), takes), (changed(PLAN, path), REQUIRED)):
        with pytest.raises(Unreadable) as refused:
            check_plan(plan)

        assert str(refused.value) == f"{named}: {expected}"


@pytest.mark.parametrize(
    ("path", "named", "takes"),
    [
        *(
            ((name, 0, field), f"{name}[0].{field}", takes)
            for name in ("gaps", "again")
            for field, takes in (
                *((text, A_TEXT) for text in ("service", "region", "status", "action", "reason")),
                ("disposition", "takes one of run, in progress, hopeless, lately tried, nothing"),
                ("run", A_TEXT),
                ("accounts", "takes a list"),
            )
        ),
        (("gaps", 0), "gaps[0]", "takes an object"),
        (("gaps", 0, "accounts", 0), "gaps[0].accounts[0]", A_TEXT),
        (("batches", 0), "batches[0]", "takes an object"),
        (("batches", 0, "accounts", 0), "batches[0].accounts[0]", A_TEXT),
        (("batches", 0, "targets", 0), "batches[0].targets[0]", "takes an object"),
        (("batches", 0, "targets", 0, "region"), "batches[0].targets[0].region", A_TEXT),
        (("left_out", OTHER), f"left_out.{OTHER}", "takes an object"),
        (("left_out", OTHER, "said"), f"left_out.{OTHER}.said", A_TEXT),
    ],
)
def test_gaps_that_cannot_be_read_are_refused_by_the_fields_path(
    path: Path, named: str, takes: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        list(stored_gaps(changed(PLAN, path, 7), registry.SERVICES))

    assert str(refused.value) == f"{named}: {takes}"


@pytest.mark.parametrize(
    "name", ["waiting", "drift", "only_in_table", "only_in_services", "outside"]
)
def test_a_list_that_the_result_repeats_may_be_missing_but_is_nothing_else(name: str) -> None:
    check_plan(changed(PLAN, (name,)))

    for value, field, takes in (
        (None, name, "takes a list"),
        ([7], f"{name}[0]", "takes an object"),
    ):
        with pytest.raises(Unreadable) as refused:
            check_plan(changed(PLAN, (name,), value))

        assert str(refused.value) == f"{field}: {takes}"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "account-not-active",
            "Organizations reports the account as SUSPENDED; to do: start again if it becomes"
            " ACTIVE",
        ),
        # A later version may give any reason.
        (
            "removed",
            "the administrator disassociated the account, and Rollcall could not add it again;"
            " to do: remove the member (securityhub DisassociateMembers in eu-west-1 of the"
            " administrator account), and start again",
        ),
    ],
)
def test_an_account_that_was_left_out_later_says_why_nothing_is_done(code: str, text: str) -> None:
    here = {"service": "securityhub", "region": "eu-west-1"}
    plan = PLAN | {
        "gaps": [GROUP | here],
        "again": [],
        "batches": [{"accounts": [ACCOUNT], "targets": [here], "begin_after": 0}],
        "left_out": {ACCOUNT: {"reason_code": code, "said": "SUSPENDED"}},
    }

    (gap,) = stored_gaps(plan, registry.SERVICES)

    assert gap == StoredGap(
        ACCOUNT,
        Target(registry.SECURITYHUB, "eu-west-1"),
        "Created",
        "stop",
        Disposition.NOTHING,
        Reason(ReasonCode(code), text),
        None,
        None,
    )


def test_a_plan_is_persisted_with_all_that_was_found_and_what_is_done_about_it() -> None:
    why = Reason(ReasonCode.REFUSED, "no")
    invited = a_membership(Status.INVITED)
    missed = a_membership(account_id=OTHER)
    cell = Cell(ACCOUNT, TARGET, State.GAP, "Created", Action.CREATE)
    unread = Target(registry.GUARDDUTY, "us-east-1")
    plan = ReconcilePlan(
        Verdict.START,
        Coverage({TARGET: {State.ENABLED: 3, State.LEFT_OUT: 1, State.GAP: 1}}, {}),
        changes=1,
        gaps=(Gap(cell, Disposition.RUN), Gap(replace(cell, account_id=OTHER), Disposition.RUN)),
        again=(Gap(replace(cell, action=None), Disposition.NOTHING, why, "onboarding-1"),),
        shares=(Share((ACCOUNT,), (TARGET,), 5),),
        drift=(Drift(cell, NOW - 1),),
        waiting=(Waiting(invited, NOW, why),),
        only_in_table=(missed, replace(missed, settled_at=NOW)),
        only_in_services=(Unrecorded(TARGET, 2, (OTHER,)),),
        outside=((TARGET, Observation(OTHER, Status.ENABLED, "Enabled")),),
    )
    listings = (Listing(TARGET), Listing(unread, problem=why))

    group = {**HERE, "status": "Created", "run": None, "accounts": [ACCOUNT]}
    none = {"enabled": 0, "left_out": 0, "gaps": 0, "unread": 0}
    there = {"service": "guardduty", "region": "us-east-1"}
    told = {"reason": "no", "reason_code": "refused", "run": "onboarding-1"}
    recorded = {**HERE, "account_id": OTHER, "run": "onboarding-1"}
    assert plan_document(plan, listings, accounts=3, surveyed_at=NOW, most_changes=100) == {
        "surveyed_at": NOW,
        "accounts": 3,
        "verdict": "start",
        "changes": {"needed": 1, "most_changes": 100},
        "targets": [
            PLAN["targets"][0],
            {**there, "problem": "no", "problem_code": "refused", "before": none},
        ],
        "gaps": [
            group
            | {"action": "create", "disposition": "run", "reason": None, "reason_code": None}
            | {"accounts": [ACCOUNT, OTHER]}
        ],
        "again": [group | told | {"action": "stop", "disposition": "nothing"}],
        "batches": [{"accounts": [ACCOUNT], "targets": [HERE], "begin_after": 5}],
        "waiting": [{**HERE, "account_id": ACCOUNT, "status": "Invited", "since": AT, **told}],
        "drift": [
            {
                **HERE,
                "account_id": ACCOUNT,
                "enabled_at": "2027-01-15T07:59:59.000Z",
                "found_at": AT,
                "status": "Created",
            }
        ],
        "only_in_table": [recorded | {"enabled_at": None}, recorded | {"enabled_at": AT}],
        "only_in_services": [{**HERE, "count": 2, "accounts": [OTHER]}],
        "outside": [{**HERE, "account_id": OTHER, "status": "Enabled"}],
    }


def test_a_gap_is_read_with_what_is_done_about_it() -> None:
    again = {**GROUP, "accounts": [OTHER], "reason": None, "reason_code": None, "run": "one-9"}
    plan = PLAN | {"again": [again], "left_out": {}}

    assert list(stored_gaps(plan, registry.SERVICES)) == [
        StoredGap(
            ACCOUNT,
            TARGET,
            "Created",
            "create",
            Disposition.RUN,
            Reason(ReasonCode.REFUSED, "no"),
            None,
            0,
        ),
        StoredGap(
            OTHER,
            TARGET,
            "Created",
            "create",
            Disposition.RUN,
            None,
            "one-9",
            None,
            State.LEFT_OUT,
        ),
    ]

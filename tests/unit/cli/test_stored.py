"""Whatever is stored, it is read, or the error names the row or document and the field."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.enrolment.account import Account, Mode
from functions.enrolment.documents import plan_from_text, plan_to_text
from functions.enrolment.errors import Unreadable
from functions.enrolment.known_gaps import known_from_json
from functions.enrolment.membership import Action, Outcome, Status
from functions.enrolment.plan import Plan
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.reconcile_plan import check_plan, stored_gaps
from functions.enrolment.reconcile_record import reconcile_from_item
from functions.enrolment.records import (
    membership_from_item,
    membership_to_item,
    onboarding_from_item,
    onboarding_to_item,
)
from functions.services import registry
from infra.cli.begun import begun_reconcile, begun_run
from infra.cli.history import totals_of_day
from infra.cli.stored_result import check_result
from tests.support.builders import (
    ACCOUNT,
    NOW,
    RUN,
    a_membership,
    a_reconcile_plan,
    a_reconcile_result,
    an_onboarding,
    tried,
)
from tests.support.json_parts import changed, paths
from tests.support.schemas import RECONCILE_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable

AT = {"service": "guardduty", "region": "eu-west-1"}
MEMBERSHIP = {"pk": f"account#{ACCOUNT}", "sk": "membership#guardduty#eu-west-1"} | json.loads(
    json.dumps(
        membership_to_item(
            tried(a_membership(Status.CREATED, revision=3), Action.CREATE).settled(
                Outcome.FAILED, Reason(ReasonCode.OTHER, "no"), NOW
            ),
            NOW,
        )
    )
)
ONBOARDING = onboarding_to_item(
    an_onboarding(
        outcome="complete", counts={"enabled": 3}, closed_at=NOW, published={"event": "e"}
    )
)
RECONCILE = {
    "reconcile_id": "nightly",
    "source": "schedule",
    "started_at": NOW,
    "execution_arn": "arn:nightly",
    "surveyed_at": NOW,
    "runs": [0, 1],
    "gaps": 2,
    "outcome": "complete",
    "published_event": "e",
}
KNOWN = {
    "version": "1",
    "targets": [AT | {"at": NOW, "enabled": 3, "gaps": [{"since": NOW, "accounts": [ACCOUNT]}]}],
}
STORED_PLAN = a_reconcile_plan(
    left_out={ACCOUNT: {"reason_code": "account-not-active", "said": "closed"}}
)
SETTLED = a_membership().settled(Outcome.SKIPPED, Reason(ReasonCode.OTHER, "no"), NOW)
PLAN = json.loads(
    plan_to_text(
        Plan(
            (Account(ACCOUNT, None, Mode.ORGANIZATION),),
            (SETTLED.target,),
            (SETTLED,),
            ("a note",),
        )
    )
)


def read_membership(item: dict[str, Any]) -> None:
    membership_to_item(membership_from_item(item, registry.SERVICES), NOW)


def read_stored_plan(document: dict[str, Any]) -> None:
    check_plan(document)
    list(stored_gaps(document, registry.SERVICES))


def read_result(document: dict[str, Any]) -> None:
    check_result(document, "the result")
    if document["surveyed_at"] is not None:
        totals_of_day([document], [SETTLED.target])


READERS: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], object]]] = {
    "membership": (MEMBERSHIP, read_membership),
    "run": (ONBOARDING, lambda item: begun_run(onboarding_from_item(item), NOW).to_json(NOW)),
    "reconcile": (
        RECONCILE,
        lambda item: begun_reconcile(reconcile_from_item(item)).to_json(NOW),
    ),
    "plan": (
        PLAN,
        lambda document: plan_from_text(json.dumps(document), registry.SERVICES, RUN, NOW),
    ),
    "plan of a reconcile": (STORED_PLAN, read_stored_plan),
    "known gaps": (KNOWN, known_from_json),
    "result": (a_reconcile_result(), read_result),
}

foreign = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["a@b.example", "later"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@st.composite
def broken(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """The document with parts of it removed, or of another form."""
    for _ in range(draw(st.integers(1, 3))):
        places = paths(document)
        if not places:
            break
        path = draw(st.sampled_from(places))
        removed = draw(st.booleans())
        document = changed(document, path) if removed else changed(document, path, draw(foreign))
    return document


@pytest.mark.parametrize("name", READERS)
def test_what_is_as_this_version_stores_it_is_read(name: str) -> None:
    document, read = READERS[name]

    read(copy.deepcopy(document))


def test_the_result_is_one_of_this_version() -> None:
    RECONCILE_SCHEMA.validate(a_reconcile_result())


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_what_is_stored_in_another_form_is_read_or_refused_by_name(
    name: str, data: st.DataObject
) -> None:
    document, read = READERS[name]
    refusal = Unreadable("field", "takes a text")

    try:
        read(data.draw(broken(document)))
    except Unreadable as error:
        refusal = error

    assert str(refusal).isprintable()
    assert "@" not in str(refusal)
    assert refusal.takes


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        (
            "membership",
            {"mode": "adoption"},
            f"row account#{ACCOUNT} membership#guardduty#eu-west-1: mode: takes one of"
            " organization, invitation",
        ),
        (
            "membership",
            {"transitions": [{"status": "Created", "at": "now"}]},
            f"row account#{ACCOUNT} membership#guardduty#eu-west-1: transitions[0].at: takes a"
            " time in epoch seconds",
        ),
        ("membership", {"taken_at": Decimal("NaN"), "pk": "a@b.example"}, "row (e-mail)"),
        ("run", {"accounts": "all"}, "row: accounts: takes a list"),
        ("result", {"version": "2"}, "the result: version: takes 1, this version's"),
        ("result", {"targets": [{}]}, "the result: targets[0].service: is required"),
    ],
)
def test_the_message_says_what_is_stored_where_and_what_is_taken(
    name: str, changes: dict[str, Any], expected: str
) -> None:
    document, read = READERS[name]

    with pytest.raises(Unreadable) as caught:
        read(document | changes)

    assert str(caught.value).startswith(expected)

"""Documents outlive the code that wrote them. The samples are what the version before wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.enrolment.account import Account, AccountId, Mode
from functions.enrolment.documents import (
    REPORT,
    Loop,
    Run,
    enrolment_document,
    loop_from_json,
    loop_to_json,
    plan_from_document,
    plan_from_text,
    plan_to_text,
    run_from_json,
)
from functions.enrolment.errors import InvalidInput, Unreadable
from functions.enrolment.explain import explain
from functions.enrolment.membership import Action, Membership, Outcome
from functions.enrolment.plan import Plan
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.target import Target
from functions.services import registry
from tests.support.builders import (
    ACCOUNT,
    ADMINISTRATOR,
    EMAIL,
    NOW,
    OTHER,
    RUN,
    a_loop,
    a_membership,
)

SAMPLES = Path(__file__).parent / "samples"
GRAPH = "arn:aws:detective:eu-west-1:111122223333:graph:0123456789abcdef0123456789abcdef"
INSIDE = Account(ACCOUNT, "root@example.com", Mode.ORGANIZATION)
OUTSIDE = Account(OTHER, "owner@example.com", Mode.INVITATION)
DETECTIVE = Target(registry.DETECTIVE, "eu-west-1")
GUARDDUTY = Target(registry.GUARDDUTY, "eu-west-1")
BEFORE = Loop(RUN, DETECTIVE, (INSIDE, OUTSIDE))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
account_ids = st.from_regex(r"[0-9]{12}", fullmatch=True).map(AccountId)
accounts = st.builds(
    Account,
    account_ids,
    st.none() | st.emails(),
    st.sampled_from(Mode),
    st.booleans(),
    st.none() | st.floats(0, 4e9),
)
targets = st.builds(
    Target, st.sampled_from(registry.SERVICES), st.sampled_from(["eu-west-1", "x-1"])
)
loops = st.builds(
    Loop,
    onboarding_id=st.text(),
    target=targets,
    accounts=st.lists(accounts, max_size=3).map(tuple),
    dry_run=st.booleans(),
    waits_for=st.none() | st.sampled_from(registry.SERVICES),
    resource=st.none() | st.text(),
    next=st.sampled_from([*Action, REPORT]),
    acting=st.lists(account_ids, max_size=3).map(tuple),
    wait_seconds=st.integers(0, 3600),
    others_wait=st.integers(0, 3600),
    reports=st.booleans(),
    reported_at=st.floats(0, 4e9),
    refused_since=st.none() | st.floats(0, 4e9),
    rest=st.dictionaries(st.text().map(lambda name: f"later {name}"), json_values, max_size=3),
)


def sample(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text())
    return document


@given(loops)
def test_a_loop_survives_the_state_machine(loop: Loop) -> None:
    assert loop_from_json(json.loads(json.dumps(loop_to_json(loop))), registry.SERVICES) == loop


def test_a_loop_begins_with_the_maps_item_without_the_accounts_left_out() -> None:
    item = {
        "onboarding_id": RUN,
        "dry_run": True,
        "accounts": [{"id": a, "email": EMAIL, "mode": "organization"} for a in (ACCOUNT, OTHER)],
        "target": {
            "service": "guardduty",
            "region": "eu-west-1",
            "left_out": [OTHER],
            "waits_for": None,
            "resource": "detector",
        },
        "reports": True,
    }

    assert loop_from_json(item, registry.SERVICES) == a_loop(
        ACCOUNT, dry_run=True, reports=True, resource="detector"
    )


@pytest.mark.parametrize(
    ("region", "opted_in"),
    [("eu-west-1", {ACCOUNT, OTHER}), ("me-south-1", {OTHER}), ("us-gov-west-1", {ACCOUNT, OTHER})],
)
def test_an_account_has_a_region_that_needs_opting_in_where_that_was_found_out(
    region: str, opted_in: set[str]
) -> None:
    accounts = (INSIDE, replace(OUTSIDE, regions_known=True))

    loop = Loop(RUN, Target(registry.GUARDDUTY, region), accounts)

    assert loop.opted_in == opted_in


# A loop of the version before has no state that reports, and its transitions and attempts are in
# the table.
@pytest.mark.parametrize(
    ("name", "loop"),
    [
        ("map_item", replace(BEFORE, waits_for=registry.GUARDDUTY)),
        ("loop_holding", replace(BEFORE, waits_for=registry.GUARDDUTY, wait_seconds=15)),
        (
            "loop_acting",
            replace(
                BEFORE,
                resource=GRAPH,
                next=Action.CREATE,
                acting=(ACCOUNT, OTHER),
                wait_seconds=15,
            ),
        ),
        ("loop_waiting", replace(BEFORE, resource=GRAPH, wait_seconds=30)),
    ],
)
def test_what_the_version_before_wrote_is_understood(name: str, loop: Loop) -> None:
    assert loop_from_json(sample(name), registry.SERVICES) == loop


FULL = Loop(
    RUN,
    DETECTIVE,
    (INSIDE, OUTSIDE),
    dry_run=True,
    waits_for=registry.GUARDDUTY,
    resource=GRAPH,
    next=REPORT,
    acting=(OTHER,),
    wait_seconds=30,
    others_wait=600,
    reports=True,
    reported_at=NOW - 60,
    refused_since=NOW,
)
DOCUMENTS = {
    **{name: sample(name) for name in ("map_item", "loop_holding", "loop_acting", "loop_waiting")},
    "of this version": loop_to_json(FULL),
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=list(DOCUMENTS))
def test_an_unknown_field_is_handed_on_and_changes_nothing(document: dict[str, Any]) -> None:
    later = {"later": {"a": [1, None]}}

    loop = loop_from_json(document | later, registry.SERVICES)

    assert loop == replace(loop_from_json(document, registry.SERVICES), rest=later)
    assert loop_to_json(loop) == loop_to_json(loop_from_json(document, registry.SERVICES)) | later


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=list(DOCUMENTS))
def test_what_the_version_before_left_behind_and_a_caught_error_are_not_handed_on(
    document: dict[str, Any],
) -> None:
    caught = {"failure": {"Error": "Throttled", "Cause": "{}"}}

    handed_on = loop_to_json(loop_from_json(document | caught, registry.SERVICES))

    assert handed_on.keys() == loop_to_json(FULL).keys()


@pytest.mark.parametrize(
    ("name", "missing", "changes"),
    [
        ("map_item", "accounts", {"accounts": ()}),
        ("map_item", "dry_run", {}),
        ("loop_holding", "waits_for", {"waits_for": None}),
        ("loop_holding", "holding_since", {}),
        ("loop_holding", "quiet_turns", {}),
        ("loop_acting", "memberships", {"accounts": (), "acting": ()}),
        ("loop_acting", "accounts", {"acting": ()}),
        ("loop_acting", "resource", {"resource": None}),
        ("loop_acting", "next", {"next": Action.WAIT}),
        ("loop_acting", "wait_seconds", {"wait_seconds": 0}),
        ("loop_acting", "dry_run", {}),
        ("of this version", "accounts", {"accounts": ()}),
        ("of this version", "dry_run", {"dry_run": False}),
        ("of this version", "resource", {"resource": None}),
        ("of this version", "next", {"next": Action.WAIT}),
        ("of this version", "acting", {"acting": ()}),
        ("of this version", "wait_seconds", {"wait_seconds": 0}),
        ("of this version", "others_wait", {"others_wait": 0}),
        ("of this version", "refused_since", {"refused_since": None}),
        ("of this version", "reports", {"reports": False}),
        ("of this version", "reported_at", {"reported_at": 0.0}),
    ],
)
def test_a_field_that_is_missing_gets_its_default(
    name: str, missing: str, changes: dict[str, Any]
) -> None:
    document = dict(DOCUMENTS[name])
    del document[missing]

    assert loop_from_json(document, registry.SERVICES) == replace(
        loop_from_json(DOCUMENTS[name], registry.SERVICES), **changes
    )


def test_a_target_without_the_optional_fields_waits_for_nothing_and_leaves_nobody_out() -> None:
    target = {"service": "detective", "region": "eu-west-1"}

    loop = loop_from_json(sample("map_item") | {"target": target}, registry.SERVICES)

    assert loop.waits_for is None
    assert [account.id for account in loop.accounts] == [ACCOUNT, OTHER, "666677778888"]


NO_LOOP = "target: is required, with onboarding_id: this is no target's loop"


@given(
    st.dictionaries(st.text() | st.sampled_from(list(loop_to_json(FULL))), json_values),
    st.sampled_from(["onboarding_id", "target", "both"]),
)
def test_what_is_no_targets_loop_is_refused_as_invalid_input(
    document: dict[str, Any], missing: str
) -> None:
    document |= {"onboarding_id": RUN, "target": loop_to_json(FULL)["target"]}
    for field in ("onboarding_id", "target"):
        if missing in (field, "both"):
            del document[field]

    with pytest.raises(InvalidInput) as refused:
        loop_from_json(document, registry.SERVICES)

    assert str(refused.value) == NO_LOOP


@pytest.mark.parametrize(
    ("target", "refusal"),
    [
        (None, NO_LOOP),
        ("detective#eu-west-1", NO_LOOP),
        (["detective", "eu-west-1"], NO_LOOP),
        ({}, NO_LOOP),
        ({"service": "detective"}, NO_LOOP),
        ({"region": "eu-west-1"}, "target: there is no service None"),
        ({"service": "later", "region": "eu-west-1"}, "target: there is no service later"),
        (
            {"service": ["detective"], "region": "eu-west-1"},
            "target: there is no service ['detective']",
        ),
        (
            {"service": "detective", "region": "eu-west-1", "waits_for": "later"},
            "target: there is no service later",
        ),
    ],
)
def test_a_target_that_says_not_which_is_refused_as_invalid_input(
    target: object, refusal: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        loop_from_json(loop_to_json(FULL) | {"target": target}, registry.SERVICES)

    assert str(refused.value) == refusal


def size(value: object) -> int:
    return len(json.dumps(value).encode())


def fifty_accounts() -> tuple[Account, ...]:
    """With the longest addresses that Organizations takes (botocore ``organizations.Email``)."""
    return tuple(
        Account(AccountId(f"{200_000_000_000 + n}"), f"{n:052d}@example.com", Mode.INVITATION)
        for n in range(50)
    )


def test_the_document_of_fifty_accounts_stays_small_and_of_one_size_whatever_happens() -> None:
    everybody = fifty_accounts()
    document = loop_to_json(Loop(RUN, DETECTIVE, everybody, resource=GRAPH, reports=True))
    waiting, largest = [], 0
    for turn in range(1000):
        loop = loop_from_json(json.loads(json.dumps(document)), registry.SERVICES)
        acting = tuple(account.id for account in everybody[turn % 51 :])
        largest = max(largest, size(loop_to_json(replace(loop, next="restart", acting=acting))))
        document = loop_to_json(replace(loop, next="wait", wait_seconds=15 + turn * 3, acting=()))
        waiting.append(size(document))

    assert max(waiting) - min(waiting) <= 2
    assert largest < 16 * 1024


# What a plan ends, with what is said of it.
ENDINGS = [
    (Outcome.SKIPPED, ReasonCode.REGION_NOT_ENABLED, ""),
    (Outcome.SKIPPED, ReasonCode.OUT_OF_SCOPE, "the configuration excludes the account"),
    (Outcome.FAILED, ReasonCode.NOT_DELEGATED, ADMINISTRATOR),
]


def ended(membership: Membership, ending: tuple[Outcome, ReasonCode, str]) -> Membership:
    outcome, code, said = ending
    return membership.settled(outcome, explain(code, membership, said), NOW)


def test_the_largest_plan_fits_the_table_and_has_no_address_in_it() -> None:
    everybody = fifty_accounts()
    all_targets = tuple(
        Target(service, f"ap-southeast-{number}")
        for number in range(40)
        for service in registry.SERVICES
    )
    settled = tuple(
        ended(a_membership(account_id=account.id, target=target), ENDINGS[number % 3])
        for number, account in enumerate(everybody)
        for target in all_targets
    )

    text = plan_to_text(Plan(everybody, all_targets, settled))

    assert len(settled) == 6000
    assert len(text.encode()) < 200 * 1024
    assert "@" not in text


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any plan; what is settled is as the table gives it back."""
    enrolled = tuple(draw(st.lists(accounts, min_size=1, max_size=4, unique_by=lambda a: a.id)))
    at = tuple(draw(st.lists(targets, min_size=1, max_size=4, unique=True)))
    covered = Plan(enrolled, at).covered
    left_out = draw(st.lists(st.sampled_from(covered), unique_by=lambda m: m.key))
    settled = tuple(
        ended(replace(m, onboarding_id=RUN, taken_at=NOW), draw(st.sampled_from(ENDINGS)))
        for m in left_out
    )
    return Plan(enrolled, at, settled, tuple(draw(st.lists(st.text(), max_size=2))))


@given(plans())
def test_a_plan_survives_the_table_but_for_what_only_the_loops_need(plan: Plan) -> None:
    back = plan_from_text(plan_to_text(plan), registry.SERVICES, RUN, NOW)

    assert back.accounts == tuple(Account(a.id, None, a.mode) for a in plan.accounts)
    assert (back.targets, back.notes) == (plan.targets, plan.notes)
    assert sorted(back.settled, key=lambda m: m.key) == sorted(plan.settled, key=lambda m: m.key)
    assert back.covered == plan.covered


@pytest.mark.parametrize(
    "reason", [{"reason": "why not"}, {"reason": "why not", "code": "of a later version"}]
)
def test_a_plan_that_another_version_kept_is_understood(reason: dict[str, str]) -> None:
    document = {
        "accounts": [{"id": ACCOUNT, "mode": "organization"}],
        "targets": [GUARDDUTY.key],
        "settled": [{"outcome": "skipped", "memberships": [[0, 0]], **reason}],
        "notes": [],
    }

    (settled,) = plan_from_text(json.dumps(document), registry.SERVICES, RUN, NOW).settled

    assert (settled.outcome, settled.settled_at) == (Outcome.SKIPPED, NOW)
    assert settled.reason == Reason(ReasonCode.OTHER, "why not")


def test_of_a_later_versions_plan_the_services_that_are_unknown_are_left_out_with_a_note() -> None:
    later = {"outcome": "adjourned", "reason": "why", "memberships": [[0, 0], [0, 1]]}
    document = {
        "accounts": [{"id": ACCOUNT, "mode": "organization", "later": 1}],
        "targets": ["later#eu-west-1", GUARDDUTY.key, "latest#x-1"],
        "settled": [later],
        "notes": ["a note"],
    }

    plan = plan_from_text(json.dumps(document), registry.SERVICES, RUN, NOW)

    assert plan.targets == (GUARDDUTY,)
    assert [(m.target, m.outcome) for m in plan.settled] == [(GUARDDUTY, Outcome.FAILED)]
    assert plan.notes == (
        "a note",
        "left out, because this version does not know the service: later#eu-west-1, latest#x-1",
    )


def test_a_stored_plan_may_have_nothing_settled_and_no_notes() -> None:
    document = {
        "accounts": [{"id": ACCOUNT, "mode": "organization"}],
        "targets": [GUARDDUTY.key],
    }

    assert plan_from_text(json.dumps(document), registry.SERVICES, RUN, NOW) == Plan(
        (Account(ACCOUNT, None, Mode.ORGANIZATION),), (GUARDDUTY,)
    )


A_TARGET = "takes a service and a Region, such as guardduty#eu-west-1"
PAIRS = "takes pairs of numbers of accounts and targets"


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"targets": ["guardduty"]}, f"targets[0]: {A_TARGET}"),
        ({"targets": [GUARDDUTY.key, "guardduty#eu-west-1#x"]}, f"targets[1]: {A_TARGET}"),
        ({"settled": [{"memberships": [[]]}]}, f"settled[0].memberships: {PAIRS}"),
        ({"settled": [{"memberships": [[0]]}]}, f"settled[0].memberships: {PAIRS}"),
        ({"settled": [{"memberships": [[0, 0, 0]]}]}, f"settled[0].memberships: {PAIRS}"),
        ({"settled": [{"memberships": [[0, 0], [1, 0]]}]}, f"settled[0].memberships: {PAIRS}"),
        ({"settled": [{"memberships": [[-1, 0]]}]}, f"settled[0].memberships: {PAIRS}"),
    ],
)
def test_a_stored_plan_that_cannot_be_read_is_refused_by_the_fields_path(
    changes: dict[str, Any], refusal: str
) -> None:
    document = {
        "accounts": [{"id": ACCOUNT, "mode": "organization"}],
        "targets": [GUARDDUTY.key],
        **changes,
    }

    with pytest.raises(Unreadable) as refused:
        plan_from_text(json.dumps(document), registry.SERVICES, RUN, NOW)

    assert str(refused.value) == refusal


@given(plans(), st.data(), st.booleans())
def test_the_map_gets_a_loop_for_every_target_of_what_is_enrolled_and_nothing_else(
    plan: Plan, data: st.DataObject, dry_run: bool
) -> None:
    keys = [membership.key for membership in plan.covered]
    enrolled = set(data.draw(st.lists(st.sampled_from(keys)))) if keys else set()

    document = enrolment_document(RUN, plan, enrolled, dry_run=dry_run)

    shared = {name: document[name] for name in ("onboarding_id", "accounts", "dry_run")}
    loops = [
        loop_from_json(shared | {"target": target}, registry.SERVICES)
        for target in document["targets"]
    ]
    assert {(account.id, loop.target) for loop in loops for account in loop.accounts} == enrolled
    assert {account for loop in loops for account in loop.accounts} <= set(plan.accounts)
    assert all(loop.accounts and loop.dry_run is dry_run for loop in loops)
    assert document["verdict"] == ("enrol" if enrolled else "settled")


def test_a_plan_of_the_version_before_covers_what_its_document_does_not_leave_out() -> None:
    plan = plan_from_document(sample("planned"), registry.SERVICES)

    left_out = Account(AccountId("666677778888"), "", Mode.INVITATION)
    assert plan.accounts == (INSIDE, OUTSIDE, left_out)
    assert [membership.key for membership in plan.covered] == [
        (INSIDE.id, GUARDDUTY),
        (INSIDE.id, DETECTIVE),
        (OUTSIDE.id, GUARDDUTY),
        (OUTSIDE.id, DETECTIVE),
        (left_out.id, GUARDDUTY),
    ]
    assert plan.settled == (Membership(left_out.id, DETECTIVE, Mode.INVITATION),)
    assert plan.notes == ("a note",)


def test_a_plan_of_the_version_before_covers_all_at_a_target_that_leaves_nobody_out() -> None:
    document = sample("planned")
    for target in document["targets"]:
        del target["left_out"]

    assert len(plan_from_document(document, registry.SERVICES).covered) == 6


def test_only_detective_has_to_wait_and_only_for_guardduty_in_its_region() -> None:
    planned = [Target(service, region) for region in ("a", "b") for service in registry.SERVICES]
    del planned[4]
    plan = Plan((INSIDE,), tuple(planned))

    document = enrolment_document(RUN, plan, {m.key for m in plan.covered}, dry_run=False)

    waits = {f"{t['service']}#{t['region']}": t["waits_for"] for t in document["targets"]}
    assert waits == {
        "securityhub#a": None,
        "guardduty#a": None,
        "detective#a": "guardduty",
        "securityhub#b": None,
        "detective#b": None,
    }


def test_the_map_gets_the_administrators_resource_of_a_target_where_it_is_known() -> None:
    plan = Plan((INSIDE,), (GUARDDUTY, DETECTIVE))

    document = enrolment_document(
        RUN, plan, {m.key for m in plan.covered}, dry_run=False, resources={DETECTIVE: GRAPH}
    )

    here = {"region": "eu-west-1", "left_out": []}
    assert document["targets"] == [
        {"service": "guardduty", **here, "waits_for": None},
        {"service": "detective", **here, "waits_for": "guardduty", "resource": GRAPH},
    ]


def test_a_plan_keeps_what_was_settled_without_a_reason_in_few_bytes() -> None:
    settled = Membership(ACCOUNT, GUARDDUTY, Mode.ORGANIZATION).settled(
        Outcome.ALREADY_ENABLED, None, NOW
    )
    plan = Plan((INSIDE,), (GUARDDUTY,), (settled,))

    text = plan_to_text(plan)
    (back,) = plan_from_text(text, registry.SERVICES, RUN, NOW).settled

    assert text == (
        '{"accounts":[{"id":"444455556666","mode":"organization"}],'
        '"targets":["guardduty#eu-west-1"],'
        '"settled":[{"outcome":"already enabled","reason":null,"code":null,"memberships":[[0,0]]}],'
        '"notes":[]}'
    )
    assert (back.outcome, back.reason) == (Outcome.ALREADY_ENABLED, None)


def test_a_document_without_accounts_and_targets_has_an_empty_plan() -> None:
    assert plan_from_document({}, registry.SERVICES) == Plan((), ())


def test_a_run_is_what_the_state_machine_says_of_its_execution() -> None:
    document = {
        "onboarding_id": RUN,
        "started_at": "2027-01-15T08:00:00.500Z",
        "input": {"accounts": []},
        "execution_arn": "arn:one",
    }

    assert run_from_json(document) == Run(RUN, NOW + 0.5, {"accounts": []}, "arn:one")
    # An execution that an earlier version started passes none.
    del document["execution_arn"]
    assert run_from_json(document).execution_arn == ""


def test_accounts_joined_at_a_moment_or_later_are_those_known_to_have_joined() -> None:
    late, at, early, unknown = (
        Account(AccountId(str(number) * 12), EMAIL, Mode.ORGANIZATION, joined_at=joined_at)
        for number, joined_at in enumerate((NOW + 1, NOW, NOW - 1, None))
    )
    loop = Loop(RUN, GUARDDUTY, (late, at, early, unknown))

    assert loop.joined_since(NOW) == {late.id, at.id}

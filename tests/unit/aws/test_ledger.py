"""What is remembered: onboardings, memberships, what was published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.aws.ledger import Lease, Ledger
from functions.aws.rows import wire
from functions.enrolment.account import AccountId
from functions.enrolment.errors import Throttled
from functions.enrolment.membership import Action, Answer, Outcome, Status, Verdict
from functions.enrolment.records import MembershipRecord
from functions.enrolment.target import ServiceName, Target
from tests.support.builders import ACCOUNT, EMAIL, NOW, OTHER, TARGET, a_membership
from tests.unit.aws.support import LEASE, an_onboarding

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

ELSEWHERE = Target(ServiceName.SECURITYHUB, "us-east-1")


def many_accounts(count: int) -> list[AccountId]:
    return [AccountId(f"{number:012}") for number in range(count)]


def test_an_onboarding_is_found_by_id(ledger: Ledger) -> None:
    record = an_onboarding("one", source="CreateAccountResult", automatic=True)

    ledger.open(record)

    assert ledger.onboarding("one") == record
    assert ledger.onboarding("two") is None


def test_an_onboarding_that_ended_says_how(ledger: Ledger) -> None:
    ledger.open(an_onboarding("one"))

    ledger.close("one", "incomplete", {"enabled": 11, "failed": 1}, NOW + 60.5)

    assert ledger.onboarding("one") == an_onboarding(
        "one", outcome="incomplete", counts={"enabled": 11, "failed": 1}, closed_at=NOW + 60.5
    )


def test_the_newest_onboardings_come_first(ledger: Ledger) -> None:
    for number in range(5):
        ledger.open(an_onboarding(f"run-{number}", started_at=NOW + number))

    assert [record.id for record in ledger.recent(3)] == ["run-4", "run-3", "run-2"]


def test_opening_again_changes_only_the_own_record(ledger: Ledger) -> None:
    ledger.open(an_onboarding("one"))
    ledger.open(an_onboarding("two"))

    ledger.open(an_onboarding("one", lease_until=NOW + 2 * LEASE))

    assert ledger.onboarding("two") == an_onboarding("two")
    assert len(ledger.recent(10)) == 2


def test_what_was_published_is_remembered_by_channel(ledger: Ledger) -> None:
    ledger.open(an_onboarding("one"))
    assert ledger.published("one") == {}

    ledger.mark_published("one", "event", "e-1")
    ledger.mark_published("one", "message", "m-1")

    assert ledger.published("one") == {"event": "e-1", "message": "m-1"}
    assert ledger.onboarding("one") == an_onboarding("one")


def test_nothing_is_written_about_an_onboarding_without_a_record(ledger: Ledger) -> None:
    ledger.close("gone", "enabled", {}, NOW)
    ledger.mark_published("gone", "event", "e-1")

    assert ledger.extend_lease("gone", NOW + LEASE) == Lease(until=None)
    assert ledger.onboarding("gone") is None
    assert ledger.published("gone") == {}


def test_a_lease_only_grows(ledger: Ledger) -> None:
    ledger.open(an_onboarding("one"))

    assert ledger.extend_lease("one", NOW + 1) == Lease(NOW + LEASE)
    assert ledger.extend_lease("one", NOW + 2 * LEASE) == Lease(NOW + 2 * LEASE)
    assert ledger.extend_lease("one", NOW + 2 * LEASE) == Lease(NOW + 2 * LEASE)


def test_a_closed_onboarding_has_no_lease(ledger: Ledger) -> None:
    ledger.open(an_onboarding("one"))
    ledger.close("one", "enabled", {}, NOW)

    assert ledger.extend_lease("one", NOW + 2 * LEASE) == Lease(until=None)


def test_a_membership_comes_back_as_it_was(ledger: Ledger) -> None:
    membership = (
        a_membership(Status.INVITED, detail="VOLUME_UNKNOWN")
        .tried(Action.INVITE, Answer(Verdict.TAKEN), NOW + 0.25)
        .settled(Outcome.TIMED_OUT, "still Invited after 1 h", NOW + 3600.125)
    )

    ledger.record("one", TARGET, [membership], NOW + 4000)

    [record] = ledger.memberships("one", [ACCOUNT])
    assert record == MembershipRecord.of(membership, TARGET, "one", NOW + 4000)
    assert record.transitions == membership.transitions
    assert record.attempts == {Action.INVITE: 1}
    assert record.settled_at == NOW + 3600.125


def test_no_item_holds_an_email(ledger: Ledger, table: Table) -> None:
    membership = a_membership(Status.ABSENT, detail=f"for {EMAIL}").settled(
        Outcome.FAILED, f"The e-mail <{EMAIL.upper()}> does not match", NOW
    )
    ledger.open(an_onboarding("one"))
    ledger.claim(ACCOUNT, "one", NOW, NOW + LEASE)
    ledger.record("one", TARGET, [membership], NOW)
    ledger.record("one", TARGET, [membership], NOW, apart=lambda _: True)
    ledger.release([ACCOUNT], "one", NOW, {})

    items = table.scan()["Items"]

    assert len(items) == 4
    assert "@" not in json.dumps(items, default=str)


def test_memberships_of_more_than_a_batch_and_a_page(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, table: Table
) -> None:
    query = table.query
    pages: list[Any] = []

    def in_small_pages(**request: Any) -> Any:
        pages.append(request)
        return query(**request, Limit=7)

    monkeypatch.setattr(table, "query", in_small_pages)
    targets = [Target(ServiceName.DETECTIVE, f"eu-west-{number}") for number in range(30)]
    accounts = many_accounts(50)
    for target in targets[:2]:
        ledger.record("one", target, [a_membership(account_id=each) for each in accounts], NOW)
    for target in targets:
        ledger.record("one", target, [a_membership()], NOW)

    assert len(ledger.memberships("one", accounts)) == 100
    assert {record.target for record in ledger.memberships("one", [ACCOUNT])} == set(targets)
    assert len(pages) > 50


def test_only_this_onboardings_memberships_are_returned(ledger: Ledger) -> None:
    ledger.record("one", TARGET, [a_membership()], NOW)
    ledger.record("one", ELSEWHERE, [a_membership()], NOW)
    ledger.record("two", TARGET, [a_membership()], NOW + 1)

    assert [record.target for record in ledger.memberships("one", [ACCOUNT])] == [ELSEWHERE]
    assert [record.target for record in ledger.memberships("two", [ACCOUNT])] == [TARGET]


def test_what_is_kept_apart_leaves_what_is_known_alone(ledger: Ledger, table: Table) -> None:
    ledger.record("one", TARGET, [a_membership(Status.ENABLED)], NOW)

    ledger.record("dry", TARGET, [a_membership(Status.ABSENT)], NOW + 1, apart=lambda _: True)

    [known] = ledger.memberships("one", [ACCOUNT])
    [dry] = ledger.memberships("dry", [ACCOUNT])
    assert (known.status, dry.status) == (Status.ENABLED, Status.ABSENT)
    expiries = [item.get("expires_at") for item in table.scan()["Items"]]
    assert sorted(expiries, key=str) == [int(NOW) + 1 + 30 * 86400, None]


def test_memberships_at_a_target_come_in_the_order_asked_for(ledger: Ledger) -> None:
    ledger.record("one", TARGET, [a_membership(account_id=ACCOUNT)], NOW)
    ledger.record("two", TARGET, [a_membership(account_id=OTHER)], NOW)
    ledger.record("two", ELSEWHERE, [a_membership(account_id=OTHER)], NOW)

    found = ledger.memberships_at(TARGET, [OTHER, AccountId("000000000000"), ACCOUNT, OTHER])

    assert [(record.account_id, record.onboarding_id) for record in found] == [
        (OTHER, "two"),
        (ACCOUNT, "one"),
    ]
    assert {record.target for record in found} == {TARGET}


def test_more_accounts_than_one_read_takes_are_read(ledger: Ledger) -> None:
    accounts = many_accounts(130)
    ledger.record("one", TARGET, [a_membership(account_id=each) for each in accounts], NOW)

    assert [each.account_id for each in ledger.memberships_at(TARGET, accounts)] == accounts


def test_what_dynamodb_leaves_over_is_tried_again(
    ledger: Ledger, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = _leave_over(table, monkeypatch, times=2)
    memberships = [a_membership(account_id=each) for each in many_accounts(3)]

    ledger.record("one", TARGET, memberships, NOW)
    found = ledger.memberships_at(TARGET, many_accounts(3))

    assert len(found) == 3
    assert requests == [
        *("BatchWriteItem", "BatchWriteItem", "BatchWriteItem"),
        *("BatchGetItem", "BatchGetItem", "BatchGetItem"),
    ]


def test_what_dynamodb_keeps_leaving_over_is_throttling(
    ledger: Ledger, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    _leave_over(table, monkeypatch, times=100)

    with pytest.raises(Throttled, match="unwritten"):
        ledger.record("one", TARGET, [a_membership()], NOW)
    with pytest.raises(Throttled, match="unread"):
        ledger.memberships_at(TARGET, [ACCOUNT])


def _leave_over(table: Table, monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    """Leave the first element of each of the first ``times`` batches over; the requests made."""
    client: Any = table.meta.client
    requests: list[str] = []

    def batch_write_item(RequestItems: Any) -> Any:
        requests.append("BatchWriteItem")
        [first, *rest] = RequestItems[table.name]
        if requests.count("BatchWriteItem") > times:
            first, rest = None, [first, *rest]
        if rest:
            write(RequestItems={table.name: rest})
        return {"UnprocessedItems": {table.name: [first]} if first else {}}

    def batch_get_item(RequestItems: Any) -> Any:
        requests.append("BatchGetItem")
        request = RequestItems[table.name]
        [first, *rest] = request["Keys"]
        if requests.count("BatchGetItem") > times:
            first, rest = None, [first, *rest]
        answer = read(RequestItems={table.name: {**request, "Keys": rest}}) if rest else {}
        left = {table.name: {**request, "Keys": [first]}} if first else {}
        return {"Responses": answer.get("Responses", {}), "UnprocessedKeys": left}

    write, read = client.batch_write_item, client.batch_get_item
    monkeypatch.setattr(client, "batch_write_item", batch_write_item)
    monkeypatch.setattr(client, "batch_get_item", batch_get_item)
    return requests


@given(at=st.floats(min_value=0, max_value=4e9))
def test_times_survive_the_way_to_dynamodb_and_back(at: float) -> None:
    assert float(wire(at)) == at
    assert wire({"nested": [at, 1, "text", None]})["nested"] == [wire(at), 1, "text", None]

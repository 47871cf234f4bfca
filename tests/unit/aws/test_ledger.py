"""What is remembered: runs, what they cover and found, what was published."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.aws.ledger import Findings, Known, Ledger
from functions.aws.rows import to_dynamodb
from functions.enrolment.account import Account, AccountId, Mode
from functions.enrolment.errors import Throttled
from functions.enrolment.membership import Action, Answer, Outcome, Status, Verdict
from functions.enrolment.plan import Plan
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.target import Target
from functions.services import registry
from tests.support.builders import ACCOUNT, EMAIL, NOW, OTHER, TARGET, a_membership
from tests.unit.aws.support import LEASE, an_onboarding, watch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_dynamodb import DynamoDBClient

    from functions.aws.rows import Rows
    from functions.enrolment.membership import Membership

DAY = 86400
ELSEWHERE = Target(registry.SECURITYHUB, "us-east-1")
ONE = an_onboarding("one")
CREATED = a_membership(Status.ABSENT, onboarding_id="one").begun(Action.CREATE, NOW + 0.25)
ENDED = a_membership(onboarding_id="one").settled(
    Outcome.SKIPPED, Reason(ReasonCode.OUT_OF_SCOPE, "not enrolled there"), NOW
)
PLAN = Plan(
    (Account(ACCOUNT, EMAIL, Mode.ORGANIZATION), Account(OTHER, None, Mode.ORGANIZATION)),
    (TARGET, ELSEWHERE),
    (replace(ENDED, target=ELSEWHERE),),
    ("a note",),
)


def many_accounts(count: int) -> list[AccountId]:
    return [AccountId(f"{number:012}") for number in range(count)]


def memberships_of(accounts: Iterable[AccountId], run: str = "one") -> list[Membership]:
    return [a_membership(account_id=account, onboarding_id=run) for account in accounts]


def written(*memberships: Membership) -> dict[Any, Membership]:
    """The memberships as they are after a first write of each."""
    return {m.key: replace(m, revision=m.revision + 1) for m in memberships}


def test_a_run_is_found_by_its_id(ledger: Ledger) -> None:
    record = replace(ONE, source="CreateAccountResult", automatic=True, execution_arn="arn:one")

    assert ledger.open(record) == record
    assert ledger.onboarding("one") == record
    assert ledger.onboarding("two") is None
    assert ledger.onboardings(["two", "one", "one"]) == {"one": record}


def test_a_run_begun_again_is_as_it_stands(ledger: Ledger) -> None:
    ledger.open(ONE)
    ledger.extend_lease("one", NOW + 2 * LEASE)
    ledger.open(an_onboarding("two"))

    again = ledger.open(replace(ONE, lease_until=NOW + 3 * LEASE))

    assert again == ledger.onboarding("one") == replace(ONE, lease_until=NOW + 2 * LEASE)


def test_a_later_run_of_the_same_name_replaces_the_older(ledger: Ledger) -> None:
    later = replace(ONE, started_at=NOW + 90 * 86400, lease_until=NOW + 91 * 86400)
    ledger.open(ONE)
    ledger.mark_published("one", "event", "e-1")
    ledger.close("one", "complete", {}, NOW + 60)

    assert ledger.open(later) == later
    assert ledger.onboarding("one") == later


def test_the_newest_runs_come_first(ledger: Ledger) -> None:
    for number in range(5):
        ledger.open(an_onboarding(f"run-{number}", started_at=NOW + number))

    assert [record.id for record in ledger.recent(3)] == ["run-4", "run-3", "run-2"]
    assert [record.id for record in ledger.recent(since=NOW + 3.5)] == ["run-4"]
    assert len(list(ledger.recent())) == 5


@pytest.mark.parametrize("lease_until", [None, NOW + 900])
def test_a_closed_run_says_how_it_ended_and_until_when_it_owns(
    ledger: Ledger, lease_until: float | None
) -> None:
    ledger.open(ONE)
    counts = {"enabled": 11, "failed": 1}

    ledger.close("one", "incomplete", counts, NOW + 60.5, lease_until=lease_until)

    closed = replace(ONE, outcome="incomplete", counts=counts, closed_at=NOW + 60.5)
    assert ledger.onboarding("one") == replace(closed, lease_until=lease_until or NOW + 60.5)


def test_what_remains_of_a_closed_run_is_stored(ledger: Ledger) -> None:
    ledger.open(ONE)
    remaining = []

    ledger.close("one", "incomplete", {}, NOW, unfinished=["event", "memberships"])
    for what in (["event"], []):
        remaining.append(next(ledger.recent()).unfinished)
        ledger.set_unfinished("one", what)

    assert [*remaining, ledger.onboardings(["one"])["one"].unfinished] == [
        ("event", "memberships"),
        ("event",),
        (),
    ]


def test_of_several_ends_the_first_one_stands(ledger: Ledger) -> None:
    ledger.open(ONE)

    assert [ledger.end("one", NOW + 2.5), ledger.end("one", NOW + 9)] == [NOW + 2.5, NOW + 2.5]
    assert ledger.onboarding("one") == replace(ONE, ended_at=NOW + 2.5)


def test_of_what_is_published_on_a_channel_the_first_is_remembered(ledger: Ledger) -> None:
    ledger.open(ONE)

    first = [ledger.mark_published("one", *what) for what in (("event", "e-1"), ("message", "m-1"))]
    again = ledger.mark_published("one", "event", "e-2")

    assert (first, again) == ([True, True], False)
    assert ledger.onboarding("one") == replace(ONE, published={"event": "e-1", "message": "m-1"})


def test_a_lease_only_grows(ledger: Ledger) -> None:
    ledger.open(ONE)
    leases = []

    for until in (NOW + 1, NOW + 2 * LEASE, NOW + LEASE, NOW + 2 * LEASE):
        assert ledger.extend_lease("one", until)
        leases.append(ledger.onboardings(["one"])["one"].lease_until)

    assert leases == [NOW + LEASE, *3 * [NOW + 2 * LEASE]]


def test_the_lease_of_a_closed_run_is_not_extended(ledger: Ledger) -> None:
    ledger.open(ONE)
    ledger.close("one", "enabled", {}, NOW)

    assert not ledger.extend_lease("one", NOW + 2 * LEASE)
    assert ledger.onboardings(["one"])["one"].lease_until == NOW


def test_nothing_is_written_about_a_run_without_a_record(ledger: Ledger, rows: Rows) -> None:
    ledger.close("gone", "enabled", {}, NOW)

    assert not ledger.mark_published("gone", "event", "e-1")
    assert not ledger.extend_lease("gone", NOW + LEASE)
    assert ledger.end("gone", NOW) == NOW
    assert ledger.findings("gone") is None
    assert list(rows.scan(0, 1, "")) == []


def test_a_membership_is_read_as_it_was_written(ledger: Ledger) -> None:
    settled = CREATED.answered(
        Action.CREATE, Answer(Verdict.RETRY, "later", ReasonCode.REFUSED), NOW
    ).settled(Outcome.TIMED_OUT, Reason(ReasonCode.NOT_CREATED, "Absent for 1 h"), NOW + 3600.125)

    assert ledger.write([CREATED, a_membership(account_id=OTHER)], NOW) == frozenset()
    assert ledger.record([replace(settled, revision=1)], NOW) == (
        written(replace(settled, revision=1)),
        {},
    )

    assert ledger.read([CREATED.key, (OTHER, ELSEWHERE)]) == written(replace(settled, revision=1))


def test_all_is_written_or_nothing(ledger: Ledger) -> None:
    ledger.write([CREATED], NOW)

    refused = ledger.write([a_membership(account_id=OTHER), CREATED], NOW, apart=[ENDED])

    assert refused == {CREATED.key}
    assert ledger.read([CREATED.key, (OTHER, TARGET)]) == written(CREATED)


def test_what_is_still_as_it_was_read_is_recorded_and_the_rest_is_told(ledger: Ledger) -> None:
    mine, theirs, new = memberships_of([ACCOUNT, OTHER, AccountId("666677778888")])
    ledger.write([mine, theirs], NOW)
    taken = replace(theirs, onboarding_id="two", revision=1)
    ledger.write([taken], NOW)
    mine, theirs = replace(mine, revision=1), replace(theirs, revision=1)

    assert ledger.record([mine, theirs, new], NOW + 1) == (written(mine, new), written(taken))


def test_an_own_write_that_is_repeated_counts_as_written(ledger: Ledger) -> None:
    # Its answer was lost; what is written with it was not, for the transaction as a whole failed.
    ledger.record([CREATED], NOW)
    other = a_membership(account_id=OTHER)

    assert ledger.record([CREATED, other], NOW) == (written(CREATED, other), {})


def test_the_same_write_of_another_moment_is_anothers(ledger: Ledger) -> None:
    other_step = a_membership(Status.ABSENT, onboarding_id="one").begun(Action.CREATE, NOW + 0.5)
    ledger.record([other_step], NOW)

    assert ledger.record([CREATED], NOW) == ({}, written(other_step))


def test_more_than_a_transaction_is_recorded(ledger: Ledger, dynamodb: DynamoDBClient) -> None:
    memberships = memberships_of(many_accounts(130))
    ledger.record(memberships[120:121], NOW - 1)
    ledger.record([replace(memberships[120], revision=1)], NOW - 1)
    made = watch(dynamodb)

    recorded, lost = ledger.record(memberships, NOW)

    assert (len(recorded), set(lost)) == (129, {memberships[120].key})
    assert made.count("dynamodb:TransactWriteItems") == 3
    assert ledger.read(m.key for m in memberships) == recorded | lost


def test_a_runs_record_is_read_with_its_memberships_in_one_request(
    ledger: Ledger, dynamodb: DynamoDBClient
) -> None:
    ledger.open(ONE)
    ledger.write([CREATED], NOW)
    made = watch(dynamodb)

    found = ledger.read_with_onboarding("one", [CREATED.key, CREATED.key, (OTHER, TARGET)])

    assert found == Known(ONE, written(CREATED))
    assert made == ["dynamodb:BatchGetItem"]
    assert ledger.read_with_onboarding("gone", []) == Known(None, {})


def known(findings: Findings | None) -> tuple[dict[Any, Any], ...]:
    """Whose memberships are, by account and target, with their outcomes."""
    assert findings is not None
    parts = (findings.own, findings.left, findings.missing)
    return tuple({(*m.key, m.onboarding_id): m.outcome for m in part} for part in parts)


def test_a_runs_plan_is_remembered_with_why_it_ends_what_it_ends(ledger: Ledger) -> None:
    ledger.open(ONE)
    assert ledger.plan(ONE) is None

    ledger.persist_plan(ONE, PLAN)

    plan = ledger.plan(ONE)
    assert plan is not None
    assert (plan.settled, plan.targets, plan.notes) == (PLAN.settled, PLAN.targets, PLAN.notes)
    assert [account.email for account in plan.accounts] == [None, None]


def test_the_plan_that_an_older_run_of_the_same_name_left_is_not_the_runs(ledger: Ledger) -> None:
    ledger.persist_plan(ONE, PLAN)

    assert ledger.plan(replace(ONE, started_at=NOW + 90 * 86400)) is None


def test_the_administrators_resource_at_a_target_is_the_one_found_last(ledger: Ledger) -> None:
    def resource(target: Target) -> str | None:
        return ledger.read_with_onboarding("one", [CREATED.key], target).resource

    assert resource(TARGET) is None

    for found in ("detector-1", "detector-2"):
        ledger.persist_resource(TARGET, found)

    assert (resource(TARGET), resource(ELSEWHERE)) == ("detector-2", None)


def test_findings_tell_own_left_missing_and_what_the_plan_ended(ledger: Ledger) -> None:
    ledger.open(ONE)
    ledger.persist_plan(ONE, PLAN)
    ledger.write([CREATED, a_membership(account_id=OTHER, onboarding_id="two")], NOW)

    findings = ledger.findings("one")

    assert known(findings) == (
        {(ACCOUNT, TARGET, "one"): None, (ACCOUNT, ELSEWHERE, "one"): Outcome.SKIPPED},
        {(OTHER, TARGET, "two"): None},
        {(OTHER, ELSEWHERE, ""): None},
    )
    assert findings is not None
    assert (findings.onboarding, findings.plan and findings.plan.notes) == (ONE, ("a note",))


def test_what_an_older_run_of_the_same_name_left_is_not_the_runs_own(ledger: Ledger) -> None:
    later = replace(ONE, started_at=NOW + 90 * 86400)
    ledger.open(ONE)
    ledger.persist_plan(ONE, PLAN)
    ledger.write([CREATED], NOW)
    ledger.persist_dry_run([replace(ENDED, account_id=OTHER)], NOW)
    ledger.open(later)

    assert ledger.findings("one") == Findings(later, None, own=())

    ledger.persist_plan(later, PLAN)

    own, left, missing = known(ledger.findings("one"))
    assert own == {(ACCOUNT, ELSEWHERE, "one"): Outcome.SKIPPED}
    assert left == {(ACCOUNT, TARGET, "one"): None}
    assert missing == {(OTHER, TARGET, ""): None, (OTHER, ELSEWHERE, ""): None}


def test_a_dry_run_finds_what_it_kept_and_never_the_rows(ledger: Ledger) -> None:
    dry = replace(ONE, dry_run=True)
    ledger.open(dry)
    ledger.persist_plan(dry, PLAN)
    ledger.write(memberships_of([OTHER]), NOW)
    ledger.persist_dry_run([ENDED], NOW)

    assert known(ledger.findings("one")) == (
        {(ACCOUNT, TARGET, "one"): Outcome.SKIPPED, (ACCOUNT, ELSEWHERE, "one"): Outcome.SKIPPED},
        {},
        {(OTHER, TARGET, ""): None, (OTHER, ELSEWHERE, ""): None},
    )


def test_a_run_whose_plan_is_missing_owns_what_the_rows_say(ledger: Ledger) -> None:
    record = replace(ONE, accounts=(ACCOUNT, OTHER))
    ledger.open(record)
    kept = replace(ENDED, target=ELSEWHERE)
    ledger.write([CREATED, a_membership(account_id=OTHER, onboarding_id="two")], NOW)
    ledger.write([replace(kept, onboarding_id="two")], NOW, apart=[kept])

    findings = ledger.findings("one")

    assert findings == Findings(record, None, own=(kept, *written(CREATED).values()))


def test_a_dry_run_whose_plan_is_missing_found_what_it_kept(ledger: Ledger) -> None:
    dry = replace(ONE, dry_run=True)
    ledger.open(dry)
    ledger.write([CREATED], NOW)
    ledger.persist_dry_run([replace(ENDED, target=ELSEWHERE)], NOW)

    assert known(ledger.findings("one")) == (
        {(ACCOUNT, ELSEWHERE, "one"): Outcome.SKIPPED},
        {},
        {},
    )


def expiries(rows: Rows) -> dict[str, int | None]:
    """When each item expires, in days after ``NOW``, by its sort key; None if it does not."""
    found: dict[Any, Any] = {item["sk"]: item.get("expires_at") for item in rows.scan(0, 1, "")}
    return {sk: None if at is None else int(at - int(NOW)) // DAY for sk, at in found.items()}


@pytest.mark.parametrize(("retention", "days"), [(400, 400), (30, 30), (0, 365_000)])
def test_what_the_table_has_of_a_run_expires_after_it_and_memberships_never(
    rows: Rows, retention: int, days: int
) -> None:
    ledger = Ledger(rows, registry.SERVICES, retention)
    ledger.open(ONE)
    ledger.persist_plan(ONE, PLAN)
    ledger.waiting_since("one", NOW, NOW)
    ledger.persist_resource(TARGET, "d-1")
    ledger.write([CREATED], NOW, apart=[ENDED])
    ledger.persist_dry_run([replace(ENDED, target=ELSEWHERE)], NOW + 0.5)

    while_running = expiries(rows)
    ledger.close("one", "complete", {}, NOW + 20 * DAY)

    # An execution lasts for 364 days at most.
    beside = {
        "plan": 364 + days,
        "waiting": 364 + days,
        f"membership#{ACCOUNT}#{TARGET.key}": 364 + days,
        f"membership#{ACCOUNT}#{ELSEWHERE.key}": 364 + days,
        f"membership#{TARGET.key}": None,
        f"resource#{TARGET.key}": None,
    }
    assert while_running == {"onboarding": 364 + days, **beside}
    assert expiries(rows) == {"onboarding": 20 + days, **beside}


def test_the_record_of_a_later_run_of_the_same_name_does_not_expire_with_the_older(
    ledger: Ledger, rows: Rows
) -> None:
    ledger.open(ONE)
    ledger.close("one", "complete", {}, NOW + DAY)

    ledger.open(replace(ONE, started_at=NOW + 395 * DAY))

    assert expiries(rows) == {"onboarding": 395 + 364 + 400}


def test_no_item_holds_an_email(ledger: Ledger, rows: Rows) -> None:
    said = f"The e-mail <{EMAIL.upper()}> does not match"
    membership = (
        a_membership(Status.ABSENT, detail=f"for {EMAIL}")
        .begun(Action.CREATE, NOW)
        .answered(Action.CREATE, Answer(Verdict.PERMANENT, said), NOW)
        .settled(Outcome.FAILED, Reason(ReasonCode.EMAIL_UNUSABLE, said), NOW)
    )
    ledger.open(ONE)
    ledger.persist_plan(ONE, PLAN)
    ledger.write([membership], NOW, apart=[membership])
    ledger.persist_dry_run([replace(membership, target=ELSEWHERE)], NOW)

    items = list(rows.scan(0, 1, ""))

    assert len(items) == 5
    assert "@" not in json.dumps(items, default=str)


def test_findings_of_more_than_a_batch_and_a_page(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, dynamodb: DynamoDBClient
) -> None:
    query = dynamodb.query
    pages: list[Any] = []

    def in_small_pages(**request: Any) -> Any:
        pages.append(request)
        return query(**request, Limit=7)

    monkeypatch.setattr(dynamodb, "query", in_small_pages)
    accounts = many_accounts(50)
    plan = Plan(tuple(Account(a, None, Mode.ORGANIZATION) for a in accounts), PLAN.targets)
    ledger.open(ONE)
    ledger.persist_plan(ONE, plan)
    ledger.record(memberships_of(accounts), NOW)
    ledger.persist_dry_run([replace(m, target=ELSEWHERE) for m in memberships_of(accounts)], NOW)

    own, left, missing = known(ledger.findings("one"))

    assert (len(own), left, missing) == (100, {}, {})
    assert len(pages) > 50 // 7


def test_what_dynamodb_leaves_over_is_tried_again(
    ledger: Ledger, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = _leave_over(dynamodb, monkeypatch, times=2)
    memberships = memberships_of(many_accounts(3))

    ledger.persist_dry_run(memberships, NOW)
    ledger.write(memberships, NOW)

    assert ledger.read(m.key for m in memberships) == written(*memberships)
    assert requests == [
        *("BatchWriteItem", "BatchWriteItem", "BatchWriteItem"),
        *("BatchGetItem", "BatchGetItem", "BatchGetItem"),
    ]


def test_what_dynamodb_keeps_leaving_over_is_throttling(
    ledger: Ledger, dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    _leave_over(dynamodb, monkeypatch, times=100)

    with pytest.raises(Throttled, match="unwritten"):
        ledger.persist_dry_run([CREATED], NOW)
    with pytest.raises(Throttled, match="unread"):
        ledger.read([CREATED.key])


def _leave_over(dynamodb: DynamoDBClient, monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    """Leave the first element of each of the first ``times`` batches over; the requests made."""
    client: Any = dynamodb
    requests: list[str] = []

    def batch_write_item(RequestItems: Any) -> Any:
        requests.append("BatchWriteItem")
        [first, *rest] = RequestItems["rollcall"]
        if requests.count("BatchWriteItem") > times:
            first, rest = None, [first, *rest]
        if rest:
            write(RequestItems={"rollcall": rest})
        return {"UnprocessedItems": {"rollcall": [first]} if first else {}}

    def batch_get_item(RequestItems: Any) -> Any:
        requests.append("BatchGetItem")
        request = RequestItems["rollcall"]
        [first, *rest] = request["Keys"]
        if requests.count("BatchGetItem") > times:
            first, rest = None, [first, *rest]
        answer = read(RequestItems={"rollcall": {**request, "Keys": rest}}) if rest else {}
        left = {"rollcall": {**request, "Keys": [first]}} if first else {}
        return {"Responses": answer.get("Responses", {}), "UnprocessedKeys": left}

    write, read = client.batch_write_item, client.batch_get_item
    monkeypatch.setattr(client, "batch_write_item", batch_write_item)
    monkeypatch.setattr(client, "batch_get_item", batch_get_item)
    return requests


@given(at=st.floats(min_value=0, max_value=4e9))
def test_times_survive_the_way_to_dynamodb_and_back(at: float) -> None:
    assert float(to_dynamodb(at)) == at
    assert to_dynamodb({"nested": [at, 1, "text", None]})["nested"] == [
        to_dynamodb(at),
        1,
        "text",
        None,
    ]

"""Rows outlive the code that wrote them, and come back with their numbers as ``Decimal``. The
samples are what the version before wrote."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from functions.aws.rows import to_dynamodb
from functions.enrolment.account import AccountId, Mode
from functions.enrolment.automation import Automatic, Automation
from functions.enrolment.errors import Unreadable
from functions.enrolment.membership import (
    Action,
    Answer,
    Attempt,
    Membership,
    Outcome,
    Status,
    Transition,
    Verdict,
)
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.records import (
    OnboardingRecord,
    membership_from_item,
    membership_to_item,
    onboarding_from_item,
    onboarding_to_item,
)
from functions.enrolment.target import Target
from functions.services import registry
from tests.support.builders import (
    ACCOUNT,
    NOW,
    OTHER,
    RUN,
    TARGET,
    a_membership,
    an_onboarding,
    tried,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parent / "samples"
THIRD = AccountId("666677778888")
DETECTIVE = Target(registry.DETECTIVE, "eu-west-1")

times = st.floats(min_value=0, max_value=4e9).map(lambda at: round(at, 6))
account_ids = st.from_regex(r"[0-9]{12}", fullmatch=True).map(AccountId)
texts = st.text().filter(lambda text: "@" not in text)
codes = st.sampled_from(ReasonCode)
answers = st.builds(Answer, st.sampled_from(Verdict), texts, st.none() | codes)
later_values = st.recursive(
    st.booleans() | st.integers(-(10**30), 10**30) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
memberships = st.builds(
    Membership,
    account_id=account_ids,
    target=st.builds(Target, st.sampled_from(registry.SERVICES), st.just("eu-west-1")),
    mode=st.sampled_from(Mode),
    onboarding_id=st.text(),
    taken_at=times,
    revision=st.integers(0, 10**6),
    status=st.none() | st.sampled_from(Status),
    raw=st.text(),
    detail=st.none() | texts,
    transitions=st.lists(st.builds(Transition, st.text(), times)).map(tuple),
    transition_count=st.integers(0, 10**6),
    attempts=st.dictionaries(
        st.sampled_from(Action),
        st.builds(Attempt, st.integers(0, 1000), times, st.none() | answers),
    ),
    due=st.none() | st.sampled_from(Action),
    automation=st.none()
    | st.builds(Automation, st.sampled_from(Automatic), texts, st.none() | times),
    surveyed_at=st.none() | times,
    outcome=st.none() | st.sampled_from(Outcome),
    reason=st.none() | st.builds(Reason, codes, texts),
    settled_at=st.none() | times,
    unknown=st.dictionaries(st.text().map(lambda name: f"later {name}"), later_values, max_size=3),
)
onboardings = st.builds(
    OnboardingRecord,
    id=st.text(),
    source=st.text(),
    automatic=st.booleans(),
    dry_run=st.booleans(),
    accounts=st.lists(account_ids).map(tuple),
    started_at=times,
    lease_until=times,
    execution_arn=st.text(),
    outcome=st.none() | st.text(),
    counts=st.dictionaries(st.sampled_from(Outcome).map(str), st.integers(0, 5000)),
    ended_at=st.none() | times,
    closed_at=st.none() | times,
    unfinished=st.lists(st.text()).map(tuple),
    published=st.dictionaries(st.sampled_from(["event", "message", "interim"]), st.text()),
)


def through_json(item: dict[str, Any]) -> dict[str, Any]:
    back: dict[str, Any] = json.loads(json.dumps(item))
    return back


def through_dynamodb(item: dict[str, Any]) -> dict[str, Any]:
    serialize, deserialize = TypeSerializer().serialize, TypeDeserializer().deserialize
    return {name: deserialize(serialize(value)) for name, value in to_dynamodb(item).items()}


@given(memberships, times)
def test_memberships_survive(membership: Membership, now: float) -> None:
    item = membership_to_item(membership, now)

    assert membership_from_item(through_json(item), registry.SERVICES) == membership
    assert membership_from_item(through_dynamodb(item), registry.SERVICES) == membership


@given(onboardings)
def test_onboardings_survive(record: OnboardingRecord) -> None:
    item = onboarding_to_item(record)

    assert onboarding_from_item(through_json(item)) == record
    assert onboarding_from_item(through_dynamodb(item)) == record


@given(memberships)
def test_what_has_no_value_is_not_written(membership: Membership) -> None:
    assert None not in membership_to_item(membership, NOW).values()


def sample(name: str, row: str) -> dict[str, Any]:
    rows: dict[str, dict[str, Any]] = json.loads((SAMPLES / f"{name}.json").read_text())
    return rows[row]


def counted(at: float, **counts: int) -> MappingProxyType[Action, Attempt]:
    """Attempts of which only the number is known: as if the service had taken them."""
    return MappingProxyType(
        {Action(a): Attempt(count, at, Answer(Verdict.TAKEN)) for a, count in counts.items()}
    )


@pytest.mark.parametrize(
    ("row", "membership"),
    [
        (
            "open",
            Membership(
                OTHER,
                DETECTIVE,
                Mode.INVITATION,
                RUN,
                taken_at=NOW + 92,
                status=Status.INVITED,
                raw="INVITED",
                transitions=(
                    Transition("", NOW + 15),
                    Transition("VERIFICATION_IN_PROGRESS", NOW + 47),
                    Transition("INVITED", NOW + 62),
                ),
                transition_count=3,
                attempts=counted(NOW + 92, create=2),
            ),
        ),
        (
            "ended",
            Membership(
                ACCOUNT,
                DETECTIVE,
                Mode.ORGANIZATION,
                RUN,
                taken_at=NOW + 200,
                status=Status.ACCEPTED_BUT_DISABLED,
                raw="ACCEPTED_BUT_DISABLED",
                detail="VOLUME_UNKNOWN",
                transitions=(
                    Transition("", NOW + 15),
                    Transition("ACCEPTED_BUT_DISABLED", NOW + 31),
                ),
                transition_count=2,
                attempts=counted(NOW + 200, create=1, restart=1),
                outcome=Outcome.FAILED,
                reason=Reason(ReasonCode.OTHER, "the account's data volume is too high"),
                settled_at=NOW + 200,
            ),
        ),
        (
            "never_read",
            Membership(
                THIRD,
                DETECTIVE,
                Mode.INVITATION,
                RUN,
                taken_at=NOW,
                outcome=Outcome.SKIPPED,
                reason=Reason(
                    ReasonCode.OTHER, "the administrator account is not a member of itself"
                ),
                settled_at=NOW,
            ),
        ),
    ],
)
def test_a_membership_that_the_version_before_wrote_is_understood(
    row: str, membership: Membership
) -> None:
    item = sample("membership_rows", row)

    assert membership_from_item(item, registry.SERVICES) == membership
    assert membership_from_item(through_dynamodb(item), registry.SERVICES) == membership
    assert membership.belongs_to(RUN, started_at=NOW)


@pytest.mark.parametrize(
    ("row", "changes"),
    [
        ("running", {}),
        (
            "ended",
            {
                "outcome": "incomplete",
                "closed_at": NOW + 300,
                "counts": {
                    "enabled": 1,
                    "already enabled": 0,
                    "failed": 1,
                    "timed out": 0,
                    "skipped": 1,
                },
                "published": {"event": "e-1", "message": "m-1"},
            },
        ),
    ],
)
def test_an_onboarding_that_the_version_before_wrote_is_understood(
    row: str, changes: dict[str, Any]
) -> None:
    item = sample("onboarding_rows", row)
    record = an_onboarding(accounts=(ACCOUNT, OTHER, THIRD), **changes)

    assert onboarding_from_item(item) == record
    assert onboarding_from_item(through_dynamodb(item)) == record


KEYS = {"pk": "account#444455556666", "sk": "membership#guardduty#eu-west-1", "expires_at": 1}


def test_what_a_later_version_wrote_is_written_back_and_the_keys_are_not() -> None:
    exported = {"attempts": {"export": {"count": 1, "at": NOW}}}
    later = {"later": {"a": [Decimal(1), "b"]}, "kind": "membership"} | exported
    item = membership_to_item(a_membership(Status.INVITED, revision=3), NOW)

    membership = membership_from_item(KEYS | item | later, registry.SERVICES)
    again = membership.taken("onboarding-2", Mode.INVITATION, NOW + 60)

    assert membership_to_item(membership, NOW) == item | later
    assert membership_to_item(again, NOW).items() >= later.items()


DEFERRED = {"count": 1, "at": 1.0, "verdict": "deferred", "text": "x", "code": "deferred"}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"status": "Archived"}, {"status": Status.UNKNOWN}),
        # Ended, however it was: nobody goes on with it.
        ({"outcome": "handed over"}, {"outcome": Outcome.FAILED}),
        ({"due": "export"}, {"due": None}),
        ({"attempts": {"export": {"count": 1, "at": 1.0}}}, {"attempts": {}}),
        (
            {"attempts": {"create": DEFERRED}},
            {
                "attempts": {
                    Action.CREATE: Attempt(1, 1.0, Answer(Verdict.UNKNOWN, "x", ReasonCode.OTHER))
                }
            },
        ),
        (
            {"attempts": {"create": {"count": 1, "at": 1.0, "later": True}}},
            {"attempts": {Action.CREATE: Attempt(1, 1.0)}},
        ),
        (
            {"reason": "Archived since 1970", "reason_code": "archived"},
            {"reason": Reason(ReasonCode.OTHER, "Archived since 1970")},
        ),
        (
            {"automation": {"kind": "left-out", "run": RUN}},
            {"automation": Automation(Automatic.LEFT_OUT, "")},
        ),
        (
            {"attempts": {"create": DEFERRED | {"verdict": "permanent"}}},
            {
                "attempts": {
                    Action.CREATE: Attempt(1, 1.0, Answer(Verdict.PERMANENT, "x", ReasonCode.OTHER))
                }
            },
        ),
    ],
    ids=[
        *("status", "outcome", "due", "action", "verdict", "an attempt's field", "reason code"),
        "an automation without its setting",
        "an answer's code",
    ],
)
def test_a_word_that_only_a_later_version_knows_does_not_stop_this_one(
    written: dict[str, Any], read: dict[str, Any]
) -> None:
    item = membership_to_item(a_membership(Status.INVITED), NOW)

    membership = membership_from_item(item | written, registry.SERVICES)

    assert {name: getattr(membership, name) for name in read} == read


def test_a_code_is_believed_only_beside_the_reason_it_was_written_with() -> None:
    """The version before kept codes, which it did not know, beside the reasons that it wrote."""
    ended = a_membership().settled(Outcome.FAILED, Reason(ReasonCode.RESIGNED, "it left"), NOW)
    item = membership_to_item(ended, NOW)

    rewritten = membership_from_item(
        item | {"reason": "still Invited after 14 d"}, registry.SERVICES
    )
    enabled = membership_from_item(
        {k: v for k, v in item.items() if k != "reason"}, registry.SERVICES
    )

    assert membership_from_item(item, registry.SERVICES).reason == ended.reason
    assert rewritten.reason == Reason(ReasonCode.OTHER, "still Invited after 14 d")
    assert enabled.reason is None


def test_what_a_service_does_by_itself_is_believed_only_of_the_run_that_read_it() -> None:
    """The version before does not know it, and keeps what it does not know in the row of a run."""
    read = a_membership(Status.ABSENT).told(Automation(Automatic.LEFT_OUT, "policy-1"), NOW)
    item = membership_to_item(read, NOW)

    by_another_run = membership_from_item(
        item | {"onboarding_id": "onboarding-2"}, registry.SERVICES
    )
    later = {"kind": "by a kind of policy that is not known yet", "said": "x", "run": RUN}

    assert membership_from_item(item, registry.SERVICES).automation == read.automation
    assert by_another_run.automation is None
    assert membership_from_item(item | {"automation": later}, registry.SERVICES).automation is None


@given(st.emails(), st.text())
def test_an_email_is_never_kept(email: str, text: str) -> None:
    said = f"{text} {email} {text}"
    membership = tried(
        a_membership(Status.ABSENT, detail=said), Action.CREATE, Verdict.UNKNOWN, text=said
    ).settled(Outcome.FAILED, Reason(ReasonCode.OTHER, said), NOW)

    item = membership_to_item(membership, NOW)

    assert email not in json.dumps(item, ensure_ascii=False)
    assert all("(e-mail)" in kept for kept in (item["detail"], item["reason"]))
    assert "(e-mail)" in item["attempts"]["create"]["text"]


def test_a_membership_with_nothing_but_its_key_and_mode_is_read_with_the_defaults() -> None:
    item = {
        "account_id": ACCOUNT,
        "service": "guardduty",
        "region": "eu-west-1",
        "mode": "organization",
    }

    assert membership_from_item(item, registry.SERVICES) == Membership(
        ACCOUNT, TARGET, Mode.ORGANIZATION
    )


def test_a_reason_that_utf_8_cannot_encode_keeps_its_code() -> None:
    reason = Reason(ReasonCode.REFUSED, "the service said \ud800")
    ended = a_membership().settled(Outcome.FAILED, reason, NOW)

    item = through_json(membership_to_item(ended, NOW))

    assert membership_from_item(item, registry.SERVICES).reason == reason


def test_a_record_with_nothing_but_its_times_is_read_with_the_defaults() -> None:
    item = {"onboarding_id": RUN, "started_at": NOW, "lease_until": NOW + 900}

    assert onboarding_from_item(item) == OnboardingRecord(
        RUN, "", automatic=False, dry_run=False, accounts=(), started_at=NOW, lease_until=NOW + 900
    )


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda item: membership_from_item(item, registry.SERVICES), "account_id: is required"),
        (onboarding_from_item, "onboarding_id: is required"),
    ],
    ids=["a membership", "an onboarding"],
)
def test_a_row_that_cannot_be_read_is_named(
    read: Callable[[dict[str, Any]], object], message: str
) -> None:
    with pytest.raises(Unreadable) as refused:
        read({"pk": f"account#{ACCOUNT}", "sk": "it"})

    assert str(refused.value) == f"row account#{ACCOUNT} it: {message}"

"""Records come back from their items as they were, numbers as ``Decimal`` or not."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from functions.aws.rows import wire
from functions.enrolment.account import AccountId, Mode
from functions.enrolment.membership import Action, Membership, Outcome, Status, Transition
from functions.enrolment.records import (
    MembershipRecord,
    OnboardingRecord,
    membership_from_item,
    membership_to_item,
    onboarding_from_item,
    onboarding_to_item,
)
from functions.enrolment.target import ServiceName, Target
from tests.support.builders import NOW, TARGET

times = st.floats(min_value=0, max_value=4e9)
accounts = st.from_regex(r"[0-9]{12}", fullmatch=True).map(AccountId)
targets = st.builds(Target, st.sampled_from(ServiceName), st.just("eu-west-1"))

memberships = st.builds(
    MembershipRecord,
    account_id=accounts,
    target=targets,
    onboarding_id=st.text(),
    mode=st.sampled_from(Mode),
    updated_at=times,
    status=st.none() | st.sampled_from(Status),
    raw=st.text(),
    detail=st.none() | st.text(),
    transitions=st.lists(st.builds(Transition, st.text(), times)).map(tuple),
    attempts=st.dictionaries(st.sampled_from(Action), st.integers(1, 100)),
    outcome=st.none() | st.sampled_from(Outcome),
    reason=st.none() | st.text(),
    settled_at=st.none() | times,
)
onboardings = st.builds(
    OnboardingRecord,
    id=st.text(),
    source=st.text(),
    automatic=st.booleans(),
    dry_run=st.booleans(),
    accounts=st.lists(accounts).map(tuple),
    started_at=times,
    lease_until=times,
    outcome=st.none() | st.text(),
    counts=st.dictionaries(st.sampled_from(Outcome).map(str), st.integers(0, 5000)),
    closed_at=st.none() | times,
)


@given(memberships)
def test_memberships_survive(record: MembershipRecord) -> None:
    item = membership_to_item(record)

    assert membership_from_item(json.loads(json.dumps(item))) == record
    assert membership_from_item(wire(item)) == record


@given(onboardings)
def test_onboardings_survive(record: OnboardingRecord) -> None:
    item = onboarding_to_item(record)

    assert onboarding_from_item(json.loads(json.dumps(item))) == record
    assert onboarding_from_item(wire(item)) == record


@given(accounts, st.emails(), st.text())
def test_an_email_is_never_kept(account_id: AccountId, email: str, text: str) -> None:
    said = f"{text} {email} {text}"
    membership = Membership(account_id, Mode.INVITATION, email, detail=said).settled(
        Outcome.FAILED, said, NOW
    )

    item = membership_to_item(MembershipRecord.of(membership, TARGET, "one", NOW))

    assert email not in json.dumps(item, ensure_ascii=False)

"""What a run takes and what it leaves to another, on DynamoDB as moto has it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from functions.aws.ledger import Ledger
from functions.aws.ownership import Taken, take
from functions.enrolment.account import AccountId, Mode
from functions.enrolment.errors import Conflict, ServiceUnavailable
from functions.enrolment.membership import Action, Membership, Outcome, Status
from functions.enrolment.ownership import Claim
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.target import Target
from functions.services import registry
from tests.support.builders import ACCOUNT, NOW, OTHER, TARGET, a_membership, tried
from tests.unit.aws.support import LEASE, an_onboarding, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from functions.aws.rows import Rows
    from functions.enrolment.membership import MembershipKey
    from functions.enrolment.records import OnboardingRecord

LATER = NOW + 60
LEASE_OVER = NOW + LEASE
ELSEWHERE = Target(registry.SECURITYHUB, "us-east-1")
HOLDER = an_onboarding("holder")
CLOSED = replace(HOLDER, closed_at=NOW, lease_until=NOW)
STOPPED = replace(HOLDER, closed_at=NOW)
HELD = a_membership(Status.INVITED, onboarding_id=HOLDER.id)
INVITED = replace(HELD, mode=Mode.INVITATION)
ENABLED = HELD.settled(Outcome.ENABLED, None, NOW + 30)
CLAIM = Claim("one", LATER, Mode.ORGANIZATION)
# What an event claims, of an account that joined before.
ARRIVAL = replace(CLAIM, enabled_since=NOW, joined_at=NOW)


def covered(
    *accounts: AccountId, targets: Sequence[Target] = (TARGET,), mode: Mode = Mode.ORGANIZATION
) -> list[Membership]:
    """What a plan covers of these accounts."""
    wanted = accounts or (ACCOUNT,)
    return [Membership(account, target, mode) for account in wanted for target in targets]


def claim(
    ledger: Ledger,
    memberships: Sequence[Membership] | None = None,
    wanted: Claim = CLAIM,
    now: float = LATER,
    **options: Any,
) -> Taken:
    """Open a run and take, as planning does."""
    memberships = covered(mode=wanted.mode) if memberships is None else memberships
    lease = now + LEASE
    ledger.open(
        an_onboarding(wanted.onboarding_id, started_at=wanted.started_at, lease_until=lease)
    )
    claims = {membership.account_id: wanted for membership in memberships}
    return take(ledger, memberships, claims, now, **options)


def held(ledger: Ledger, record: OnboardingRecord | None, *rows: Membership) -> None:
    """What another run has written."""
    if record is not None:
        ledger.open(record)
    assert not ledger.write(rows, NOW)


class Case(NamedTuple):
    """A row, the record of its run, who claims it and when; whether it is taken."""

    row: Membership
    record: OnboardingRecord | None
    taken: bool
    claim: Claim = CLAIM
    now: float = LATER


CASES = {
    "held": Case(HELD, HOLDER, taken=False),
    "held in another mode": Case(INVITED, HOLDER, taken=True),
    "its run's lease is nearly over": Case(HELD, HOLDER, taken=False, now=LEASE_OVER - 0.001),
    "its run's lease is over": Case(HELD, HOLDER, taken=True, now=LEASE_OVER),
    "its run is closed": Case(HELD, CLOSED, taken=True),
    "its run was stopped and its lease is not over": Case(HELD, STOPPED, taken=False),
    "its run has no record": Case(HELD, None, taken=True),
    "an older run of the same name": Case(replace(HELD, onboarding_id="one"), None, taken=True),
    "failed": Case(
        HELD.settled(Outcome.FAILED, Reason(ReasonCode.OTHER, "no"), NOW + 30), HOLDER, taken=True
    ),
    "enabled": Case(ENABLED, HOLDER, taken=True),
    "enabled lately": Case(ENABLED, CLOSED, taken=False, claim=ARRIVAL),
    "already enabled lately": Case(
        HELD.settled(Outcome.ALREADY_ENABLED, None, NOW + 30), CLOSED, taken=False, claim=ARRIVAL
    ),
    "failed lately": Case(
        HELD.settled(Outcome.FAILED, Reason(ReasonCode.OTHER, "no"), NOW + 30),
        CLOSED,
        taken=True,
        claim=ARRIVAL,
    ),
    "enabled before the window": Case(
        ENABLED, CLOSED, taken=True, claim=replace(ARRIVAL, enabled_since=NOW + 31)
    ),
    "enabled before it joined again": Case(
        ENABLED, CLOSED, taken=True, claim=replace(ARRIVAL, joined_at=NOW + 31)
    ),
    "enabled, and when it joined is not known": Case(
        ENABLED, CLOSED, taken=True, claim=replace(ARRIVAL, joined_at=None)
    ),
    "enabled lately by invitation": Case(
        replace(ENABLED, mode=Mode.INVITATION),
        CLOSED,
        taken=False,
        claim=replace(ARRIVAL, mode=Mode.INVITATION, joined_at=None),
    ),
    "enabled lately in another mode": Case(
        replace(ENABLED, mode=Mode.INVITATION), CLOSED, taken=True, claim=ARRIVAL
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_free_is_taken_and_what_is_not_is_left_as_it_is(ledger: Ledger, case: Case) -> None:
    held(ledger, case.record, case.row)
    before = ledger.read([case.row.key])

    taken = claim(ledger, wanted=case.claim, now=case.now)

    if case.taken:
        anew = case.row.taken(case.claim.onboarding_id, case.claim.mode, case.now)
        assert taken == Taken(own={anew.key: replace(anew, revision=2)})
        assert ledger.read([anew.key]) == taken.own
    else:
        ending = {HOLDER.id} if case.record is STOPPED else set()
        assert taken == Taken(left=before, ending=ending)
        assert ledger.read([case.row.key]) == before


def test_what_nobody_has_written_is_taken(ledger: Ledger) -> None:
    taken = claim(ledger)

    row = Membership(ACCOUNT, TARGET, Mode.ORGANIZATION, "one", taken_at=LATER, revision=1)
    assert taken == Taken(own={row.key: row})
    assert ledger.read([row.key]) == taken.own


def test_some_is_taken_and_some_is_left(ledger: Ledger) -> None:
    held(ledger, HOLDER, HELD, replace(INVITED, account_id=OTHER))

    taken = claim(ledger, covered(ACCOUNT, OTHER, targets=(TARGET, ELSEWHERE)))

    assert set(taken.left) == {(ACCOUNT, TARGET)}
    assert set(taken.own) == {(ACCOUNT, ELSEWHERE), (OTHER, TARGET), (OTHER, ELSEWHERE)}


def test_a_step_taken_again_owns_the_same_and_writes_nothing(
    ledger: Ledger, dynamodb: DynamoDBClient
) -> None:
    memberships = covered(ACCOUNT, OTHER)
    held(ledger, HOLDER, HELD)
    first = claim(ledger, memberships)
    made = watch(dynamodb)

    assert claim(ledger, memberships, now=LATER + 5) == first
    assert "dynamodb:TransactWriteItems" not in made


def test_nothing_planned_owns_nothing_and_asks_nothing(
    ledger: Ledger, dynamodb: DynamoDBClient
) -> None:
    made = watch(dynamodb)

    assert take(ledger, [], {}, NOW) == Taken()
    assert made == []


@pytest.mark.parametrize("record", [HOLDER, CLOSED], ids=["open", "closed"])
def test_what_another_run_has_ended_is_kept_with_it_whole(
    ledger: Ledger, record: OnboardingRecord
) -> None:
    worked = tried(ENABLED, Action.CREATE)
    held(ledger, record, worked)

    claim(ledger)
    claim(ledger, wanted=replace(CLAIM, onboarding_id="two", mode=Mode.INVITATION))

    findings = ledger.findings(HOLDER.id)
    assert findings is not None
    assert findings.own == (replace(worked, revision=1),)


def ended(record: OnboardingRecord) -> OnboardingRecord:
    return replace(record, closed_at=NOW + 30, lease_until=NOW + 30)


def stopped(record: OnboardingRecord) -> OnboardingRecord:
    return replace(record, closed_at=NOW + 30)


@pytest.mark.parametrize(
    ("look", "owns", "ending"),
    [
        pytest.param(lambda record: record, False, set(), id="it runs"),
        pytest.param(ended, True, set(), id="it has ended"),
        pytest.param(stopped, False, {HOLDER.id}, id="it was stopped"),
    ],
)
def test_a_run_that_did_not_come_to_say_that_it_ended_is_looked_at_once(
    ledger: Ledger,
    look: Callable[[OnboardingRecord], OnboardingRecord],
    owns: bool,
    ending: set[str],
) -> None:
    held(ledger, HOLDER, HELD, replace(HELD, account_id=OTHER))
    looked: list[str] = []

    def looking(record: OnboardingRecord) -> OnboardingRecord:
        looked.append(record.id)
        return look(record)

    taken = claim(ledger, covered(ACCOUNT, OTHER), look=looking)

    assert len(taken.own if owns else taken.left) == 2
    assert taken.ending == ending
    assert looked == [HOLDER.id]


@pytest.mark.parametrize(
    ("stored", "transactions"),
    [
        pytest.param([], 2, id="what nobody has"),
        # Each is kept beside its run in the same transaction.
        pytest.param([ENABLED], 3, id="what another run has ended"),
    ],
)
def test_an_account_with_more_than_a_transaction_takes_several(
    ledger: Ledger, dynamodb: DynamoDBClient, stored: list[Membership], transactions: int
) -> None:
    targets = [Target(registry.GUARDDUTY, f"eu-west-{number}") for number in range(120)]
    for row in stored:
        ledger.open(HOLDER)
        ledger.record([replace(row, target=target) for target in targets], NOW)
    made = watch(dynamodb)

    taken = claim(ledger, covered(targets=targets))

    assert set(taken.own) == {(ACCOUNT, target) for target in targets}
    assert Counter(made)["dynamodb:TransactWriteItems"] == transactions


def test_many_accounts_take_few_requests_and_each_account_one_transaction(
    ledger: Ledger, dynamodb: DynamoDBClient
) -> None:
    accounts = [AccountId(f"{number:012}") for number in range(50)]
    targets = [Target(service, region) for service in registry.SERVICES for region in ("a", "b")]
    together: list[list[str]] = []
    client: Any = dynamodb
    client.meta.events.register(
        "provide-client-params.dynamodb.TransactWriteItems",
        lambda params, **_: together.append(
            [w["Put"]["Item"]["pk"]["S"] for w in params["TransactItems"]]
        ),
    )
    ledger.open(an_onboarding("one", started_at=LATER))
    made = watch(client)

    taken = take(ledger, covered(*accounts, targets=targets), dict.fromkeys(accounts, CLAIM), LATER)

    assert len(taken.own) == 300
    assert Counter(made) == {"dynamodb:BatchGetItem": 3, "dynamodb:TransactWriteItems": 4}
    for account in accounts:
        assert sum(f"account#{account}" in transaction for transaction in together) == 1


def fails(write: Callable[..., Any], **request: Any) -> Any:
    write(**request)
    error: Any = {"Error": {"Code": "InternalServerError"}}
    raise ClientError(error, "TransactWriteItems")


def repeats(write: Callable[..., Any], **request: Any) -> Any:
    # DynamoDB would know the request by its token; moto refuses it, as its conditions say.
    write(**request)
    return write(**request)


@pytest.mark.parametrize("loses", [fails, repeats])
def test_a_transaction_whose_answer_was_lost_is_the_runs_own(
    ledger: Ledger,
    dynamodb: DynamoDBClient,
    monkeypatch: pytest.MonkeyPatch,
    loses: Callable[..., Any],
) -> None:
    client: Any = dynamodb
    write = client.transact_write_items
    memberships = covered(ACCOUNT, OTHER, targets=(TARGET, ELSEWHERE))
    keys: set[MembershipKey] = {membership.key for membership in memberships}
    monkeypatch.setattr(client, "transact_write_items", lambda **request: loses(write, **request))

    if loses is fails:
        with pytest.raises(ServiceUnavailable, match="TransactWriteItems: InternalServerError"):
            claim(ledger, memberships)
    taken = claim(ledger, memberships, now=LATER + 5)

    assert set(taken.own) == keys
    assert taken.own == ledger.read(keys)
    assert {membership.revision for membership in taken.own.values()} == {1}


def test_what_keeps_changing_hands_is_left_for_later(rows: Rows) -> None:
    class Contested(Ledger):
        """Somebody else is quicker every time."""

        def write(
            self, memberships: Sequence[Membership], now: float, apart: Sequence[Membership] = ()
        ) -> frozenset[MembershipKey]:
            return frozenset(membership.key for membership in memberships)

    with pytest.raises(Conflict, match="keep changing these memberships"):
        claim(Contested(rows, registry.SERVICES))

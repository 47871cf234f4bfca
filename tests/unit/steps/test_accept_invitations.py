"""Accept Invitations: what of the member's side ends a membership, and how long a step may take."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.calls import MEMBER_CONFIG
from functions.enrolment.account import AccountId, Mode
from functions.enrolment.documents import loop_to_json
from functions.enrolment.errors import (
    AccessDenied,
    Conflict,
    CredentialsRefused,
    RollcallError,
    ServiceRefused,
    ServiceUnavailable,
)
from functions.enrolment.membership import (
    STEP_SECONDS,
    Action,
    Answer,
    Attempt,
    Outcome,
    Status,
    Verdict,
)
from functions.enrolment.reason import ReasonCode
from functions.enrolment.target import Target
from functions.services import registry
from functions.steps import accept_invitations
from functions.steps.accept_invitations import BEGINNING
from tests.support.builders import ACCOUNT, ADMINISTRATOR, NOW, OTHER, TARGET, a_loop, a_membership
from tests.unit.steps.support import TAKEN, Wired, begin, run, wired

if TYPE_CHECKING:
    from collections.abc import Callable

    from functions.enrolment.membership import Membership

OPT_IN = Target(registry.GUARDDUTY, "af-south-1")
FIFTY = tuple(AccountId(f"{number:012}") for number in range(50))
# A call as the member is tried twice, and botocore waits up to 6 s between the tries.
PAUSE = 6
# STS, and ListInvitations twice, EnableSecurityHub, GetEnabledStandards, BatchEnableStandards,
# AcceptAdministratorInvitation, GetAdministratorAccount: no service takes more.
MOST_CALLS = 8


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Accepting(Wired):
    """A step whose members say what ``accepts`` says for their account, which may raise."""

    accepts: Callable[[AccountId], Answer]
    roles_taken: list[AccountId]

    def invitee(self, target: Target, account_id: AccountId) -> Any:
        self.roles_taken.append(account_id)
        return Member(account_id, self.accepts)


@dataclass(frozen=True)
class Member:
    account_id: AccountId
    accepts: Callable[[AccountId], Answer]

    def accept(self, administrator_id: AccountId) -> Answer:
        assert administrator_id == ADMINISTRATOR
        return self.accepts(self.account_id)


def accepting(
    accepts: Callable[[AccountId], Answer], now: Callable[[], float] = lambda: NOW
) -> Accepting:
    plain = replace(wired(), now=now)
    parts = {field.name: getattr(plain, field.name) for field in fields(plain)}
    return Accepting(**parts, accepts=accepts, roles_taken=[])


def accept(
    wiring: Accepting, *accounts: AccountId, target: Target = TARGET, before: Attempt | None = None
) -> dict[AccountId, Membership]:
    """Accept Invitations for these accounts; their memberships after it."""
    attempts = {} if before is None else {Action.ACCEPT: before}
    invited = [
        a_membership(
            Status.INVITED,
            Mode.INVITATION,
            account,
            target=target,
            due=Action.ACCEPT,
            attempts=attempts,
        )
        for account in accounts
    ]
    begin(wiring, *invited)
    loop = a_loop(
        *accounts, mode=Mode.INVITATION, acting=accounts, next=Action.ACCEPT, target=target
    )
    run(accept_invitations.handler, loop_to_json(loop), wiring)
    found = wiring.ledger.read((account, target) for account in accounts)
    return {account: membership for (account, _), membership in found.items()}


def raising(error: RollcallError) -> Callable[[AccountId], Answer]:
    def says(_: AccountId) -> Answer:
        raise error

    return says


@pytest.mark.parametrize(
    "answer",
    [
        TAKEN,
        Answer(Verdict.BENIGN, "accepted before"),
        Answer(Verdict.RETRY, "no invitation yet"),
    ],
)
def test_an_answer_is_kept_as_it_is(answer: Answer) -> None:
    after = accept(accepting(lambda _: answer), ACCOUNT)[ACCOUNT]

    assert (after.outcome, after.attempts[Action.ACCEPT].answer) == (None, answer)


def test_another_administrator_ends_the_membership_at_once() -> None:
    text = "GuardDuty AcceptAdministratorInvitation: no (its administrator is 999900001111)"
    answer = Answer(Verdict.PERMANENT, text, ReasonCode.OTHER_ADMINISTRATOR)

    after = accept(accepting(lambda _: answer), ACCOUNT)[ACCOUNT]

    assert after.outcome is Outcome.FAILED
    assert after.reason is not None
    assert after.reason.code is ReasonCode.OTHER_ADMINISTRATOR
    assert "999900001111" in after.reason.text


@pytest.mark.parametrize(
    "answer",
    [
        Answer(Verdict.PERMANENT, "not today", ReasonCode.REFUSED),
        Answer(Verdict.PERMANENT, "not today", ReasonCode.ACCESS_DENIED),
        Answer(Verdict.PERMANENT, "not today", ReasonCode.ACCOUNT_SUSPENDED),
        Answer(Verdict.OUT_OF_REACH, "not today", ReasonCode.MANAGEMENT_ACCOUNT),
        Answer(Verdict.UNKNOWN, "not today"),
    ],
)
def test_any_other_refusal_may_be_mended_in_the_account(answer: Answer) -> None:
    after = accept(accepting(lambda _: answer), ACCOUNT)[ACCOUNT]

    assert after.outcome is None
    assert after.attempts[Action.ACCEPT].answer == Answer(Verdict.RETRY, "not today")


@pytest.mark.parametrize(
    "error",
    [
        AccessDenied("arn:aws:iam::444455556666:role/RollcallMember cannot be assumed: no"),
        ServiceUnavailable("no answer"),
        Conflict("another change"),
        ServiceRefused("no"),
        CredentialsRefused("not known"),
    ],
)
def test_a_call_that_fails_is_made_again_later(error: RollcallError) -> None:
    after = accept(accepting(raising(error)), ACCOUNT, OTHER)

    for account in (ACCOUNT, OTHER):
        answered = after[account].attempts[Action.ACCEPT].answer
        assert (after[account].outcome, answered) == (None, Answer(Verdict.RETRY, str(error)))


def test_where_a_region_needs_opting_in_credentials_that_are_not_known_are_explained() -> None:
    error = CredentialsRefused("GuardDuty ListInvitations: UnrecognizedClientException: invalid")

    after = accept(accepting(raising(error)), ACCOUNT, target=OPT_IN)[ACCOUNT]

    assert after.attempts[Action.ACCEPT].answer == Answer(
        Verdict.RETRY, f"the account may not have opted in to af-south-1: {error}"
    )


def test_a_denied_call_is_no_missing_opt_in() -> None:
    error = AccessDenied("GuardDuty ListInvitations: AccessDeniedException: no")

    after = accept(accepting(raising(error)), ACCOUNT, target=OPT_IN)[ACCOUNT]

    assert after.attempts[Action.ACCEPT].answer == Answer(Verdict.RETRY, str(error))


def test_accounts_that_hang_do_not_hold_the_step_beyond_its_time() -> None:
    clock = Clock()

    def hangs(_: AccountId) -> Answer:
        clock.now += 30
        raise ServiceUnavailable("GuardDuty ListInvitations: ReadTimeoutError")

    wiring = accepting(hangs, clock)
    before = Attempt(1, NOW - 60, Answer(Verdict.RETRY, "earlier"))

    after = accept(wiring, *FIFTY, before=before)

    assert clock.now == NOW + BEGINNING
    assert len(wiring.roles_taken) == 8
    for account in FIFTY:
        attempt = after[account].attempts[Action.ACCEPT]
        if account in wiring.roles_taken:
            assert (after[account].due, attempt.count) == (None, 2)
            assert attempt.answer is not None
            assert attempt.answer.verdict is Verdict.RETRY
        else:
            assert (after[account].due, attempt) == (Action.ACCEPT, before)


def test_accounts_that_answer_are_all_accepted_for_in_one_step() -> None:
    wiring = accepting(lambda _: TAKEN, Clock())

    after = accept(wiring, *FIFTY)

    assert {each.attempts[Action.ACCEPT].answer for each in after.values()} == {TAKEN}


def test_the_account_begun_last_hangs_within_the_time_of_the_step() -> None:
    config: Any = MEMBER_CONFIG  # its attributes are not typed
    attempts = config.retries["total_max_attempts"]

    longest_call = attempts * (config.connect_timeout + config.read_timeout) + PAUSE

    assert (BEGINNING, MOST_CALLS * longest_call) == (240, 288)
    assert BEGINNING + MOST_CALLS * longest_call + 60 < STEP_SECONDS

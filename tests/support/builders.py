"""Builders: the smallest valid thing of each kind, with what a test cares about named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import Account, AccountId, Mode
from functions.enrolment.configuration import Configuration, Timing
from functions.enrolment.decide import Circumstances
from functions.enrolment.documents import Loop
from functions.enrolment.membership import Action, Answer, Membership, Observation, Status, Verdict
from functions.enrolment.records import OnboardingRecord
from functions.enrolment.target import Target
from functions.services import registry

if TYPE_CHECKING:
    from functions.enrolment.service import Service

ADMINISTRATOR = AccountId("111122223333")
MANAGEMENT = AccountId("999988887777")
ACCOUNT = AccountId("444455556666")
OTHER = AccountId("555566667777")
EMAIL = "root@example.com"
NOW = 1_800_000_000.0
RUN = "onboarding-1"
TARGET = Target(registry.GUARDDUTY, "eu-west-1")


def a_membership(
    status: Status | None = None,
    mode: Mode = Mode.ORGANIZATION,
    account_id: AccountId = ACCOUNT,
    detail: str | None = None,
    at: float = NOW,
    target: Target = TARGET,
    **changes: Any,
) -> Membership:
    membership = Membership(account_id, target, mode, RUN, taken_at=at)
    if status is not None:
        membership = membership.seen(Observation(account_id, status, str(status), detail), at)
    return replace(membership, **changes)


def tried(
    membership: Membership,
    action: Action,
    verdict: Verdict | None = Verdict.TAKEN,
    *,
    text: str = "",
    at: float = NOW,
) -> Membership:
    """The membership with an action begun once more, and answered unless ``verdict`` is None."""
    begun = membership.begun(action, at)
    return begun if verdict is None else begun.answered(action, Answer(verdict, text), at)


def an_onboarding(**changes: Any) -> OnboardingRecord:
    """The record of a run that is at work."""
    record = OnboardingRecord(
        id=RUN,
        source="manual",
        automatic=False,
        dry_run=False,
        accounts=(ACCOUNT,),
        started_at=NOW,
        lease_until=NOW + 900,
    )
    return replace(record, **changes)


def at_service(service: Service, membership: Membership) -> Membership:
    """The same membership, of another service."""
    return replace(membership, target=replace(membership.target, service=service))


def circumstances(
    after: float = 0,
    *,
    accepts: bool = False,
    timing: Timing | None = None,
    **facts: Any,
) -> Circumstances:
    """What a decision rests on, ``after`` seconds from the target's first reading."""
    return Circumstances(NOW + after, timing or Timing(), accepts, **facts)


def a_loop(*accounts: AccountId, mode: Mode = Mode.ORGANIZATION, **changes: Any) -> Loop:
    """The document of a target's loop, for these accounts."""
    enrolled = tuple(Account(account, EMAIL, mode) for account in accounts or (ACCOUNT,))
    return replace(Loop(RUN, TARGET, enrolled), **changes)


def a_configuration(**changes: Any) -> Configuration:
    configuration = Configuration(regions=("eu-west-1", "us-east-1"), services=registry.SERVICES)
    return replace(configuration, **changes)


def a_reconcile_result(**changes: Any) -> dict[str, Any]:
    """A result of a reconcile as it is stored."""
    place = {"service": "guardduty", "region": "eu-west-1"}
    counts = {"enabled": 3, "left_out": 1, "gaps": 2, "unread": 0}
    lists = (
        *("drift", "runs", "waiting", "outside", "only_in_table", "only_in_services"),
        *("gaps_left", "gaps"),
    )
    return {
        "version": "1",
        "id": "nightly",
        "source": "schedule",
        **dict.fromkeys(("started_at", "surveyed_at", "ended_at"), "2027-01-15T00:00:00Z"),
        "outcome": "complete",
        "failure": None,
        "notes": ["a note"],
        "accounts": 3,
        "changes": {"needed": 1, "most_changes": 100},
        "targets": [
            place | {"problem": None, "problem_code": None, "before": counts, "after": counts}
        ],
        **{name: [] for name in lists},
        "gaps_left": [place | {"reason_code": "refused", "count": 1}],
        "omitted": dict.fromkeys(lists, 0),
        **changes,
    }


def a_reconcile_plan(**changes: Any) -> dict[str, Any]:
    """A plan of a reconcile as it is persisted."""
    place, at = {"service": "guardduty", "region": "eu-west-1"}, "2027-01-15T08:00:00.000Z"
    counts = {"enabled": 3, "left_out": 1, "gaps": 1, "unread": 0}
    group = {
        **place,
        "status": "Created",
        "action": "create",
        "disposition": "run",
        "reason": "no",
        "reason_code": "refused",
        "run": None,
        "accounts": [ACCOUNT],
    }
    waits = {"since": at, "reason": "nobody has accepted", "reason_code": "not-accepted"}
    return {
        "surveyed_at": NOW,
        "accounts": 3,
        "verdict": "start",
        "changes": {"needed": 1, "most_changes": 100},
        "targets": [{**place, "problem": None, "problem_code": None, "before": counts}],
        "gaps": [group],
        "again": [group | {"accounts": [OTHER]}],
        "batches": [{"accounts": [ACCOUNT], "targets": [place], "begin_after": 0}],
        "waiting": [{**place, "account_id": ACCOUNT, "status": "Invited", **waits, "run": RUN}],
        "drift": [
            {**place, "account_id": ACCOUNT, "enabled_at": at, "found_at": at, "status": "Created"}
        ],
        "only_in_table": [{**place, "account_id": OTHER, "enabled_at": None, "run": RUN}],
        "only_in_services": [{**place, "count": 1, "accounts": [OTHER]}],
        "outside": [{**place, "account_id": OTHER, "status": "Enabled"}],
        "left_out": {OTHER: {"reason_code": "account-not-active", "said": "closed"}},
        **changes,
    }

"""Builders: the smallest valid thing of each kind, with what a test cares about named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.configuration import Configuration, Timing
from functions.enrolment.decide import Circumstances
from functions.enrolment.membership import Membership, Observation, Status
from functions.enrolment.target import ServiceName, Target, Traits
from functions.enrolment.turn import Loop

if TYPE_CHECKING:
    from collections.abc import Sequence

ADMINISTRATOR = AccountId("111122223333")
MANAGEMENT = AccountId("999988887777")
ACCOUNT = AccountId("444455556666")
OTHER = AccountId("555566667777")
EMAIL = "root@example.com"
NOW = 1_800_000_000.0
TARGET = Target(ServiceName.GUARDDUTY, "eu-west-1")

TRAITS = {
    ServiceName.SECURITYHUB: Traits(
        create_invites=False, reinvites_removed=False, restarts=frozenset()
    ),
    ServiceName.GUARDDUTY: Traits(
        create_invites=False, reinvites_removed=True, restarts=frozenset({Status.DISABLED})
    ),
    ServiceName.DETECTIVE: Traits(
        create_invites=True,
        reinvites_removed=False,
        restarts=frozenset({Status.ACCEPTED_BUT_DISABLED}),
    ),
}


def a_membership(
    status: Status | None = None,
    mode: Mode = Mode.ORGANIZATION,
    account_id: AccountId = ACCOUNT,
    detail: str | None = None,
    at: float = NOW,
    **changes: Any,
) -> Membership:
    membership = Membership(account_id, mode, EMAIL)
    if status is not None:
        membership = membership.seen(Observation(account_id, status, str(status), detail), at)
    return replace(membership, **changes)


def circumstances(
    service: ServiceName = ServiceName.GUARDDUTY,
    after: float = 0,
    *,
    accepts: bool = False,
    timing: Timing | None = None,
) -> Circumstances:
    """What a decision rests on, ``after`` seconds from the target's first reading."""
    return Circumstances(NOW + after, timing or Timing(), TRAITS[service], accepts)


def a_loop(memberships: Sequence[Membership], target: Target = TARGET, **changes: Any) -> Loop:
    return replace(Loop("onboarding-1", target, tuple(memberships)), **changes)


def a_configuration(**changes: Any) -> Configuration:
    configuration = Configuration(regions=("eu-west-1", "us-east-1"), services=tuple(ServiceName))
    return replace(configuration, **changes)

"""Every reason why a membership is not Enabled: its stable code, its text, and the remedy.

docs/reasons.md is generated from this table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from functions.enrolment.membership import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping


class ReasonCode(StrEnum):
    """A reason for programs. Codes are never renamed; new ones may be added."""

    ADMINISTRATOR = "administrator"
    OUT_OF_SCOPE = "out-of-scope"
    ACCOUNT_PENDING = "account-pending-activation"
    ACCOUNT_NOT_ACTIVE = "account-not-active"
    NOT_DELEGATED = "not-delegated"
    REGION_NOT_ENABLED = "region-not-enabled"
    NOT_OFFERED = "service-not-offered"
    ADMINISTRATOR_NOT_READY = "administrator-not-ready"
    ADMINISTRATOR_REGION = "administrator-region-not-enabled"
    ACCESS_DENIED = "access-denied"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    EMAIL_UNUSABLE = "email-unusable"
    WRONG_EMAIL = "wrong-email"
    MEMBER_LIMIT = "member-limit"
    LEFT_OUT_BY_POLICY = "left-out-by-policy"
    POLICY_NOT_APPLIED = "policy-not-applied"
    POLICY_UNREADABLE = "policy-unreadable"
    OTHER_ADMINISTRATOR = "other-administrator"
    MANAGEMENT_ACCOUNT = "management-account-not-enabled"
    ACCOUNT_SUSPENDED = "account-suspended"
    REGION_DISABLED = "region-disabled"
    RESIGNED = "resigned"
    REMOVED = "removed"
    NOT_CREATED = "not-created"
    NOT_ENABLED = "not-enabled"
    NOT_VERIFIED = "not-verified"
    LEFT_HALF_WAY = "left-half-way"
    NOT_INVITED = "not-invited"
    NOT_ACCEPTED = "not-accepted"
    ACCEPTANCE_FAILED = "acceptance-failed"
    DECLINED = "invitation-declined"
    BEING_VERIFIED = "being-verified"
    MONITORING_OFF = "monitoring-off"
    PREREQUISITE = "prerequisite-skipped"
    GUARDDUTY = "guardduty-not-enabled"
    VOLUME_UNKNOWN = "volume-unknown"
    VOLUME_TOO_HIGH = "volume-too-high"
    UNREADABLE = "unreadable"
    UNKNOWN_STATUS = "unknown-status"
    NOT_READ = "not-read"
    OTHER_RUN = "other-run"
    DRY_RUN = "dry-run"
    STEP_FAILED = "step-failed"
    RUN_ENDED = "run-ended"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a membership is not Enabled: ``text`` for people, ``code`` for programs."""

    code: ReasonCode
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Meaning:
    """The text of a reason: what is the case (``what``) and what a person can do (``remedy``).

    Both are format strings. They may contain ``{service}``, ``{name}`` (the service's name in API
    calls), ``{prerequisite}`` (the service that comes before it), ``{region}``, ``{status}``,
    ``{said}`` (further detail, for example the service's own message), ``{also}`` (the same detail
    in brackets, or nothing), ``{take_out}`` (the calls that remove a member), ``{fix}`` (what to do
    about the last action), and ``{again}`` or ``{and_again}`` (start again, while a run is working
    on it only if that is over). ``outcomes`` are the outcomes that the reason occurs with, and
    ``WAITING``; a reason without any occurs only within another one. ``lasting``: the reason is
    followed by the time since which the status has lasted and by the last action.
    """

    what: str
    remedy: str = ""
    outcomes: tuple[str, ...] = field(kw_only=True)
    lasting: bool = True


# In addition to the outcomes: a membership in an interim result that has no outcome yet.
WAITING = "waiting"
_FAILED, _LATE, _SKIPPED = (Outcome.FAILED,), (Outcome.TIMED_OUT,), (Outcome.SKIPPED,)
_FAILED_OR_LATE = (*_FAILED, *_LATE)
_LATE_OR_WAITING = (*_LATE, WAITING)

_AGAIN = "start again"
_TAKE_OUT = "remove the member ({take_out} in {region} of the administrator account)"

MEANINGS: Mapping[ReasonCode, Meaning] = MappingProxyType(
    {
        ReasonCode.ADMINISTRATOR: Meaning(
            "the administrator account is not a member of itself",
            outcomes=(Outcome.SKIPPED, Outcome.FAILED),
            lasting=False,
        ),
        ReasonCode.OUT_OF_SCOPE: Meaning(
            "out of scope: {said}",
            "change the configuration's scope if the account is to be enrolled",
            outcomes=_SKIPPED,
            lasting=False,
        ),
        ReasonCode.ACCOUNT_PENDING: Meaning(
            "Organizations reports the account as {said}: it cannot be used yet",
            "complete its sign-up, and start again when it is ACTIVE",
            outcomes=_FAILED,
            lasting=False,
        ),
        ReasonCode.ACCOUNT_NOT_ACTIVE: Meaning(
            "Organizations reports the account as {said}",
            "start again if it becomes ACTIVE",
            outcomes=_SKIPPED,
            lasting=False,
        ),
        ReasonCode.NOT_DELEGATED: Meaning(
            "the administrator account is not the delegated administrator of {service} in {region}"
            "{also}",
            "call {name} EnableOrganizationAdminAccount in {region} from the management account,"
            " and start again",
            outcomes=_FAILED,
            lasting=False,
        ),
        ReasonCode.NOT_OFFERED: Meaning(
            "AWS does not offer {service} in {region}",
            "upgrade Rollcall if AWS offers it there now",
            outcomes=_SKIPPED,
            lasting=False,
        ),
        ReasonCode.REGION_NOT_ENABLED: Meaning(
            "the account has not opted in to {region}",
            "opt it in (account EnableRegion), and start again",
            outcomes=_SKIPPED,
            lasting=False,
        ),
        ReasonCode.ADMINISTRATOR_NOT_READY: Meaning(
            "{said}", "make that call, and start again", outcomes=_FAILED, lasting=False
        ),
        ReasonCode.ADMINISTRATOR_REGION: Meaning(
            "AWS does not accept the administrator account's credentials in {region}, an opt-in"
            " Region: {said}",
            "opt the administrator account in (account EnableRegion), and start again",
            outcomes=_FAILED,
            lasting=False,
        ),
        ReasonCode.ACCESS_DENIED: Meaning(
            "{said}",
            "allow Rollcall's role to make the call (also in service control policies), and start"
            " again",
            outcomes=_FAILED,
        ),
        ReasonCode.REFUSED: Meaning(
            "the service refused the request: {said}",
            "fix the cause it names, and start again",
            outcomes=_FAILED,
        ),
        ReasonCode.UNAVAILABLE: Meaning(
            "the call failed on every retry: {said}", _AGAIN, outcomes=_FAILED
        ),
        ReasonCode.EMAIL_UNUSABLE: Meaning(
            "{said}",
            "start again with the address of the account's root user; for an account of the"
            " organisation, the address in Organizations is used",
            outcomes=_FAILED,
        ),
        ReasonCode.WRONG_EMAIL: Meaning(
            "the e-mail address given is not the one of the account's root user",
            f"{_TAKE_OUT}, and start again with the right address",
            outcomes=_FAILED,
        ),
        ReasonCode.LEFT_OUT_BY_POLICY: Meaning(
            "{service} is not to be enabled for the account: {said}",
            "change the policy, or make the account self-managed, if it is to be enrolled",
            outcomes=_SKIPPED,
        ),
        ReasonCode.POLICY_NOT_APPLIED: Meaning(
            "{service} enables the account by its central configuration, and has not done so"
            " yet: {said}",
            "look at the policy's association with the account ({name}"
            " GetConfigurationPolicyAssociation in the home Region){and_again}",
            outcomes=_LATE_OR_WAITING,
        ),
        ReasonCode.POLICY_UNREADABLE: Meaning(
            "{service} is configured by policies, and whether one enables the account or leaves it"
            " out is not known: {said}",
            "fix the cause it names, and start again",
            outcomes=_LATE,
        ),
        ReasonCode.MEMBER_LIMIT: Meaning(
            "the administrator has reached the limit of {service} on members or data volume:"
            " {said}",
            "raise the quota or delete members, and start again",
            outcomes=_FAILED,
        ),
        ReasonCode.OTHER_ADMINISTRATOR: Meaning(
            "the account belongs to another administrator: {said}",
            "disassociate it from that administrator, and start again",
            outcomes=_FAILED,
        ),
        ReasonCode.MANAGEMENT_ACCOUNT: Meaning(
            "the management account must enable {service} itself before it can be a member",
            "enable it in {region} of the management account, and start again",
            outcomes=_SKIPPED,
        ),
        ReasonCode.ACCOUNT_SUSPENDED: Meaning(
            "{service} reports the account as suspended{also}",
            "start again when {service} no longer does; if AWS has lifted the suspension already,"
            " contact AWS Support",
            outcomes=_FAILED_OR_LATE,
        ),
        ReasonCode.REGION_DISABLED: Meaning(
            "{service} reports {region} as disabled for the account{also}",
            "check that the account has opted in to it (account GetRegionOptStatus), and start"
            " again",
            outcomes=_FAILED_OR_LATE,
        ),
        ReasonCode.RESIGNED: Meaning(
            "the member account left by itself, which Rollcall does not override",
            f"ask its owner; {_TAKE_OUT}, and start again",
            outcomes=_FAILED,
        ),
        ReasonCode.REMOVED: Meaning(
            "the administrator disassociated the account, and Rollcall could not add it again",
            f"{_TAKE_OUT}, and start again",
            outcomes=_LATE,
        ),
        ReasonCode.NOT_CREATED: Meaning(
            "the account could not be made a member",
            "{fix}",
            outcomes=_LATE,
        ),
        ReasonCode.NOT_ENABLED: Meaning(
            "{service} has not enabled the account",
            "{again}",
            outcomes=_LATE_OR_WAITING,
        ),
        ReasonCode.NOT_VERIFIED: Meaning(
            "{service} could not verify the account, which belongs to the organisation",
            f"{_TAKE_OUT}, and start again",
            outcomes=_LATE,
        ),
        ReasonCode.LEFT_HALF_WAY: Meaning(
            "the account belongs to the organisation and was already a member, but not enabled,"
            " and creating it again did not change that",
            f"{_TAKE_OUT}, and start again",
            outcomes=_LATE_OR_WAITING,
        ),
        ReasonCode.NOT_INVITED: Meaning(
            "the account was created as a member, but {service} shows no invitation",
            "{fix}",
            outcomes=_LATE,
        ),
        ReasonCode.NOT_ACCEPTED: Meaning(
            "nobody has accepted the invitation",
            "accept it in {region} of the account{and_again}",
            outcomes=_LATE_OR_WAITING,
        ),
        ReasonCode.ACCEPTANCE_FAILED: Meaning(
            "the invitation was not accepted, and Rollcall could not accept it through the member"
            " role",
            "fix what the last try says, or accept it in {region} of the account{and_again}",
            outcomes=_LATE_OR_WAITING,
        ),
        ReasonCode.DECLINED: Meaning(
            "the invitation no longer exists: the account declined or deleted it, or somebody"
            " deleted the member{also}",
            "ask its owner, and start again",
            outcomes=_FAILED_OR_LATE,
        ),
        ReasonCode.BEING_VERIFIED: Meaning(
            "{service} is still checking the account",
            "start again if the check does not end",
            outcomes=_LATE,
        ),
        ReasonCode.MONITORING_OFF: Meaning(
            "the account is a member whose monitoring is off{also}",
            "{fix}",
            outcomes=_LATE,
        ),
        ReasonCode.PREREQUISITE: Meaning(
            "{service} needs {prerequisite}. {prerequisite} in {region} was {said}",
            "enable {prerequisite} for the account, and start again",
            outcomes=(*_SKIPPED, WAITING),
            lasting=False,
        ),
        ReasonCode.GUARDDUTY: Meaning(
            "Detective needs GuardDuty's data of the account. GuardDuty in {region} {said}",
            "fix that{and_again}",
            outcomes=(*_FAILED_OR_LATE, WAITING),
        ),
        ReasonCode.VOLUME_UNKNOWN: Meaning(
            "Detective does not ingest the account's data{also}, usually because the account is not"
            " in GuardDuty",
            "make sure that GuardDuty is enabled for it in {region}{and_again}",
            outcomes=_LATE_OR_WAITING,
        ),
        ReasonCode.VOLUME_TOO_HIGH: Meaning(
            "the account's data volume is too high for the behavior graph (VOLUME_TOO_HIGH)",
            "lower the graph's volume, and start again",
            outcomes=_FAILED,
        ),
        ReasonCode.UNREADABLE: Meaning(
            "the response of {service} does not show whether the account is a member{also}",
            "fix the cause it names, and start again",
            outcomes=_LATE,
        ),
        ReasonCode.UNKNOWN_STATUS: Meaning(
            "{service} reports the status {status}, which Rollcall does not know",
            "look up what it means, and start again",
            outcomes=_LATE,
        ),
        ReasonCode.NOT_READ: Meaning("not read yet", outcomes=(), lasting=False),
        ReasonCode.OTHER_RUN: Meaning("{said}", outcomes=_SKIPPED, lasting=False),
        ReasonCode.DRY_RUN: Meaning("dry run: would {said}", outcomes=_SKIPPED, lasting=False),
        ReasonCode.STEP_FAILED: Meaning(
            "a step of Rollcall failed: {said}", _AGAIN, outcomes=_FAILED
        ),
        ReasonCode.RUN_ENDED: Meaning(
            "the run ended before this was done: {said}", _AGAIN, outcomes=_FAILED
        ),
        # Reasons recorded by earlier versions have no code.
        ReasonCode.OTHER: Meaning("{said}", outcomes=(*_FAILED_OR_LATE, Outcome.SKIPPED)),
    }
)

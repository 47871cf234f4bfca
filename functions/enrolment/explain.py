"""Explains why a membership is not Enabled: the cause, since when, the last action, what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from functions.enrolment.account import Mode
from functions.enrolment.automation import Automatic
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    CredentialsRefused,
)
from functions.enrolment.membership import ENABLED, Action, Outcome, Status, Verdict
from functions.enrolment.reason import MEANINGS, Reason, ReasonCode
from functions.enrolment.regions import is_opt_in
from functions.enrolment.text import one_line, redact
from functions.enrolment.times import iso

if TYPE_CHECKING:
    from functions.enrolment.errors import Permanent
    from functions.enrolment.membership import Answer, Attempt, Membership

_LONGEST_QUOTE = 400
_BY_AUTOMATION = {
    Automatic.LEFT_OUT: ReasonCode.LEFT_OUT_BY_POLICY,
    Automatic.NOT_DELEGATED: ReasonCode.NOT_DELEGATED,
}
_IF_MISSING = {
    Automatic.POLICY: ReasonCode.POLICY_NOT_APPLIED,
    Automatic.POLICY_UNKNOWN: ReasonCode.POLICY_UNREADABLE,
}
_ABOUT_AUTOMATION = frozenset({*_BY_AUTOMATION.values(), *_IF_MISSING.values()})
_CONTRADICTING_FACTS = {
    ReasonCode.ACCOUNT_SUSPENDED: "Organizations said ACTIVE when the run began",
    ReasonCode.REGION_DISABLED: "it was enabled when the run began",
}
# What to do last: a reason that is published while the run goes on is read later, too.
_ENDED = {
    True: {"again": "start again", "and_again": ", and start again"},
    False: {
        "again": "start again if this run is over",
        "and_again": "; start again if this run is over",
    },
}
_BY_STATUS = {
    Status.RESIGNED: ReasonCode.RESIGNED,
    Status.VERIFICATION_FAILED: ReasonCode.WRONG_EMAIL,
    Status.ACCOUNT_SUSPENDED: ReasonCode.ACCOUNT_SUSPENDED,
    Status.REGION_DISABLED: ReasonCode.REGION_DISABLED,
    Status.MANAGEMENT_NOT_ENABLED: ReasonCode.MANAGEMENT_ACCOUNT,
    Status.VERIFYING: ReasonCode.BEING_VERIFIED,
    Status.DISABLED: ReasonCode.MONITORING_OFF,
    Status.PAUSED: ReasonCode.MONITORING_OFF,
}


def explain(
    code: ReasonCode, membership: Membership, said: str = "", *, ended: bool = True
) -> Reason:
    """The reason for one membership; ``said`` is further detail.

    ``ended``: no run is working on it any more. The text holds for as long as it is stored: it has
    times, and no durations.
    """
    meaning = MEANINGS[code]
    target = membership.target
    names = {
        "service": target.service.label,
        "name": target.service.name,
        "prerequisite": target.service.comes_after.label if target.service.comes_after else "",
        "region": target.region,
        "status": membership.raw,
        "said": said,
        "also": f" ({said})" if said else "",
        "take_out": _removal(membership),
        "fix": _fix(membership),
        **_ENDED[ended],
    }
    parts = [meaning.what.format(**names)]
    if meaning.lasting:
        contained = "{said}" in meaning.what or "{also}" in meaning.what
        parts += [_since(membership), _last_action(membership, said if contained else "")]
    if meaning.remedy:
        parts.append(f"to do: {meaning.remedy.format(**names)}")
    # The text may quote the configuration or a service, and thereby an e-mail address.
    return Reason(code, redact("; ".join(filter(None, parts))))


def waiting_for(membership: Membership, awaited: Membership | None = None) -> Reason:
    """Why a membership that has no outcome yet is not Enabled.

    ``awaited`` is, for a target that comes after another one, the account's membership there.
    """
    code = _code(membership, awaited)
    return explain(code, membership, _detail(code, membership, awaited), ended=False)


def why_ended(
    membership: Membership, awaited: Membership | None = None, *, healed: bool = False
) -> Reason:
    """The reason for a membership that a run ends because of its status.

    ``awaited`` is as of ``waiting_for``. ``healed``: facts looked up when the run began contradict
    the status.
    """
    code = _code(membership, awaited)
    contradiction = _CONTRADICTING_FACTS.get(code) if healed else None
    return explain(code, membership, contradiction or _detail(code, membership, awaited))


def as_found(code: ReasonCode, membership: Membership, awaited: Membership | None = None) -> Reason:
    """The reason for a status of which one reading is known, and not since when it lasts.

    ``awaited`` as in ``waiting_for``.
    """
    said = _detail(code, membership, awaited)
    return explain(code, replace(membership, transitions=()), said)


def refused(membership: Membership, answer: Answer) -> Reason:
    """The reason for a membership that a service's answer ends."""
    return explain(answer.code or ReasonCode.REFUSED, membership, answer.text)


def reason_code_of(error: Permanent, region: str) -> ReasonCode:
    """The reason code for an error of a call in the administrator account in a Region."""
    match error:
        case CredentialsRefused() if is_opt_in(region):
            return ReasonCode.ADMINISTRATOR_REGION
        case AccessDenied():
            return ReasonCode.ACCESS_DENIED
        case AdministratorNotReady():
            return ReasonCode.ADMINISTRATOR_NOT_READY
        case _:
            return ReasonCode.REFUSED


def answer_of(attempt: Attempt) -> str:
    """What a service answered to an action, for people."""
    match attempt.answer:
        case None:
            return "no answer"
        case answer if answer.verdict is Verdict.TAKEN:
            return "done"
        case answer if answer.verdict is Verdict.BENIGN:
            return "done before"
        case answer:
            return answer.text


def _detail(code: ReasonCode, membership: Membership, awaited: Membership | None) -> str:
    match code:
        case _ if membership.automation is not None and code in _ABOUT_AUTOMATION:
            return membership.automation.said
        case ReasonCode.GUARDDUTY | ReasonCode.PREREQUISITE if awaited is not None:
            return _awaited_state(awaited)
        case ReasonCode.DECLINED:
            transitions = reversed(membership.transitions)
            last = next(t for t in transitions if t.status != membership.raw)
            return f"{last.status} from {iso(last.at, 'seconds')}"
        case ReasonCode.UNREADABLE if len(membership.transitions) > 1:
            return f"{membership.detail}; it was {membership.transitions[-2].status}"
        case _:
            return membership.detail or ""


def _code(membership: Membership, awaited: Membership | None) -> ReasonCode:
    if awaited is not None and awaited.outcome is Outcome.SKIPPED:
        return ReasonCode.PREREQUISITE
    outside = membership.mode is Mode.INVITATION
    special = _outside(membership) if outside else _in_organization(membership)
    if special is not None:
        return special
    match membership.status:
        case None:
            return ReasonCode.NOT_READ
        case Status.ACCEPTED_BUT_DISABLED:
            return _volume(membership, awaited)
        case Status.UNKNOWN:
            unread = membership.raw == Status.UNKNOWN
            return ReasonCode.UNREADABLE if unread else ReasonCode.UNKNOWN_STATUS
        case status:
            return _BY_STATUS.get(status, ReasonCode.NOT_CREATED)


def _outside(membership: Membership) -> ReasonCode | None:
    """The reason code of a status if it only applies to accounts outside the organisation."""
    match membership.status:
        case Status.ABSENT | Status.DELETED | Status.CREATED if membership.was_invited:
            return ReasonCode.DECLINED
        case Status.CREATED:
            return ReasonCode.NOT_INVITED
        case Status.REMOVED:
            return ReasonCode.REMOVED
        case Status.INVITED:
            attempt = membership.attempts.get(Action.ACCEPT)
            if attempt is None:
                return ReasonCode.NOT_ACCEPTED
            return ReasonCode.NOT_ENABLED if attempt.done else ReasonCode.ACCEPTANCE_FAILED
        case _:
            return None


def _in_organization(membership: Membership) -> ReasonCode | None:
    """The reason code of a status if it only applies to accounts of the organisation."""
    automatic = membership.automation.kind if membership.automation else None
    if automatic in _BY_AUTOMATION:
        return _BY_AUTOMATION[automatic]
    if automatic in _IF_MISSING and membership.is_missing:
        return _IF_MISSING[automatic]
    match membership.status:
        case Status.VERIFICATION_FAILED:
            return ReasonCode.NOT_VERIFIED
        case Status.CREATED | Status.INVITED:
            found = membership.transitions[0].status == membership.raw
            return ReasonCode.LEFT_HALF_WAY if found else ReasonCode.NOT_ENABLED
        case _:
            return None


def _volume(membership: Membership, awaited: Membership | None) -> ReasonCode:
    if membership.detail == "VOLUME_TOO_HIGH":
        return ReasonCode.VOLUME_TOO_HIGH
    if awaited is not None and awaited.outcome not in ENABLED:
        return ReasonCode.GUARDDUTY
    return ReasonCode.VOLUME_UNKNOWN


def _awaited_state(awaited: Membership) -> str:
    """The outcome of the membership that comes first, or what it is waiting for."""
    word = str(awaited.outcome) if awaited.outcome is not None else "waits"
    what, *_ = str(awaited.reason or waiting_for(awaited)).split("; ")
    return one_line(f"{word}: {what}", _LONGEST_QUOTE)


def _removal(membership: Membership) -> str:
    """The calls that remove the member."""
    service = membership.target.service
    inside = membership.mode is Mode.ORGANIZATION
    return f"{service.name} {(inside and service.organization_removal) or service.removal}"


def _fix(membership: Membership) -> str:
    """What to do about the last action of this run."""
    tried = [(a.at, a.done) for a in membership.attempts.values() if a.count]
    if not tried:
        return "start again"
    _, done = max(tried)
    if done:
        return "start again, or ask AWS Support"
    return "fix what the last try says, and start again"


def _since(membership: Membership) -> str:
    if not membership.transitions:
        return ""
    return f"{membership.raw} since {iso(membership.transitions[-1].at, 'seconds')}"


def _last_action(membership: Membership, said: str) -> str:
    """The last action of this run and its result, unless the reason already contains that text."""
    tried = {action: attempt for action, attempt in membership.attempts.items() if attempt.count}
    if not tried:
        return ""
    last = max(tried, key=lambda action: tried[action].at)
    result = answer_of(tried[last])
    words = f"last tried: {last} at {iso(tried[last].at, 'seconds')}"
    return f"{words}: {result}" if result and result != said else words

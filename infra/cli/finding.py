"""What is said of one account at one target: why it is not enabled, and what to do. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.enrolment.account import Mode
from functions.enrolment.automation import Automatic
from functions.enrolment.coverage import State
from functions.enrolment.decide import Circumstances, deadline
from functions.enrolment.explain import waiting_for
from functions.enrolment.membership import ENABLED, Action, Status
from functions.enrolment.reconcile import has_failed
from functions.enrolment.times import iso
from infra.cli.story import ago, history, remedy_of, told_attempts, told_transitions, what_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from functions.enrolment.configuration import Configuration
    from functions.enrolment.coverage import Cell
    from functions.enrolment.membership import Membership
    from functions.enrolment.reason import Reason
    from functions.enrolment.records import OnboardingRecord
    from functions.enrolment.target import Target

_WOULD = {
    Action.CREATE: "create the member",
    Action.INVITE: "invite the account",
    Action.ACCEPT: "accept the invitation",
    Action.RESTART: "start monitoring the member again",
    Action.WAIT: "wait for the service",
}
_NEW_RUN, _AGAIN = "start a run", "start again"


@dataclass(frozen=True, slots=True)
class Finding:
    """One account at one target at the time ``now`` (epoch seconds).

    ``joined_at`` is when the account joined the organisation, None outside it. ``row`` is the
    membership as the run that took it last has recorded it, ``holder`` that run's record, both None
    if there are none. ``at_work``: that run is working on it.
    """

    cell: Cell
    mode: Mode
    joined_at: float | None
    row: Membership | None
    holder: OnboardingRecord | None
    at_work: bool
    now: float
    configuration: Configuration

    @property
    def enabled_at(self) -> float | None:
        """When a run ended it Enabled, if it is a gap now: it has changed since."""
        row = self.row
        gone = self.cell.state is State.GAP and row is not None and row.outcome in ENABLED
        return row.settled_at if gone and row is not None else None

    @property
    def reason(self) -> Reason | None:
        """Why it is not Enabled: what it waits for, why a run would end it at once, or why the last
        run did if the service reports the same as then.
        """
        if self.cell.state is State.ENABLED:
            return None
        if self.at_work and self.row is not None:
            return waiting_for(self.row)
        if self.cell.reason is not None:
            return self.cell.reason
        row = self.row
        return row.reason if row and has_failed(row, self.cell, self.joined_at) else None

    @property
    def waits_until(self) -> float | None:
        """When the run that is working on it gives it up at the latest."""
        if not self.at_work or self.row is None or not self.row.transitions:
            return None
        accepts = self.configuration.invitation.member_role is not None
        return deadline(self.row, Circumstances(self.now, self.configuration.timing, accepts))


def sentences(finding: Finding) -> dict[str, str]:
    """What to tell people, by label."""
    told = {
        "Now": _now(finding),
        "Should be": _should_be(finding),
        "Why": _why(finding),
        "Changed": _changed(finding),
        **_history(finding),
        "A new run would": _prospect(finding),
        "To do": to_do(finding),
    }
    return {label: text for label, text in told.items() if text}


def to_do(finding: Finding) -> str:
    """What a person can do."""
    state, reason = finding.cell.state, finding.reason
    remedy = remedy_of(str(reason)) if reason is not None else ""
    if finding.at_work and finding.row is not None:
        run_id = finding.row.onboarding_id
        run = f"run {run_id} is working on it (rollcall watch {run_id})"
        for when_over in ("; start again if this run is over", ", and start again"):
            remedy = remedy.removesuffix(when_over)
        waits = not remedy or remedy.startswith(_AGAIN)
        return f"nothing: {run}" if waits else f"{remedy}; {run}"
    if state is State.LEFT_OUT:
        return f"nothing, unless it is to be enabled: {remedy}" if remedy else "nothing"
    if state is State.UNREAD:
        return remedy.replace("start again", "read again") or "read again"
    if finding.mode is Mode.INVITATION:
        return f"{remedy or _NEW_RUN}; FILE is a CSV file with the columns id and email"
    return remedy or _NEW_RUN


def command(finding: Finding) -> str | None:
    """The command that starts a run for it; None if no run would help now."""
    lines = list(commands(finding, [finding.cell.target]))
    return lines[0] if lines else None


def commands(finding: Finding, targets: Iterable[Target]) -> Iterator[str]:
    """The commands that start runs for these targets, all of one account in the same situation."""
    says_again = "start again" in to_do(finding) or _NEW_RUN in to_do(finding)
    if finding.at_work or finding.cell.state is State.UNREAD or not says_again:
        return
    if finding.cell.action is Action.STOP and remedy_of(str(finding.reason)).startswith(_AGAIN):
        return  # a run would end it again: there is nothing to do first
    services: dict[str, list[str]] = {}
    for target in sorted(targets):
        services.setdefault(target.region, []).append(str(target.service))
    regions: dict[tuple[str, ...], list[str]] = {}
    for region, there in services.items():
        regions.setdefault(tuple(there), []).append(region)
    all_services = {str(service) for service in finding.configuration.services}
    # An account outside the organisation needs its e-mail address, which is in no document.
    who = finding.cell.account_id if finding.mode is Mode.ORGANIZATION else "--file FILE"
    for same, where in regions.items():
        options = [] if set(same) == all_services else [f"--service {each}" for each in same]
        if set(where) != set(finding.configuration.regions):
            options += [f"--region {each}" for each in where]
        yield " ".join(("rollcall start", who, *options))


def finding_document(finding: Finding) -> dict[str, Any]:
    """The finding for programs (docs/cli/why.schema.json)."""
    cell, row, holder, reason = finding.cell, finding.row, finding.holder, finding.reason
    until, enabled_at = finding.waits_until, finding.enabled_at
    by_itself = cell.automation
    return {
        "state": str(cell.state),
        "status": cell.raw or None,
        "action": None if cell.action is None else str(cell.action),
        "automation": None if by_itself is None else str(by_itself.kind),
        "reason": None if reason is None else reason.text,
        "reason_code": None if reason is None else str(reason.code),
        "enabled_at": None if enabled_at is None else iso(enabled_at),
        "last_run": None
        if row is None
        else {
            "id": row.onboarding_id,
            "source": holder.source if holder else None,
            "at_work": finding.at_work,
            "waits_until": None if until is None else iso(until),
            "taken_at": iso(row.taken_at),
            **history(row),
            "outcome": None if row.outcome is None else str(row.outcome),
            "reason": None if row.reason is None else row.reason.text,
            "reason_code": None if row.reason is None else str(row.reason.code),
            "ended_at": None if row.settled_at is None else iso(row.settled_at),
        },
        "to_do": None if cell.state is State.ENABLED else to_do(finding),
        "command": None if cell.state is State.ENABLED else command(finding),
    }


def _now(finding: Finding) -> str:
    cell = finding.cell
    if cell.state is State.UNREAD:
        return f"not known: {what_of(str(cell.reason))}"
    if cell.raw == Status.ABSENT:
        return "the service does not have the account as a member"
    return f"the service reports the account as {cell.raw}"


def _should_be(finding: Finding) -> str:
    cell = finding.cell
    if cell.state is State.UNREAD:
        return ""
    if cell.state is State.LEFT_OUT:
        return f"not enabled: {what_of(str(cell.reason))}"
    by_itself = cell.automation
    if by_itself is None:
        return "enabled"
    if by_itself.kind is Automatic.UNKNOWN:
        return f"enabled; {by_itself.said}"
    return f"enabled; the service's own setting: {by_itself.said}"


def _why(finding: Finding) -> str:
    if finding.cell.state is not State.GAP or finding.reason is None:
        return ""
    return what_of(str(finding.reason))


def _changed(finding: Finding) -> str:
    at = finding.enabled_at
    if at is None:
        return ""
    return f"it was enabled at {ago(at, finding.now)}, and is {finding.cell.raw} now"


def _history(finding: Finding) -> dict[str, str]:
    """What the run that took it last has done, by label."""
    row, now = finding.row, finding.now
    if row is None:
        return {} if finding.cell.state is State.LEFT_OUT else {"Tried": "never, by any run"}
    seen = history(row)
    began = ago(row.transitions[0].at if row.transitions else row.taken_at, now)
    source = f" ({finding.holder.source})" if finding.holder and finding.holder.source else ""
    run, until = row.onboarding_id + source, finding.waits_until
    if finding.at_work:
        until_then = f"; it gives up at {ago(until, now)} at the latest" if until else ""
        told = {"In progress": f"{run}, since {began}{until_then}"}
    else:
        told = {"Last run": f"{run}, from {began}"}
    told |= {"It read": told_transitions(seen), "It tried": "; ".join(told_attempts(seen))}
    if row.outcome is not None and row.settled_at is not None:
        told_before = row.reason is None or row.reason == finding.reason
        why = "" if told_before else f": {what_of(str(row.reason))}"
        told["It ended"] = f"{row.outcome} at {ago(row.settled_at, now)}{why}"
    elif not finding.at_work:
        told["It ended"] = "before it had an outcome"
    return told


def _prospect(finding: Finding) -> str:
    cell = finding.cell
    if finding.at_work or cell.state is not State.GAP:
        return ""
    return _WOULD.get(cell.action or Action.STOP, "end it at once, for the reason above")

"""The result of an onboarding, final or interim, as it is published."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from functions.enrolment.automation import Automatic
from functions.enrolment.explain import explain, waiting_for
from functions.enrolment.membership import ENABLED, UNSUCCESSFUL, Outcome
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.times import duration, iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from functions.enrolment.account import AccountId
    from functions.enrolment.membership import Membership, MembershipKey
    from functions.enrolment.records import OnboardingRecord

VERSION = "1"
# The name of the error that the execution of a published run fails with.
INCOMPLETE_ERROR = "OnboardingIncomplete"
# Events and messages hold 256 KiB; a message contains the document as a string, escaped again.
MOST_BYTES = 120 * 1024
_MOST_LINES = 60
_MOST_NOTES = 20
# Failed and timed out first, then waiting, then skipped, then enabled.
_RANKS: Mapping[Outcome | None, int] = MappingProxyType(
    {
        Outcome.FAILED: 0,
        Outcome.TIMED_OUT: 0,
        None: 1,
        Outcome.SKIPPED: 2,
        Outcome.ENABLED: 3,
        Outcome.ALREADY_ENABLED: 3,
    }
)
_ENABLES = (Automatic.NEW, Automatic.ALL, Automatic.POLICY)


class RunOutcome(StrEnum):
    """How a run ended, or that it has not ended.

    ``COMPLETE`` and ``INCOMPLETE`` as ``Result.complete`` says; ``FAILED``: it ended early.
    """

    WAITING = "waiting"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a run at the time ``at`` (epoch seconds).

    ``memberships`` are its own, ``left`` those that belong to another run. ``failure`` says why the
    run ended early, for example because planning failed; ``notes`` say what could not be looked up.
    ``final`` is False for the interim result, while waiting for people or slow checks.
    """

    onboarding: OnboardingRecord
    memberships: tuple[Membership, ...]
    at: float
    left: tuple[Membership, ...] = ()
    notes: tuple[str, ...] = ()
    failure: str | None = None
    final: bool = True

    @property
    def all(self) -> tuple[Membership, ...]:
        """Every membership that the run covers; those left to another run are skipped."""
        return (*self.memberships, *(_left_to(m, self.at) for m in self.left))

    @property
    def waiting(self) -> int:
        """How many memberships have no outcome yet."""
        return sum(membership.outcome is None for membership in self.memberships)

    @property
    def watch(self) -> tuple[str, ...]:
        """The runs that are still working on memberships that were left to them."""
        at_work = {m.onboarding_id for m in self.left if m.outcome is None}
        return tuple(sorted(at_work))

    @property
    def complete(self) -> bool:
        """Whether nothing failed or timed out, and not everything was left to a run in progress.

        Skipped memberships do not make a run incomplete.
        """
        if self.failure is not None or self.waiting:
            return False
        has_own_work = any(m.outcome is not Outcome.SKIPPED for m in self.memberships)
        if self.watch and not has_own_work:
            return False
        return not any(membership.outcome in UNSUCCESSFUL for membership in self.memberships)

    @property
    def outcome(self) -> RunOutcome:
        """How the run ended, in one word."""
        if not self.final:
            return RunOutcome.WAITING
        if self.failure is not None:
            return RunOutcome.FAILED
        return RunOutcome.COMPLETE if self.complete else RunOutcome.INCOMPLETE

    @property
    def failed_accounts(self) -> tuple[AccountId, ...]:
        """The accounts with a membership that failed or timed out.

        If the run ended early, also those that it had no membership of yet.
        """
        failed = {m.account_id for m in self.memberships if m.outcome in UNSUCCESSFUL}
        if self.failure is not None:
            failed |= set(self.onboarding.accounts) - {m.account_id for m in self.all}
        return tuple(sorted(failed))

    @property
    def all_notes(self) -> tuple[str, ...]:
        """What could not be looked up, and what the services did by themselves."""
        return (*self.notes, *_automation_notes(self.memberships))

    @property
    def seconds_to_enabled(self) -> dict[str, list[float]]:
        """How long each membership took that this run enabled, by the service's name."""
        taken: dict[str, list[float]] = {}
        for membership in self.memberships:
            seconds = _seconds(membership)
            if membership.outcome is Outcome.ENABLED and seconds is not None:
                taken.setdefault(membership.target.service.name, []).append(seconds)
        return taken

    @property
    def counts(self) -> dict[str, int]:
        """The number of memberships by outcome, including outcomes with 0."""
        counted = Counter(membership.outcome for membership in self.all)
        return {str(outcome): counted[outcome] for outcome in Outcome}


def result_document(result: Result, most_bytes: int | None = None) -> dict[str, Any]:
    """The result for programs (docs/onboarding.schema.json).

    ``memberships`` begins with those that are not enabled and holds as many as fit into
    ``most_bytes``; ``omitted`` counts the rest. Times are ISO 8601 in UTC.
    """
    onboarding = result.onboarding
    reasons = _reasons(result)
    entries = [_entry(m, reasons[m.key]) for m in _in_order(result.all)]
    document: dict[str, Any] = {
        "version": VERSION,
        "onboarding_id": onboarding.id,
        "source": onboarding.source,
        "dry_run": onboarding.dry_run,
        "final": result.final,
        "complete": result.complete,
        "outcome": str(result.outcome),
        "started_at": iso(onboarding.started_at),
        "ended_at": iso(result.at) if result.final else None,
        "as_of": iso(result.at),
        "accounts": list(onboarding.accounts),
        "failed_accounts": list(result.failed_accounts),
        "counts": result.counts,
        "waiting": result.waiting,
        "watch": list(result.watch),
        "failure": result.failure,
        "notes": list(result.all_notes),
        "memberships": [],
        "omitted": len(entries),
    }
    room = None if most_bytes is None else most_bytes - size_of(document)
    fitting = as_many_as_fit(entries, room)
    return {**document, "memberships": fitting, "omitted": len(entries) - len(fitting)}


def result_line(result: Result) -> str:
    """The result in one line, for the message's subject and the execution's cause."""
    number = len(result.onboarding.accounts)
    accounts = "1 account" if number == 1 else f"{number} accounts"
    dry_run = " (dry run)" if result.onboarding.dry_run else ""
    counted = [f"{count} {outcome}" for outcome, count in result.counts.items() if count]
    if result.waiting:
        counted.append(f"{result.waiting} waiting")
    said = ", ".join(counted) or ("" if result.failure else "nothing to enrol")
    watch = f"watch onboarding {', '.join(result.watch)}" if result.watch else ""
    parts = (accounts if number else "", said, result.failure or "", watch)
    return f"Rollcall{dry_run}: {': '.join(filter(None, parts))}"


def result_text(result: Result) -> str:
    """The result for people: what is not enabled, failures first, each with its reason."""
    onboarding, took = result.onboarding, duration(result.at - result.onboarding.started_at)
    lines = [
        result_line(result),
        f"Onboarding {onboarding.id}, {onboarding.source}, "
        + (f"took {took}." if result.final else f"after {took}; the final result follows."),
    ]
    reasons = _reasons(result)
    named = [m for m in _in_order(result.all) if m.outcome not in ENABLED]
    if named:
        lines.append("")
    lines += [
        f"{m.account_id}  {m.target.service.label}  {m.target.region}  "
        f"{m.outcome or 'waiting'}: {reasons[m.key]}"
        for m in named[:_MOST_LINES]
    ]
    if len(named) > _MOST_LINES:
        lines.append(f"... and {len(named) - _MOST_LINES} more; the complete document has them.")
    lines += [f"Note: {note}." for note in result.all_notes]
    return "\n".join(lines)


def _automation_notes(memberships: Iterable[Membership]) -> tuple[str, ...]:
    """What a result says of the services' own doing: what they enabled, and what is unknown."""
    enabled: Counter[tuple[str, str]] = Counter()
    unread: list[str] = []
    for membership in memberships:
        automation, service = membership.automation, membership.target.service.label
        if automation is None:
            continue
        if automation.kind is Automatic.UNKNOWN:
            unread.append(f"{service}: {automation.said}")
        elif (
            membership.outcome is Outcome.ENABLED
            and automation.kind in _ENABLES
            and not any(attempt.count for attempt in membership.attempts.values())
        ):
            enabled[service, automation.said] += 1
    notes = [
        f"{service} itself enabled {number} of the memberships ({said})"
        for (service, said), number in enabled.items()
    ]
    return (*notes, *dict.fromkeys(unread))[:_MOST_NOTES]


def _left_to(membership: Membership, now: float) -> Membership:
    """A membership of another run, as skipped in this run's result at ``now``."""
    run = f"onboarding {membership.onboarding_id}"
    if membership.taken_at > now:
        said = f"{run} took this membership at {iso(membership.taken_at)}"
    elif membership.outcome is None or (membership.settled_at or now) > now:
        said = f"{run} has this membership in progress"
    elif membership.outcome in ENABLED:
        said = f"{run} found it Enabled at {iso(membership.settled_at or now)}"
    else:
        said = f"{run} had this membership: {membership.outcome}: {membership.reason}"
    reason = explain(ReasonCode.OTHER_RUN, membership, said)
    return replace(membership, attempts={}, transitions=(), transition_count=0).settled(
        Outcome.SKIPPED, reason, now
    )


def _reasons(result: Result) -> dict[MembershipKey, Reason | None]:
    """The reason of each membership; without an outcome, what it is waiting for."""
    known = {membership.key: membership for membership in (*result.memberships, *result.left)}
    return {
        m.key: waiting_for(m, _awaited(m, known)) if m.outcome is None else m.reason
        for m in result.all
    }


def _awaited(
    membership: Membership, known: Mapping[MembershipKey, Membership]
) -> Membership | None:
    first = membership.target.comes_after
    return None if first is None else known.get((membership.account_id, first))


def _in_order(memberships: Iterable[Membership]) -> list[Membership]:
    return sorted(memberships, key=lambda m: (_RANKS[m.outcome], m.account_id, m.target.key))


def _entry(membership: Membership, reason: Reason | None) -> dict[str, Any]:
    transitions = membership.transitions
    return {
        "account_id": membership.account_id,
        "service": membership.target.service.name,
        "region": membership.target.region,
        "mode": str(membership.mode),
        "outcome": membership.outcome,
        "status": membership.raw or None,
        "automation": membership.automation.kind if membership.automation else None,
        "reason": reason.text if reason else None,
        "reason_code": reason.code if reason else None,
        "attempts": {
            str(a): tried.count for a, tried in membership.attempts.items() if tried.count
        },
        "transitions": [{"status": t.status, "at": iso(t.at)} for t in transitions],
        "transitions_omitted": membership.transition_count - len(transitions),
        "seconds": _seconds(membership),
    }


def _seconds(membership: Membership) -> float | None:
    """The seconds from the first reading to the outcome; None without an outcome."""
    transitions, ended = membership.transitions, membership.settled_at
    began = transitions[0].at if transitions else ended
    return round(ended - began, 3) if began is not None and ended is not None else None


def as_many_as_fit(entries: list[dict[str, Any]], room: int | None) -> list[dict[str, Any]]:
    """The first entries of a JSON list that take no more than ``room`` bytes, None for any."""
    if room is None:
        return entries
    fitting = []
    for entry in entries:
        room -= size_of(entry) + len(", ")
        if room < 0:
            break
        fitting.append(entry)
    return fitting


def size_of(value: object) -> int:
    """The bytes of a value as JSON."""
    return len(json.dumps(value).encode())

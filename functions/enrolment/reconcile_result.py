"""The result of a reconcile as it is published (docs/reconcile.schema.json)."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from functions.enrolment.coverage import State, state_after
from functions.enrolment.documents import Planned
from functions.enrolment.explain import waiting_for
from functions.enrolment.handover import onboarding_id
from functions.enrolment.known_gaps import since_of
from functions.enrolment.membership import ENABLED
from functions.enrolment.reconcile import Verdict
from functions.enrolment.reconcile_plan import COUNTED, StoredGap, place
from functions.enrolment.results import as_many_as_fit, size_of
from functions.enrolment.times import duration, iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from functions.enrolment.known_gaps import KnownTarget, Place
    from functions.enrolment.membership import Membership, MembershipKey, Outcome
    from functions.enrolment.reconcile_record import ReconcileRecord
    from functions.enrolment.records import OnboardingRecord

VERSION = "1"
STILL_RUNNING, NOT_BEGUN = "still running", "not begun"
# Published as lists that are shortened to fit; gaps get the room that the others leave.
_LISTS = (
    *("drift", "runs", "waiting", "outside", "only_in_table", "only_in_services", "gaps_left"),
    "gaps",
)
_MOST_LINES = 60
_COMPLETE, _ALREADY_RUNNING = "complete", "already running"
# What the line tells of runs.
_TOLD = (STILL_RUNNING, NOT_BEGUN, "incomplete")


class ReconcileOutcome(StrEnum):
    """How a reconcile ended.

    ``COMPLETE``: no run that it started ended incomplete; runs may be still running, and gaps that
    no run can close may be left. ``INCOMPLETE``: one did, or a target could not be read.
    """

    NOTHING = "nothing to do"
    REPORTED = "reported"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    CONFIRM = "confirmation required"
    FAILED = "failed"


# The name of the error that the execution fails with.
ERRORS: Mapping[ReconcileOutcome, str] = MappingProxyType(
    {
        ReconcileOutcome.INCOMPLETE: "ReconcileIncomplete",
        ReconcileOutcome.CONFIRM: "ConfirmationRequired",
        ReconcileOutcome.FAILED: "ReconcileFailed",
    }
)


def already_running(holder: str) -> str:
    """The outcome of a reconcile that found another one running, which it left to that one."""
    return f"{_ALREADY_RUNNING}: {holder}"


def error_of_outcome(stored: str) -> str:
    """The error's name for the outcome in a reconcile's record, which may be a failure; or ""."""
    if stored.startswith(_ALREADY_RUNNING):
        return ""
    known = stored in set(ReconcileOutcome)
    return ERRORS.get(ReconcileOutcome(stored) if known else ReconcileOutcome.FAILED, "")


@dataclass(frozen=True)
class Reconciled:
    """A reconcile at the time ``at`` (epoch seconds).

    ``plan`` is its persisted plan, None if it ended before it had one, and ``gaps`` are those of
    that plan, and what is tried again. ``runs`` are the records of the runs by id, ``rows`` the
    memberships that runs were to enrol as they are in the table now. ``known`` is what reconciles
    had found before, None if it could not be read. ``labels`` are the services' display names.
    ``failure`` says why it ended early.
    """

    record: ReconcileRecord
    at: float
    plan: Mapping[str, Any] | None = None
    gaps: tuple[StoredGap, ...] = ()
    runs: Mapping[str, OnboardingRecord] = field(default_factory=lambda: MappingProxyType({}))
    rows: Mapping[MembershipKey, Membership] = field(default_factory=lambda: MappingProxyType({}))
    known: Mapping[Place, KnownTarget] | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    failure: str | None = None

    @cached_property
    def outcome(self) -> ReconcileOutcome:
        """How it ended."""
        if self.failure is not None or self.plan is None:
            return ReconcileOutcome.FAILED
        match Verdict(self.plan["verdict"]):
            case Verdict.REPORT:
                return ReconcileOutcome.REPORTED
            case Verdict.CONFIRM:
                return ReconcileOutcome.CONFIRM
        if any(target["problem"] is not None for target in self.plan["targets"]):
            return ReconcileOutcome.INCOMPLETE
        if not all(_is_fine(outcome) for outcome in self.run_outcomes.values()):
            return ReconcileOutcome.INCOMPLETE
        return ReconcileOutcome.COMPLETE if self.record.runs else ReconcileOutcome.NOTHING

    @cached_property
    def run_outcomes(self) -> Mapping[int, str]:
        """The outcome of each run that was started, by the number of its batch."""
        outcomes = {}
        for number in self.record.runs:
            run = self.runs.get(onboarding_id(self.record.id, number))
            if run is None:
                outcomes[number] = NOT_BEGUN
            else:
                outcomes[number] = STILL_RUNNING if run.closed_at is None else run.outcome or ""
        return outcomes

    @cached_property
    def left(self) -> tuple[StoredGap, ...]:
        """The gaps that are left, each with the reason that is known now and its run."""
        return tuple(self._now(gap) for gap in self.gaps if self.state_of(gap) is State.GAP)

    def state_of(self, gap: StoredGap) -> State:
        """Where a gap's membership stands by what has ended since the survey."""
        outcome = self.outcome_of(gap)
        return gap.state if outcome is None else state_after(outcome)

    def outcome_of(self, gap: StoredGap) -> Outcome | None:
        """The outcome of a gap's membership, if it has ended since the survey."""
        row, since = self.rows.get((gap.account_id, gap.target)), self.record.surveyed_at
        if row is None or since is None or row.settled_at is None or row.settled_at < since:
            return None
        return row.outcome

    def _now(self, gap: StoredGap) -> StoredGap:
        run = gap.run
        if gap.batch in self.record.runs and gap.batch is not None:
            run = onboarding_id(self.record.id, gap.batch)
        row = self.rows.get((gap.account_id, gap.target))
        if row is None:
            return replace(gap, run=run)
        if self.outcome_of(gap) is not None:
            return replace(gap, reason=row.reason, run=row.onboarding_id)
        if row.outcome is None and row.onboarding_id == run:
            return replace(gap, reason=waiting_for(row), run=run)
        return replace(gap, run=run)


def reconcile_document(result: Reconciled, most_bytes: int | None = None) -> dict[str, Any]:
    """The result for programs.

    The lists hold as many entries as fit into ``most_bytes``; ``omitted`` counts the rest of each.
    Times are ISO 8601 in UTC.
    """
    record, plan = result.record, result.plan or {}
    lists: dict[str, list[dict[str, Any]]] = {name: plan.get(name, []) for name in _LISTS} | {
        "drift": _drift(result),
        "runs": _runs(result),
        "gaps_left": _counted(result.left),
        "gaps": [_entry(result, gap) for gap in result.left],
    }
    omitted = {name: len(lists[name]) for name in _LISTS}
    document: dict[str, Any] = {
        "version": VERSION,
        "id": record.id,
        "source": record.source,
        "started_at": iso(record.started_at),
        "surveyed_at": None if record.surveyed_at is None else iso(record.surveyed_at),
        "ended_at": iso(result.at),
        "outcome": str(result.outcome),
        "failure": result.failure,
        "notes": list(result.notes),
        "accounts": plan.get("accounts"),
        "changes": plan.get("changes"),
        "targets": _targets(result),
        **{name: [] for name in _LISTS},
        "omitted": omitted,
    }
    room = None if most_bytes is None else most_bytes - size_of(document)
    for number, name in enumerate(_LISTS):
        share = None if room is None else room // (len(_LISTS) - number)
        fitting = as_many_as_fit(lists[name], share)
        document[name] = fitting
        omitted[name] -= len(fitting)
        if room is not None:
            room -= sum(size_of(each) + len(", ") for each in fitting)
    return document


def counts_after(result: Reconciled) -> dict[Place, Mapping[str, int]]:
    """The counts (``enabled``, ``gaps``, …) of each target that was read, after the runs."""
    return {
        (target["service"], target["region"]): target["after"]
        for target in _targets(result)
        if target["problem"] is None
    }


def gaps_by_reason(result: Reconciled) -> dict[str, int]:
    """How many gaps are left by reason code; without one, by what a run would do."""
    return dict(Counter(map(_code, result.left)))


def reconcile_line(result: Reconciled) -> str:
    """The result in one line, for the message's subject and the execution's cause."""
    if result.failure is not None or result.plan is None:
        return f"Rollcall reconcile failed: {result.failure or 'it has no plan'}"
    enabled = sum(result.outcome_of(gap) in ENABLED for gap in result.gaps)
    ends = Counter(_word(outcome) for outcome in result.run_outcomes.values())
    unread = sum(target["problem"] is not None for target in result.plan["targets"])
    changes = _number(result.plan["changes"]["needed"], "account")
    confirms = result.outcome is ReconcileOutcome.CONFIRM
    said = (
        f"{changes} would be created or invited" if confirms else "",
        f"{enabled} enabled" if enabled else "",
        f"{_number(len(result.left), 'gap')} left",
        *(f"{_number(ends[word], 'run')} {word}" for word in _TOLD if ends[word]),
        f"{_number(unread, 'target')} not read" if unread else "",
    )
    return f"Rollcall reconcile: {result.outcome}: {', '.join(filter(None, said))}"


def reconcile_text(result: Reconciled) -> str:
    """The result for people: what to do, the targets with gaps, why they are left, what drifted."""
    record, took = result.record, duration(result.at - result.record.started_at)
    lines = [reconcile_line(result), f"Reconcile {record.id}, {record.source}, took {took}."]
    if result.plan is not None:
        lines += _confirmation(result, result.plan)
        lines += _sections(result, result.plan)
    lines += [f"Note: {note}." for note in result.notes]
    return "\n".join(lines)


def _confirmation(result: Reconciled, plan: Mapping[str, Any]) -> list[str]:
    if result.outcome is not ReconcileOutcome.CONFIRM:
        return []
    changes = plan["changes"]
    number = json.dumps({"most_changes": changes["needed"]})
    return [
        f"Nothing was changed: {_number(changes['needed'], 'account')} would be created or invited,"
        f" and at most {changes['most_changes']} may be. To do so, start a reconcile by hand with"
        f" the input {number}."
    ]


def _sections(result: Reconciled, plan: Mapping[str, Any]) -> list[str]:
    targets = [t for t in _targets(result) if t["after"]["gaps"] or t["problem"] is not None]
    sections = {
        "Targets with gaps:": [_target_line(result, each) for each in targets],
        "Why gaps are left:": [
            f"{_where(result, each)}  {each['count']} x {each['reason_code']}"
            for each in _counted(result.left)
        ],
        "Were enabled, and were found changed:": [
            f"{each['account_id']}  {_where(result, each)}  {each['status']}, enabled at"
            f" {each['enabled_at']}: {each['outcome'] or 'not enabled again yet'}"
            for each in _drift(result)
        ],
        "Waiting:": [
            f"{each['account_id']}  {_where(result, each)}  since {each['since']}: {each['reason']}"
            for each in plan.get("waiting", ())
        ],
    }
    lines: list[str] = []
    for title, entries in sections.items():
        if entries:
            lines += ["", title, *entries[:_MOST_LINES]]
        if len(entries) > _MOST_LINES:
            more = len(entries) - _MOST_LINES
            lines.append(f"... and {more} more; the complete document has them.")
    return lines


def _target_line(result: Reconciled, target: Mapping[str, Any]) -> str:
    if target["problem"] is not None:
        return f"{_where(result, target)}  not read: {target['problem']}"
    before, after = target["before"], target["after"]
    return (
        f"{_where(result, target)}  {after['enabled']} enabled (before: {before['enabled']}),"
        f" {after['gaps']} gaps (before: {before['gaps']})"
    )


def _where(result: Reconciled, entry: Mapping[str, Any]) -> str:
    service = entry["service"]
    return f"{result.labels.get(service, service)}  {entry['region']}"


def _targets(result: Reconciled) -> list[dict[str, Any]]:
    """The targets with their counts before and after: what runs have ended since is counted."""
    changed: dict[tuple[str, str], Counter[str]] = {}
    for gap in result.gaps:
        key = (gap.target.service.name, gap.target.region)
        counts = changed.setdefault(key, Counter())
        counts[COUNTED[gap.state]] -= 1
        counts[COUNTED[result.state_of(gap)]] += 1
    targets = []
    for target in (result.plan or {}).get("targets", ()):
        counts = changed.get((target["service"], target["region"]), Counter())
        after = {word: count + counts[word] for word, count in target["before"].items()}
        targets.append({**target, "after": after})
    return targets


def _drift(result: Reconciled) -> list[dict[str, Any]]:
    found = (result.plan or {}).get("drift", ())
    drifted = {(each["account_id"], each["service"], each["region"]) for each in found}
    outcomes = {
        key: result.outcome_of(gap)
        for gap in result.gaps
        if (key := (gap.account_id, gap.target.service.name, gap.target.region)) in drifted
    }
    return [
        {**each, "outcome": outcomes.get((each["account_id"], each["service"], each["region"]))}
        for each in found
    ]


def _runs(result: Reconciled) -> list[dict[str, Any]]:
    """Every run that was started; those that did not end complete first. Without a plan, what they
    were for is not counted.
    """
    batches = dict(enumerate((result.plan or {}).get("batches", ())))
    unknown: dict[str, list[str]] = {"accounts": [], "targets": []}
    entries = [
        {
            "onboarding_id": onboarding_id(result.record.id, number),
            "accounts": len(batches.get(number, unknown)["accounts"]),
            "targets": len(batches.get(number, unknown)["targets"]),
            "outcome": outcome,
        }
        for number, outcome in result.run_outcomes.items()
    ]
    return sorted(entries, key=lambda entry: _is_fine(entry["outcome"]))


def _counted(gaps: Iterable[StoredGap]) -> list[dict[str, Any]]:
    """How many gaps are left by target and reason; without one, by what a run would do."""
    counts = Counter((gap.target, _code(gap)) for gap in gaps)
    return [
        {**place(target), "reason_code": code, "count": count}
        for (target, code), count in counts.items()
    ]


def _code(gap: StoredGap) -> str:
    return gap.action if gap.reason is None else str(gap.reason.code)


def _entry(result: Reconciled, gap: StoredGap) -> dict[str, Any]:
    return {
        "account_id": gap.account_id,
        **place(gap.target),
        "status": gap.status,
        "since": iso(since_of(result.known or {}, gap, result.record.surveyed_at or result.at)),
        "action": gap.action,
        "disposition": str(gap.disposition),
        "reason": None if gap.reason is None else gap.reason.text,
        "reason_code": None if gap.reason is None else str(gap.reason.code),
        "run": gap.run,
        "outcome": result.outcome_of(gap),
    }


def _is_fine(outcome: str) -> bool:
    """Whether a run has ended well, or has not ended: then it publishes a result of its own."""
    return outcome in (_COMPLETE, STILL_RUNNING) or outcome.startswith(Planned.DUPLICATE)


def _word(outcome: str) -> str:
    if outcome in (STILL_RUNNING, NOT_BEGUN):
        return outcome
    return _COMPLETE if _is_fine(outcome) else "incomplete"


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"

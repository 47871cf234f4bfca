"""How an onboarding ended, as it is published."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from functions.enrolment.decide import duration
from functions.enrolment.membership import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from functions.enrolment.records import MembershipRecord, OnboardingRecord

VERSION = "1"
# Events and messages hold 256 KiB; the message carries the document quoted in JSON once more.
MOST_BYTES = 120 * 1024
_MOST_LINES = 60
_UNWELCOME = (Outcome.FAILED, Outcome.TIMED_OUT)
_ENABLED = (Outcome.ENABLED, Outcome.ALREADY_ENABLED)


def is_complete(records: Iterable[MembershipRecord]) -> bool:
    """Whether nothing failed or timed out. Skipped memberships have their stated reason."""
    return not any(record.outcome in _UNWELCOME for record in records)


def count_outcomes(records: Iterable[MembershipRecord]) -> dict[str, int]:
    """How many memberships ended how; every outcome is named."""
    counted = Counter(record.outcome for record in records)
    return {str(outcome): counted[outcome] for outcome in Outcome}


def result_document(
    onboarding: OnboardingRecord,
    records: Sequence[MembershipRecord],
    now: float,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The result for programs.

    ``memberships`` begins with what did not work and holds as many as an event can carry;
    ``omitted`` counts the rest, which the table has. ``notes`` say what could not be found out.
    Times are ISO 8601 in UTC.
    """
    entries = [_entry(record) for record in sorted(records, key=_unwelcome_first)]
    document: dict[str, Any] = {
        "version": VERSION,
        "onboarding_id": onboarding.id,
        "source": onboarding.source,
        "dry_run": onboarding.dry_run,
        "complete": is_complete(records),
        "started_at": iso(onboarding.started_at),
        "ended_at": iso(now),
        "accounts": list(onboarding.accounts),
        "counts": count_outcomes(records),
        "notes": list(notes),
    }
    kept = _as_many_as_fit(entries, MOST_BYTES - _size(document))
    return {**document, "memberships": kept, "omitted": len(entries) - len(kept)}


def result_line(onboarding: OnboardingRecord, records: Sequence[MembershipRecord]) -> str:
    """The result in one line, as subject and as the execution's cause."""
    counts = count_outcomes(records)
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    number = len(onboarding.accounts)
    accounts = "1 account" if number == 1 else f"{number} accounts"
    trial = " (dry run)" if onboarding.dry_run else ""
    return f"Rollcall{trial}: {accounts}: {told or 'nothing to enrol'}"


def result_text(
    onboarding: OnboardingRecord,
    records: Sequence[MembershipRecord],
    now: float,
    notes: Sequence[str] = (),
) -> str:
    """The result for people: what did not work first, each with its reason."""
    lines = [
        result_line(onboarding, records),
        f"Onboarding {onboarding.id}, {onboarding.source},"
        f" took {duration(now - onboarding.started_at)}.",
    ]
    told = [r for r in sorted(records, key=_unwelcome_first) if r.outcome not in _ENABLED]
    if told:
        lines.append("")
    lines += [
        f"{record.account_id}  {record.target.service.label}  {record.target.region}  "
        f"{record.outcome}: {record.reason}"
        for record in told[:_MOST_LINES]
    ]
    if len(told) > _MOST_LINES:
        lines.append(f"... and {len(told) - _MOST_LINES} more; the table has them all.")
    lines += [f"Note: {note}." for note in notes]
    return "\n".join(lines)


def iso(at: float) -> str:
    """Epoch seconds as ISO 8601 in UTC, to the millisecond."""
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def _unwelcome_first(record: MembershipRecord) -> tuple[int, str, str]:
    rank = 0 if record.outcome in _UNWELCOME else 1 if record.outcome is Outcome.SKIPPED else 2
    return rank, record.account_id, record.target.key


def _entry(record: MembershipRecord) -> dict[str, Any]:
    began = record.transitions[0].at if record.transitions else record.settled_at
    ended = record.settled_at
    return {
        "account_id": record.account_id,
        "service": str(record.target.service),
        "region": record.target.region,
        "mode": str(record.mode),
        "outcome": record.outcome,
        "status": record.raw or None,
        "reason": record.reason,
        "attempts": {str(action): count for action, count in record.attempts.items()},
        "transitions": [{"status": t.status, "at": iso(t.at)} for t in record.transitions],
        "seconds": round(ended - began, 3) if began is not None and ended is not None else None,
    }


def _as_many_as_fit(entries: list[dict[str, Any]], room: int) -> list[dict[str, Any]]:
    kept = []
    for entry in entries:
        room -= _size(entry) + 1
        if room < 0:
            break
        kept.append(entry)
    return kept


def _size(value: object) -> int:
    return len(json.dumps(value).encode())

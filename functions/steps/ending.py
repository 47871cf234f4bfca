"""How every run ends: what is open is settled, the result is published, the record is closed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit

from functions.aws import ledger, metrics
from functions.aws.archive import result_key
from functions.aws.metrics import measure
from functions.aws.publisher import COMPLETED, WAITING
from functions.enrolment.ownership import LEASE_SECONDS
from functions.enrolment.reason import ReasonCode
from functions.enrolment.results import (
    MOST_BYTES,
    Result,
    result_document,
    result_line,
    result_text,
)
from functions.enrolment.turn import fail
from functions.steps.needs import actions_of
from functions.steps.publishing import (
    EVENT,
    INTERIM,
    ONBOARDING,
    Publication,
    late_note,
    message_attributes,
    publish_once,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from functions.aws.ledger import Findings
    from functions.enrolment.membership import Membership
    from functions.steps.wiring import Wiring

# The calls of the table that end a run.
ENDING = actions_of(
    ledger.ACTIONS,
    "findings",
    "record",
    "persist_dry_run",
    "end",
    "mark_published",
    "close",
    "set_unfinished",
)
_MOST_ROUNDS = 5
# In a record's ``unfinished``: memberships without an outcome.
MEMBERSHIPS = "memberships"
# Why memberships of a run that came to its end failed.
NO_OUTCOME = "no outcome was recorded"
COMPLETE, INCOMPLETE = "complete", "incomplete"
_ORDINARY = frozenset({COMPLETE, INCOMPLETE})


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends.

    ``reason`` is why memberships without an outcome failed; ``failure`` what ended the run before
    its time, None where it came to its end. ``last``: nobody tries again, so that what cannot be
    published is only noted.
    """

    reason: str
    failure: str | None = None
    last: bool = False


def settle(
    findings: Findings, reason: str, now: float, wiring: Wiring
) -> tuple[Findings, tuple[str, ...]]:
    """Settle every open membership of the run, as failed for a reason.

    Returns the findings with them, and ``(MEMBERSHIPS,)`` if rows stay open. A child that was
    stopped may finish what it has begun (Step Functions guide, "Map Run"): where an action may be
    under way the row stays open, and the run's until that is over.
    """
    for _ in range(_MOST_ROUNDS):
        unseen = [m.taken(findings.onboarding.id, m.mode, now) for m in findings.missing]
        unsettled = [m for m in (*findings.own, *unseen) if m.outcome is None]
        ended = fail(unsettled, ReasonCode.RUN_ENDED, reason, now)
        if findings.onboarding.dry_run:
            wiring.ledger.persist_dry_run(ended, now)
            return _replaced(findings, ended), ()
        acting = {m.key for m in unsettled if m.is_acting(now)}
        written, lost = wiring.ledger.record([m for m in ended if m.key not in acting], now)
        open_still = [m for m in ended if m.key in acting]
        findings = _replaced(findings, (*written.values(), *open_still))
        if not lost:
            return findings, (MEMBERSHIPS,) if open_still else ()
        findings = wiring.ledger.findings(findings.onboarding.id) or findings
    return findings, (MEMBERSHIPS,)


def _replaced(findings: Findings, ended: Iterable[Membership]) -> Findings:
    by_key = {m.key: m for m in (*findings.own, *ended)}
    missing = tuple(m for m in findings.missing if m.key not in by_key)
    return replace(findings, own=tuple(by_key.values()), missing=missing)


def finish(findings: Findings, ending: Ending, wiring: Wiring) -> dict[str, Any]:
    """Settle, publish and close; ``{"complete", "cause"}``. Can be repeated after any error.

    Raises:
        Throttled, ServiceUnavailable, Conflict: try again, unless it is the ``last`` time.
    """
    now, record = wiring.now(), findings.onboarding
    findings, unsettled = settle(findings, ending.reason, now, wiring)
    result = _result(findings, ending.failure, now, wiring)
    problems = publish(result, wiring, last=ending.last)
    complete = result.complete and not problems
    cause = "; ".join((result_line(result), *problems.values()))
    wiring.ledger.close(
        record.id,
        _outcome(ending, complete=complete),
        result.counts,
        now,
        # For actions that may be in progress; every other membership has its outcome.
        lease_until=now + LEASE_SECONDS,
        unfinished=(*problems, *unsettled),
    )
    return {"complete": complete, "cause": cause}


def finish_closed(findings: Findings, wiring: Wiring) -> bool:
    """Settle and publish what could not be when the run was closed; returns whether all is done.

    Raises:
        RollcallError: as ``finish``; can be repeated after any.
    """
    now, record = wiring.now(), findings.onboarding
    failure = None if record.outcome in _ORDINARY else record.outcome
    findings, unsettled = settle(findings, failure or NO_OUTCOME, now, wiring)
    result = _result(findings, failure, now, wiring)
    late = late_note(record.unfinished, record.closed_at or now)
    problems = publish(replace(result, notes=(*result.notes, *late)), wiring)
    unfinished = (*problems, *unsettled)
    wiring.ledger.set_unfinished(record.id, unfinished)
    return not unfinished


def _result(findings: Findings, failure: str | None, now: float, wiring: Wiring) -> Result:
    return Result(
        findings.onboarding,
        findings.own,
        at=wiring.ledger.end(findings.onboarding.id, now),
        left=findings.left,
        notes=findings.plan.notes if findings.plan else (),
        failure=failure,
    )


def publish(result: Result, wiring: Wiring, *, last: bool = False) -> dict[str, str]:
    """Publish on every channel not yet published on.

    Returns the channels on which it could not be published, and why. A failure of one channel is
    reported on the other.
    """
    record, prefix = result.onboarding, "" if result.final else "interim_"

    def keep() -> str:
        key = result_key(record.id, record.started_at, final=result.final)
        return wiring.archive.persist(key, result_document(result))

    def send(channel: str, notes: tuple[str, ...], uri: str | None) -> str:
        return _send(channel, result, notes, uri, wiring)

    def mark(name: str, message_id: str) -> None:
        wiring.ledger.mark_published(record.id, f"{prefix}{name}", message_id)
        if result.final and name == EVENT:
            _count(result)

    published = {
        name.removeprefix(prefix): sent
        for name, sent in record.published.items()
        if name.startswith(prefix)
    }
    return publish_once(Publication(published, keep, send, mark), last=last)


def _send(
    channel: str, result: Result, notes: tuple[str, ...], uri: str | None, wiring: Wiring
) -> str:
    noted = replace(result, notes=(*result.notes, *notes))
    document = result_document(noted, MOST_BYTES) | {"complete_document": uri}
    if channel == EVENT:
        return wiring.publisher.event(document, COMPLETED if result.final else WAITING)
    kind = ONBOARDING if result.final else INTERIM
    attributes = message_attributes(kind, document, complete=result.complete)
    return wiring.publisher.message(result_line(result), result_text(noted), document, attributes)


def _outcome(ending: Ending, *, complete: bool) -> str:
    if ending.failure is not None:
        return ending.failure
    return COMPLETE if complete else INCOMPLETE


def _count(result: Result) -> None:
    measure(metrics.RUNS, 1, outcome=result.outcome)
    for outcome, count in result.counts.items():
        measure(metrics.MEMBERSHIPS, count, outcome=outcome)
    for service, seconds in result.seconds_to_enabled.items():
        measure(metrics.TIME_TO_ENABLED, *seconds, unit=MetricUnit.Seconds, service=service)

"""Publish Results: tell how it ended, once by event and once by message, and close the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit, single_metric

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.errors import ServiceRefused
from functions.enrolment.membership import Membership, Outcome
from functions.enrolment.records import MembershipRecord
from functions.enrolment.results import (
    count_outcomes,
    is_complete,
    result_document,
    result_line,
    result_text,
)
from functions.enrolment.target import ServiceName, Target
from functions.steps.fail_target import reason_of
from functions.steps.step import step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from functions.enrolment.records import OnboardingRecord
    from functions.steps.wiring import Wiring


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """The plan in (with ``map_failure`` where the map failed), ``{"complete", "cause"}`` out."""
    onboarding_id, now, ledger = event["onboarding_id"], wiring.now(), wiring.ledger
    onboarding = ledger.onboarding(onboarding_id)
    if onboarding is None:
        raise ServiceRefused(f"the table has no record of onboarding {onboarding_id}")
    records = _complete_records(event, onboarding, now, wiring)
    _publish(onboarding, records, event.get("notes", []), now, wiring)
    if not onboarding.dry_run:
        enabled = _enabled_accounts(records)
        ledger.release(onboarding.accounts, onboarding_id, now, enabled)
    complete = is_complete(records)
    outcome = "complete" if complete else "incomplete"
    ledger.close(onboarding_id, outcome, count_outcomes(records), now)
    return {"complete": complete, "cause": result_line(onboarding, records)}


def _complete_records(
    event: dict[str, Any], onboarding: OnboardingRecord, now: float, wiring: Wiring
) -> list[MembershipRecord]:
    """Every planned membership with an outcome; one that was never recorded has failed."""
    ledger = wiring.ledger
    known = ledger.memberships(onboarding.id, onboarding.accounts)
    records = {(r.account_id, r.target): r for r in known}
    reason = "the run ended before an outcome was recorded"
    if "map_failure" in event:
        reason += f" ({reason_of(event['map_failure'])})"
    for membership, target in _planned(event):
        found = records.get((membership.account_id, target))
        if found is None or found.outcome is None:
            failed = membership.settled(Outcome.FAILED, reason, now)
            ledger.record(onboarding.id, target, [failed], now, apart=lambda _: onboarding.dry_run)
            records[membership.account_id, target] = MembershipRecord.of(
                failed, target, onboarding.id, now
            )
    return list(records.values())


def _planned(event: dict[str, Any]) -> Iterator[tuple[Membership, Target]]:
    for planned in event["targets"]:
        target = Target(ServiceName(planned["service"]), planned["region"])
        for account in event["accounts"]:
            if account["id"] not in planned["left_out"]:
                yield Membership(AccountId(account["id"]), Mode(account["mode"])), target


def _publish(
    onboarding: OnboardingRecord,
    records: Sequence[MembershipRecord],
    notes: Sequence[str],
    now: float,
    wiring: Wiring,
) -> None:
    """Publish what a step that was cut short has not published yet."""
    ledger, publisher = wiring.ledger, wiring.publisher
    done = ledger.published(onboarding.id)
    document = result_document(onboarding, records, now, notes)
    if "event" not in done:
        ledger.mark_published(onboarding.id, "event", publisher.event(document))
    if "message" not in done:
        text = result_text(onboarding, records, now, notes)
        sent = publisher.message(result_line(onboarding, records), text, document)
        ledger.mark_published(onboarding.id, "message", sent)
        _count(records)


def _count(records: Iterable[MembershipRecord]) -> None:
    for outcome, count in count_outcomes(records).items():
        with single_metric(
            name="Memberships", unit=MetricUnit.Count, value=count, namespace="Rollcall"
        ) as metric:
            metric.add_dimension(name="outcome", value=outcome)


def _enabled_accounts(records: Sequence[MembershipRecord]) -> dict[AccountId, bool]:
    """Which accounts are enabled somewhere and failed or timed out nowhere."""
    ends: dict[AccountId, set[Outcome | None]] = {}
    for record in records:
        ends.setdefault(record.account_id, set()).add(record.outcome)
    return {
        account: bool(outcomes & {Outcome.ENABLED, Outcome.ALREADY_ENABLED})
        and not outcomes & {Outcome.FAILED, Outcome.TIMED_OUT}
        for account, outcomes in ends.items()
    }

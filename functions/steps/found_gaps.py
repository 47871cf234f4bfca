"""What a reconcile remembers for the next one, and the metrics that follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.aws import metrics
from functions.aws.archive import GAPS
from functions.aws.metrics import measure
from functions.enrolment.errors import AccessDenied, RollcallError
from functions.enrolment.known_gaps import known_from_json, known_to_json, lost, with_found
from functions.enrolment.reconcile_result import counts_after, gaps_by_reason
from functions.enrolment.stored import reading
from functions.intake.reconcile_input import read_reconcile_input

if TYPE_CHECKING:
    from collections.abc import Mapping

    from functions.enrolment.known_gaps import KnownGaps, Place
    from functions.enrolment.reconcile_result import Reconciled
    from functions.enrolment.target import Target
    from functions.steps.wiring import Wiring


def known_gaps(wiring: Wiring, *, last: bool) -> KnownGaps | None:
    """What reconciles have found before; None if it cannot be read and it is the ``last`` time.

    Raises:
        RollcallError: as the bucket does, unless it is the ``last`` time.
    """
    try:
        document = wiring.archive.read(GAPS)
        with reading(GAPS):
            return {} if document is None else known_from_json(document)
    except AccessDenied:
        # S3 says so of a document that does not exist: before the first reconcile.
        return {}
    except RollcallError:
        if not last:
            raise
        return None


def remember(result: Reconciled, wiring: Wiring, *, last: bool) -> None:
    """Persist what is known now for the next reconcile; no effect without a plan.

    Raises:
        RollcallError: as the bucket does, unless it is the ``last`` time.
    """
    now = _known_now(result, wiring)
    if now is None:
        return
    try:
        wiring.archive.persist(GAPS, known_to_json(now))
    except RollcallError:
        if not last:
            raise


def measure_reconcile(result: Reconciled, wiring: Wiring) -> None:
    """Write the metrics of a reconcile.

    A service is counted if all of the targets were read that reconciles cover, gaps by reason if
    those of all services were: others would show a change where there is none.
    """
    now = _known_now(result, wiring)
    if now is None or result.known is None:
        return
    measure(metrics.COVERAGE_FELL, lost(result.known, now))
    measure(metrics.OLD_GAPS, sum(target.old for target in now.values()))
    counts = counts_after(result)
    covered = read_reconcile_input({}, wiring.configuration, wiring.rates).targets
    for service in dict.fromkeys(target.service.name for target in covered):
        places = [_place(target) for target in covered if target.service.name == service]
        if all(place in counts for place in places):
            enabled, gaps = (
                sum(counts[place][word] for place in places) for word in ("enabled", "gaps")
            )
            measure(metrics.ENABLED, enabled, service=service)
            measure(metrics.TO_BE_ENABLED, enabled + gaps, service=service)
    if all(_place(target) in counts for target in covered):
        for code, count in gaps_by_reason(result).items():
            measure(metrics.GAPS, count, reason_code=code)


def _known_now(result: Reconciled, wiring: Wiring) -> KnownGaps | None:
    if result.known is None or result.record.surveyed_at is None:
        return None
    enabled: Mapping[Place, int] = {
        place: counts["enabled"] for place, counts in counts_after(result).items()
    }
    configured = [_place(target) for target in wiring.configuration.targets]
    return with_found(result.known, enabled, result.left, result.record.surveyed_at, configured)


def _place(target: Target) -> Place:
    return target.service.name, target.region

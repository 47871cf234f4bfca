"""Publish Interim: once all else is done, publish what is done and who must do what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.aws import ledger
from functions.enrolment.documents import loop_to_json
from functions.enrolment.results import Result
from functions.enrolment.turn import is_slow
from functions.steps.ending import publish
from functions.steps.needs import Needs, actions_of
from functions.steps.step import step

if TYPE_CHECKING:
    from functions.aws.ledger import Findings
    from functions.steps.wiring import Wiring


NEEDS = Needs(
    timeout=300,
    table=actions_of(ledger.ACTIONS, "findings", "mark_published"),
    publishes=True,
)


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """Takes and returns the loop: the interim result is the whole run's, and changes no target."""
    loop, now = wiring.loop(event), wiring.now()
    findings = wiring.ledger.findings(loop.onboarding_id)
    if findings is not None and _only_waiting(findings):
        record, plan = findings.onboarding, findings.plan
        first = wiring.ledger.mark_published(record.id, "interim", loop.target.key)
        # This target again, if its step was cut short.
        if first or record.published.get("interim") == loop.target.key:
            notes = plan.notes if plan else ()
            publish(
                Result(record, findings.own, now, left=findings.left, notes=notes, final=False),
                wiring,
            )
    return loop_to_json(loop)


def _only_waiting(findings: Findings) -> bool:
    """Whether the run waits for people or slow checks, and for nothing else."""
    open_ones = [m for m in findings.own if m.outcome is None]
    return (
        findings.onboarding.closed_at is None
        and not findings.missing
        and bool(open_ones)
        and all(is_slow(membership) for membership in open_ones)
    )

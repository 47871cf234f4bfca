"""Publish Results: publish how the run ended, by event and by message, and close its record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.enrolment.documents import plan_from_document
from functions.enrolment.errors import ServiceRefused
from functions.steps.ending import COMPLETE, ENDING, NO_OUTCOME, Ending, finish
from functions.steps.fail_target import reason_of
from functions.steps.needs import Needs
from functions.steps.step import step

if TYPE_CHECKING:
    from functions.aws.ledger import Findings
    from functions.enrolment.plan import Plan
    from functions.steps.wiring import Wiring


NEEDS = Needs(timeout=300, table=ENDING, publishes=True)


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """Takes the plan (with ``map_failure`` if the map failed); returns ``complete``, ``cause``."""
    onboarding_id = event["onboarding_id"]
    findings = wiring.ledger.findings(onboarding_id)
    if findings is None:
        raise ServiceRefused(f"the table has no record of onboarding {onboarding_id}")
    record = findings.onboarding
    if record.closed_at is not None:
        return {
            "complete": record.outcome == COMPLETE,
            "cause": f"onboarding {record.id} was closed before: {record.outcome}",
        }
    if findings.plan is None:
        plan = plan_from_document(event, wiring.services)
        findings = _as_planned(findings, plan)
    reason = NO_OUTCOME
    if "map_failure" in event:
        reason += f" ({reason_of(event['map_failure'])})"
    return finish(findings, Ending(reason), wiring)


def _as_planned(findings: Findings, plan: Plan) -> Findings:
    """The findings with a plan of an earlier version, which is only in the document."""
    known = {membership.key for membership in findings.own}
    missing = tuple(m for m in plan.covered if m.key not in known)
    return replace(findings, plan=plan, missing=missing)

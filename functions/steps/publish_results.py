"""Publish Results: publish how the run ended, by event and by message, and close its record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from functions.enrolment.documents import plan_from_document
from functions.enrolment.errors import ServiceRefused
from functions.steps.ending import Ending, finish
from functions.steps.fail_target import reason_of
from functions.steps.step import step

if TYPE_CHECKING:
    from functions.aws.ledger import Findings
    from functions.steps.wiring import Wiring


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """The plan in (with ``map_failure`` where the map failed), ``{"complete", "cause"}`` out."""
    onboarding_id = event["onboarding_id"]
    findings = wiring.ledger.findings(onboarding_id)
    if findings is None:
        raise ServiceRefused(f"the table has no record of onboarding {onboarding_id}")
    record = findings.onboarding
    if record.closed_at is not None:
        return {
            "complete": record.outcome == "complete",
            "cause": f"onboarding {record.id} was closed before: {record.outcome}",
        }
    if findings.plan is None:
        findings = _as_the_document_says(findings, event)
    reason = "no outcome was recorded"
    if "map_failure" in event:
        reason += f" ({reason_of(event['map_failure'])})"
    return finish(findings, Ending(reason), wiring)


def _as_the_document_says(findings: Findings, document: dict[str, Any]) -> Findings:
    """What an earlier version planned: it is only in the document that it handed on."""
    plan = plan_from_document(document)
    known = {membership.key for membership in findings.own}
    missing = tuple(m for m in plan.covered if m.key not in known)
    return replace(findings, plan=plan, missing=missing)

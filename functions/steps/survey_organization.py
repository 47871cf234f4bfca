"""Survey Organization: find every gap of the organisation, and decide what to do about it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from functions.aws import archive, directory, executions, ledger, reconciles
from functions.aws.archive import survey_key
from functions.aws.reconciles import Lock
from functions.enrolment.coverage import cells, strangers
from functions.enrolment.documents import run_from_json
from functions.enrolment.handover import batch_to_json, survey_from_json, survey_to_json
from functions.enrolment.reconcile import Next, Verdict, batches, decide_reconcile
from functions.enrolment.reconcile_plan import plan_document
from functions.enrolment.reconcile_record import ReconcileRecord
from functions.enrolment.reconcile_result import already_running
from functions.intake.reconcile_input import read_reconcile_input
from functions.services.survey import make_survey
from functions.steps.needs import Needs, actions_of
from functions.steps.step import step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from functions.enrolment.coverage import Survey
    from functions.enrolment.handover import Batch
    from functions.enrolment.target import Target
    from functions.steps.wiring import Wiring

_AT_ONCE = 16
# No target or account is begun later: reading a target of 10,000 accounts takes up to a minute, and
# deciding and persisting the batches the rest of the time.
_READING_SECONDS = 540
# The document with the part of a survey that is read.
_PART = "part"

NEEDS = Needs(
    # Every member of every target is listed, and every membership of the table is read.
    timeout=900,
    memory=2048,
    services=("list", "automation"),
    organization=actions_of(
        directory.ACTIONS,
        *("organization", "policy_types", "accounts", "is_delegated", "tags", "enabled_regions"),
    ),
    table=(
        *actions_of(reconciles.ACTIONS, "open", "lock", "paused", "surveyed", "close"),
        *actions_of(reconciles.ACTIONS, "memberships"),
        *actions_of(ledger.ACTIONS, "holders"),
    ),
    reconciles=actions_of(executions.ACTIONS, "is_over"),
    surveys=actions_of(archive.ACTIONS, "persist", "read"),
)


@step
def handler(event: dict[str, Any], wiring: Wiring) -> dict[str, Any]:
    """Takes ``{"input", "onboarding_id", "started_at", "execution_arn"}`` of the reconcile.

    Returns ``next``: ``survey`` if the survey takes longer than this step may run, ``start`` if
    there are runs to start, else ``publish``. If another reconcile is running, this one is closed.
    Changes nothing but the reconcile's own record, lock and documents.
    """
    began = wiring.now()
    run = run_from_json(event)
    request = read_reconcile_input(run.input, wiring.configuration, wiring.rates)
    record = wiring.reconciles.open(
        ReconcileRecord(run.onboarding_id, request.source, run.started_at, run.execution_arn)
    )
    if record.closed_at is not None:
        return {"next": Next.PUBLISH, "wait_seconds": 0}
    other = wiring.reconciles.lock(
        Lock(record.id, record.execution_arn, began), wiring.executions.is_over
    )
    if other is not None:
        wiring.reconciles.close(record.id, already_running(other.holder), wiring.now())
        return {"next": Next.PUBLISH, "wait_seconds": 0}
    survey = _survey(record, request.targets, began + _READING_SECONDS, wiring.paced)
    first_began = began if record.paused_at is None else record.paused_at
    if not survey.finished:
        wiring.archive.persist(survey_key(record.id, _PART), survey_to_json(survey))
        wiring.reconciles.paused(record.id, first_began)
        return {"next": Next.SURVEY, "wait_seconds": 0}
    # This step has listed the accounts; it, or an earlier one, the targets.
    surveyed_at = min(began, survey.read_since(first_began))
    rows = wiring.reconciles.memberships()
    plan = decide_reconcile(
        list(cells(survey.facts, survey.listings, wiring.configuration, surveyed_at, rows=rows)),
        strangers(survey.facts, survey.listings),
        survey.facts,
        rows,
        wiring.ledger.holders(rows.values()),
        request.settings,
        wiring.now(),
        surveyed_at=surveyed_at,
    )
    _persist(
        record,
        batches(
            plan,
            survey.facts,
            survey.listings,
            reconcile_id=record.id,
            execution_arn=record.execution_arn,
            surveyed_at=surveyed_at,
        ),
        wiring,
    )
    document = plan_document(
        plan,
        survey.listings,
        accounts=len(survey.facts.directory),
        surveyed_at=surveyed_at,
        most_changes=request.settings.most_changes,
    )
    wiring.archive.persist(survey_key(record.id, "plan"), document)
    wiring.reconciles.surveyed(record.id, surveyed_at)
    starts = plan.verdict is Verdict.START
    return {"next": Next.START if starts else Next.PUBLISH, "wait_seconds": 0}


def _survey(
    record: ReconcileRecord, targets: Sequence[Target], until: float, wiring: Wiring
) -> Survey:
    """The survey as far as it is read by ``until``, going on from what an earlier step read."""
    known = None
    if record.paused_at is not None:
        part = wiring.archive.read(survey_key(record.id, _PART))
        known = survey_from_json(part, wiring.services) if part is not None else None
    return make_survey(
        targets,
        wiring.configuration,
        wiring.services,
        wiring.directory,
        wiring.settings.administrator_id,
        wiring.service,
        until=until,
        known=known,
        clock=wiring.now,
    )


def _persist(record: ReconcileRecord, found: Iterable[Batch], wiring: Wiring) -> None:
    kept = wiring.archive

    def persist(batch: Batch) -> str:
        return kept.persist(survey_key(record.id, f"batches/{batch.number}"), batch_to_json(batch))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(persist, found):
            pass

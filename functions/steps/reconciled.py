"""What a reconcile handed over to a run that it started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.aws.archive import survey_key
from functions.enrolment.errors import InvalidInput, RollcallError
from functions.enrolment.handover import batch_from_json
from functions.intake.reconciled import RECONCILE

if TYPE_CHECKING:
    from functions.enrolment.handover import Batch
    from functions.enrolment.request import BatchId
    from functions.steps.wiring import Wiring


def read_handover(wanted: BatchId, wiring: Wiring) -> Batch:
    """The batch of a run, from the survey's documents.

    Raises:
        InvalidInput: there is no such batch, it has a service that this version does not know, or
            the reconcile was stopped: then nothing more is to be begun for it.
        AccessDenied: S3's answer for a missing document.
    """
    key = survey_key(wanted.reconcile_id, f"batches/{wanted.number}")
    document = wiring.archive.read(key)
    if document is None:
        raise InvalidInput(RECONCILE, f"takes a batch that is stored; there is no {key}")
    try:
        batch = batch_from_json(document, wiring.services)
    except ValueError as error:
        raise InvalidInput(RECONCILE, f"takes a batch of known services: {error}") from error
    if _is_stopped(batch, wiring):
        raise InvalidInput(RECONCILE, f"takes one that was not stopped; {wanted.reconcile_id} was")
    return batch


def _is_stopped(batch: Batch, wiring: Wiring) -> bool:
    try:
        ended = wiring.executions.ended(batch.execution_arn)
    except RollcallError:
        return False  # the run was started; that it cannot be looked up is no reason against it
    return ended is not None and ended.stopped

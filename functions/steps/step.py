"""What every step's handler has in common: its log and its errors."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from functions.enrolment.errors import RollcallError
from functions.steps import wiring

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

    Document = dict[str, Any]
    Work = Callable[[Document, wiring.Wiring], Document]
    Handler = Callable[[Document, LambdaContext], Document]


def step(work: Work) -> Handler:
    """A Lambda handler around a step's work: the state machine's document in, its next one out.

    Logs what was decided, with onboarding and target, and never a document: they hold e-mail
    addresses. Errors leave under their own names, for the state machine to retry or catch.
    """
    name = work.__module__.rpartition(".")[2]

    @wraps(work)
    def handler(event: Document, context: LambdaContext) -> Document:
        logger = Logger(service="rollcall")
        logger.append_keys(step=name, request_id=context.aws_request_id, **_keys(event))
        try:
            result = work(event, wiring.wiring())
        except RollcallError as error:
            logger.warning("%s: %s", type(error).__name__, error)
            raise
        logger.info("%s", result.get("next") or result.get("verdict") or "done")
        return result

    return handler


def _keys(event: Document) -> Document:
    keys = {"onboarding_id": event.get("onboarding_id")}
    target = event.get("target")
    if isinstance(target, dict):
        keys |= {"service": target.get("service"), "region": target.get("region")}
    return keys

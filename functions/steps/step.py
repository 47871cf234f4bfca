"""What every step's handler has in common: its log, its errors, and the metric of throttling."""

from __future__ import annotations

import json
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from functions.aws.metrics import THROTTLED_STEPS, measure
from functions.enrolment.errors import RollcallError, Throttled
from functions.enrolment.text import redact
from functions.steps import wiring

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.logging.types import LogRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

    Document = dict[str, Any]
    Work = Callable[[Document, wiring.Wiring], Document]
    Handler = Callable[[Document, LambdaContext], Document]


class _Formatter(LambdaPowertoolsFormatter):
    """One line of ASCII for each record, with every e-mail address in it redacted."""

    def __init__(self) -> None:
        as_json = partial(json.dumps, separators=(",", ":"))
        super().__init__(json_serializer=as_json, serialize_stacktrace=False)

    def serialize(self, log: LogRecord) -> str:
        return super().serialize(_redacted(log))


def _redacted(value: Any) -> Any:
    """A part of a record, redacted before it is JSON, whose escapes would hide an address."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {key: _redacted(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(part) for part in value]
    return redact(str(value))


logger = Logger(service="rollcall", logger_formatter=_Formatter())


def step(work: Work) -> Handler:
    """A Lambda handler for a step's work: takes the state machine's document, returns the next.

    Logs what was decided, with onboarding and target, and never a document: they hold e-mail
    addresses. Errors leave under their own names, for the state machine to retry or catch.
    """
    name = work.__module__.rpartition(".")[2]

    @wraps(work)
    def handler(event: Document, context: LambdaContext) -> Document:
        logger.append_keys(step=name, **_keys(event))
        try:
            result = work(event, wiring.wiring())
        except Exception as error:
            error_name, text = type(error).__name__, redact(str(error))
            if isinstance(error, Throttled):
                measure(THROTTLED_STEPS, 1)
            if isinstance(error, RollcallError):
                logger.warning("%s: %s", error_name, text)
            else:
                logger.exception("%s: %s", error_name, text)
            if text == str(error):
                raise
            # Lambda logs what is raised, and Step Functions records it: name and text.
            raise type(error_name, (Exception,), {})(text) from None
        logger.info("%s", result.get("next") or result.get("verdict") or "done")
        return result

    # Whatever the environment says, a document is never logged.
    return logger.inject_lambda_context(handler, log_event=False, clear_state=True)


def _keys(event: Document) -> Document:
    keys = {"onboarding_id": event.get("onboarding_id")}
    target = event.get("target")
    if isinstance(target, dict):
        keys |= {"target_service": target.get("service"), "region": target.get("region")}
    return keys

"""Who is subscribed to the results and to the alarms: the key ``notifications``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from functions.enrolment.document import Document, a_list
from functions.enrolment.errors import InvalidInput
from functions.enrolment.text import is_email

MOST_SUBSCRIBERS = 20
_PLACE = r"[a-z0-9-]+:[0-9]{12}"
# A topic that is not FIFO delivers to no FIFO queue, whose name ends in .fifo.
_ARNS = {
    "sqs": re.compile(rf"arn:aws[a-z-]*:sqs:{_PLACE}:[A-Za-z0-9_-]{{1,80}}"),
    "lambda": re.compile(
        rf"arn:aws[a-z-]*:lambda:{_PLACE}:function:[A-Za-z0-9_-]{{1,64}}(:[A-Za-z0-9_$-]{{1,128}})?"
    ),
}
_URL = re.compile(r"https://[!-~]{1,2000}")


@dataclass(frozen=True, slots=True)
class Subscriber:
    """``protocol`` as SNS calls it: ``email``, ``https``, ``sqs`` or ``lambda``."""

    protocol: str
    endpoint: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Notifications:
    """The subscribers of the results and of the alarms; None where nothing is configured."""

    results: tuple[Subscriber, ...] | None = None
    alarms: tuple[Subscriber, ...] | None = None


def a_subscriber(value: object, path: str) -> Subscriber:
    """Reads an e-mail address, an https URL or the ARN of a queue or function.

    Raises:
        InvalidInput: it is none of these; the message does not contain the value.
    """
    if isinstance(value, str) and (protocol := _protocol(value)):
        return Subscriber(protocol, value)
    raise InvalidInput(
        path,
        "takes an e-mail address, an https URL, or the ARN of an SQS queue (not FIFO) or of a"
        " Lambda function",
    )


def _protocol(endpoint: str) -> str | None:
    if endpoint.startswith("arn:"):
        return next((name for name, arn in _ARNS.items() if arn.fullmatch(endpoint)), None)
    if "://" in endpoint:
        return "https" if _URL.fullmatch(endpoint) else None
    return "email" if is_email(endpoint) else None


def notifications(value: object, path: str) -> Notifications:
    """Reads the key; an empty list says that there is no subscriber, or that others subscribe."""
    document = Document(value, path)
    subscribers = a_list(a_subscriber, MOST_SUBSCRIBERS, least=0)
    read = Notifications(
        results=document.optional("results", subscribers, None),
        alarms=document.optional("alarms", subscribers, None),
    )
    document.close()
    return read

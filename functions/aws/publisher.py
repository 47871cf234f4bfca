"""Publishes results of onboardings, final or interim, and of reconciles: an event, a message."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from functions.aws.calls import calling, error_class, redacted_line
from functions.enrolment.errors import ServiceRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient

SOURCE = "rollcall"
COMPLETED = "Onboarding Completed"
WAITING = "Onboarding Waiting"
RECONCILED = "Reconcile Completed"
MOST_BYTES = 256 * 1024
MOST_SUBJECT = 99  # "less than 100 characters" (botocore, sns Publish)

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "event": ("events:PutEvents",),
    "message": ("sns:Publish",),
}


class Publisher:
    """Publishes to one event bus (by name or ARN) and one topic (by ARN).

    Both methods return the id assigned by AWS and raise ``Throttled``, ``ServiceUnavailable``,
    ``AccessDenied`` or ``ServiceRefused``, the last also if ``MOST_BYTES`` is exceeded.
    """

    def __init__(self, events: EventBridgeClient, sns: SNSClient, bus: str, topic: str) -> None:
        self._events = events
        self._sns = sns
        self._bus = bus
        self._topic = topic

    def event(self, document: Mapping[str, Any], detail_type: str = COMPLETED) -> str:
        """Put one event with the document as its detail."""
        detail = _json(document)
        _check_size("event", SOURCE, detail_type, detail)
        with calling("EventBridge", "PutEvents"):
            answer = self._events.put_events(
                Entries=[
                    {
                        "EventBusName": self._bus,
                        "Source": SOURCE,
                        "DetailType": detail_type,
                        "Detail": detail,
                    }
                ]
            )
        entry = answer["Entries"][0]
        if answer["FailedEntryCount"]:
            code = entry.get("ErrorCode", "")
            words = entry.get("ErrorMessage", "")
            raise error_class(code, 400)(redacted_line(f"EventBridge PutEvents: {code}: {words}"))
        return entry["EventId"]

    def message(
        self, subject: str, text: str, document: Mapping[str, Any], attributes: Mapping[str, str]
    ) -> str:
        """Send one message: the text by e-mail, the subject by SMS, the document to all others.

        ``attributes`` are for the filter policies of subscriptions; none may be empty.
        """
        line = subject_line(subject)
        body = _json({"default": _json(document), "email": text, "sms": line})
        _check_size("message", body, *attributes, *attributes.values())
        with calling("SNS", "Publish"):
            return self._sns.publish(
                TopicArn=self._topic,
                Subject=line,
                Message=body,
                MessageStructure="json",
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in attributes.items()
                },
            )["MessageId"]


def subject_line(text: str) -> str:
    """The text as a valid SNS subject: one line of printable ASCII, at most 99 characters."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    line = re.sub(r"[\x00-\x20\x7f]+", " ", ascii_text).strip() or "Rollcall"
    return line if len(line) <= MOST_SUBJECT else f"{line[: MOST_SUBJECT - 3]}..."


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _check_size(what: str, *parts: str) -> None:
    size = sum(len(part.encode()) for part in parts)
    if size > MOST_BYTES:
        raise ServiceRefused(f"the {what} has {size} bytes; {MOST_BYTES} is the most it may have")

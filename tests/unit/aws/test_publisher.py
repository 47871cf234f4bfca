"""One event, one message, and nothing that AWS would refuse or cut."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from functions.aws.publisher import MOST_BYTES, WAITING, Publisher, subject_line
from functions.enrolment.errors import (
    AccessDenied,
    RollcallError,
    ServiceRefused,
    ServiceUnavailable,
    Throttled,
)
from tests.unit.aws.support import REGION, a_session

if TYPE_CHECKING:
    from collections.abc import Iterator

BUS = "rollcall"
TOPIC = f"arn:aws:sns:{REGION}:111122223333:rollcall"
DOCUMENT = {"outcome": "enabled", "name": "Zoë"}
ATTRIBUTES = {"kind": "onboarding", "outcome": "nothing to do"}


class Stubbed:
    def __init__(self) -> None:
        events = a_session().client("events", region_name=REGION)
        sns = a_session().client("sns", region_name=REGION)
        self.events = Stubber(events)
        self.sns = Stubber(sns)
        self.publisher = Publisher(events, sns, BUS, TOPIC)


@pytest.fixture
def aws() -> Iterator[Stubbed]:
    stubbed = Stubbed()
    with stubbed.events, stubbed.sns:
        yield stubbed
    stubbed.events.assert_no_pending_responses()
    stubbed.sns.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("given", "detail_type"), [((), "Onboarding Completed"), ((WAITING,), "Onboarding Waiting")]
)
def test_an_event_carries_the_document(
    aws: Stubbed, given: tuple[str, ...], detail_type: str
) -> None:
    entry = {
        "EventBusName": BUS,
        "Source": "rollcall",
        "DetailType": detail_type,
        "Detail": '{"outcome":"enabled","name":"Zoë"}',
    }
    answer = {"FailedEntryCount": 0, "Entries": [{"EventId": "e-1"}]}
    aws.events.add_response("put_events", answer, {"Entries": [entry]})

    assert aws.publisher.event(DOCUMENT, *given) == "e-1"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ThrottlingException", Throttled),
        ("InternalFailure", ServiceUnavailable),
        ("AccessDeniedException", AccessDenied),
        ("NotAuthorizedForSourceException", ServiceRefused),
        ("MalformedDetail", ServiceRefused),
    ],
)
def test_an_event_that_failed_within_http_200_is_an_error(
    aws: Stubbed, code: str, error: type[RollcallError]
) -> None:
    entry = {"ErrorCode": code, "ErrorMessage": "It is not\nroot@example.com's."}
    aws.events.add_response("put_events", {"FailedEntryCount": 1, "Entries": [entry]})

    with pytest.raises(error, match=rf"^EventBridge PutEvents: {code}: It is not \(e-mail\)'s.$"):
        aws.publisher.event(DOCUMENT)


def test_people_get_the_text_and_programs_the_document() -> None:
    with mock_aws():
        session = a_session()
        sns: Any = session.client("sns")
        sqs: Any = session.client("sqs")
        topic = sns.create_topic(Name="rollcall")["TopicArn"]
        queue = sqs.create_queue(QueueName="results")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])

        sent = Publisher(session.client("events"), sns, BUS, topic).message(
            "All enabled", "Everything is enabled.", DOCUMENT, ATTRIBUTES
        )

        [received] = sqs.receive_message(QueueUrl=queue)["Messages"]
        envelope = json.loads(received["Body"])
    assert envelope["MessageId"] == sent
    assert envelope["Subject"] == "All enabled"
    assert {k: v["Value"] for k, v in envelope["MessageAttributes"].items()} == ATTRIBUTES
    assert json.loads(envelope["Message"]) == DOCUMENT


def test_a_message_says_each_protocol_its_own(aws: Stubbed) -> None:
    by_protocol = {"default": json.dumps(DOCUMENT), "email": "Done.\n", "sms": "Zoe: enabled"}
    sent: dict[str, Any] = {}
    aws.sns.client.meta.events.register(
        "provide-client-params.sns.Publish", lambda params, **_: sent.update(params)
    )
    aws.sns.add_response("publish", {"MessageId": "m-1"})

    assert aws.publisher.message("Zoë: enabled", "Done.\n", DOCUMENT, {}) == "m-1"

    said = json.loads(sent.pop("Message"))
    assert sent == {
        "TopicArn": TOPIC,
        "Subject": "Zoe: enabled",
        "MessageStructure": "json",
        "MessageAttributes": {},
    }
    assert said.keys() == by_protocol.keys()
    assert json.loads(said["default"]) == DOCUMENT
    assert (said["email"], said["sms"]) == (by_protocol["email"], by_protocol["sms"])


def test_a_refusal_of_sns_is_an_error(aws: Stubbed) -> None:
    aws.sns.add_client_error("publish", "AuthorizationError", http_status_code=403)

    with pytest.raises(AccessDenied, match="SNS Publish: AuthorizationError"):
        aws.publisher.message("subject", "text", DOCUMENT, ATTRIBUTES)


def test_what_is_too_big_is_refused_before_it_is_sent(aws: Stubbed) -> None:
    too_big = {"text": "ë" * (MOST_BYTES // 2)}

    with pytest.raises(ServiceRefused, match=f"^the event has .* bytes; {MOST_BYTES} is the most"):
        aws.publisher.event(too_big)
    with pytest.raises(ServiceRefused, match=f"^the message has .* bytes; {MOST_BYTES}"):
        aws.publisher.message("subject", "text", too_big, {})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Rollcall: 12 of 12 enabled", "Rollcall: 12 of 12 enabled"),
        ("two\r\nlines\tand  spaces ", "two lines and spaces"),
        ("Zoë \u2013 enabled", "Zoe enabled"),
        ("日本", "Rollcall"),
        ("x" * 99, "x" * 99),
        ("x" * 100, "x" * 96 + "..."),
    ],
)
def test_a_subject_is_one_short_line_of_ascii(text: str, line: str) -> None:
    assert subject_line(text) == line


@given(st.text())
def test_any_text_makes_a_subject(text: str) -> None:
    line = subject_line(text)

    assert line.isascii()
    assert line.isprintable()
    assert 0 < len(line) < 100
    assert line == line.strip()

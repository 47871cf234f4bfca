"""The rules' patterns, judged by the local AWS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from functions.enrolment.configuration import Configuration
from functions.enrolment.membership import Outcome
from functions.enrolment.results import Result, result_document
from functions.enrolment.scope import Scope
from functions.services import registry
from infra.organization import wanted_patterns
from tests.support.builders import NOW, OTHER, a_membership, an_onboarding
from tests.support.event_samples import BROUGHT_BY, OPTED_IN_TO, SAMPLES
from tests.support.events import sample
from tests.support.examples import example

if TYPE_CHECKING:
    from infra.local.process import LocalAws

PATTERNS = wanted_patterns(
    Configuration(
        regions=("eu-west-1", OPTED_IN_TO),
        services=registry.SERVICES,
        scope=Scope(include_paths=("o-aa111bb222/",)),
    )
)


@pytest.mark.parametrize("name", SAMPLES)
def test_an_event_that_brings_an_account_matches_its_one_pattern(aws: LocalAws, name: str) -> None:
    events = aws.client("events", "111122223333", "us-east-1")
    matching = [
        arrival
        for arrival, pattern in PATTERNS.items()
        if events.test_event_pattern(
            EventPattern=json.dumps(pattern), Event=json.dumps(sample(name))
        )["Result"]
    ]

    assert matching == [arrival for arrival in (BROUGHT_BY.get(name),) if arrival]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.TIMED_OUT, Outcome.ENABLED])
def test_the_example_for_failures_of_an_account_matches_when_it_failed(
    aws: LocalAws, outcome: Outcome
) -> None:
    membership = a_membership(account_id=OTHER).settled(outcome, None, NOW)
    document = result_document(Result(an_onboarding(), (membership,), NOW))
    event = sample(SAMPLES[0]) | {
        "source": "rollcall",
        "detail-type": "Onboarding Completed",
        "detail": document,
    }
    events = aws.client("events", "111122223333", "us-east-1")

    matches = events.test_event_pattern(
        EventPattern=example("event-pattern"), Event=json.dumps(event)
    )["Result"]

    assert matches is (outcome is not Outcome.ENABLED)


EVENT = sample("move_account")
PATTERN = json.dumps(PATTERNS["MoveAccount"])


def without(field: str) -> str:
    return json.dumps({key: value for key, value in EVENT.items() if key != field})


@pytest.mark.parametrize(
    ("pattern", "event", "code"),
    [
        *(
            (PATTERN, without(field), "ValidationException")
            for field in ("id", "account", "source", "time", "region", "detail-type")
        ),
        (PATTERN, "{", "ValidationException"),
        (PATTERN, "[]", "ValidationException"),
        ("{", json.dumps(EVENT), "InvalidEventPatternException"),
        ('{"source": "aws.organizations"}', json.dumps(EVENT), "InvalidEventPatternException"),
    ],
    ids=[
        *("no id", "no account", "no source", "no time", "no region", "no detail-type"),
        *("no JSON", "a list", "pattern no JSON", "pattern of a text"),
    ],
)
def test_an_invalid_event_or_pattern_is_refused(
    aws: LocalAws, pattern: str, event: str, code: str
) -> None:
    events = aws.client("events", "111122223333", "us-east-1")

    with pytest.raises(ClientError) as refused:
        events.test_event_pattern(EventPattern=pattern, Event=event)

    assert refused.value.response["Error"]["Code"] == code


def test_an_event_needs_no_resources(aws: LocalAws) -> None:
    events = aws.client("events", "111122223333", "us-east-1")

    assert events.test_event_pattern(EventPattern=PATTERN, Event=without("resources"))["Result"]
